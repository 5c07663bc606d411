package fleet

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
)

// wantedBalancer is how a load balancer of stack.yaml is to be.
func (f *Fleet) wantedBalancer(b balanced) wantedBalancer {
	return wantedBalancer{
		name:    f.balancerName(b.Name),
		called:  called(b.Balancer),
		request: f.balancerRequest(b),
		issued:  f.issuedCertificate(b),
	}
}

// changeBalancer makes a load balancer that is there as stack.yaml says. Nothing happens to one that is so already.
func (f *Fleet) changeBalancer(ctx context.Context, b balanced) error {
	have, err := f.balancers(ctx)
	if err != nil {
		return err
	}

	is, there := f.balancerNamed(have, b.Name)
	if !there {
		return fmt.Errorf("change %s: somebody deleted it; run `hornero up` again", b)
	}

	certificate, err := f.certificateFor(ctx, b)
	if err != nil {
		return err
	}

	want := f.wantedBalancer(b)

	if is, err = f.putFields(ctx, want, is, certificate, isNoSize); err != nil {
		return err
	}

	// By itself and last: the API changes a size once an hour, and its refusal must not hold up the rest.
	_, err = f.putFields(ctx, want, is, certificate, isSize)
	if do.Status(err) == http.StatusUnprocessableEntity {
		f.progress("load balancer %s keeps its size: %v; DigitalOcean changes a size once an hour, and not in the "+
			"first; the next `hornero up` tries again", is.Name, err)

		return nil
	}

	return err
}

// putFields changes these fields of a load balancer, where any is otherwise, and returns it as it is then.
func (f *Fleet) putFields(
	ctx context.Context,
	want wantedBalancer,
	is godo.LoadBalancer,
	certificate *godo.Certificate,
	of func(balancerField) bool,
) (godo.LoadBalancer, error) {
	reasons := append(compareFields(want, is, of), compareUse(want, is, certificate)...)
	if len(reasons) == 0 {
		return is, nil
	}

	request := want.requestFor(is, certificate)

	// What is not asked for stays.
	if !slices.ContainsFunc(balancerFields(), func(field balancerField) bool { return isSize(field) && of(field) }) {
		request.SizeUnit = unitsOf(is.AsRequest())
	}

	if err := f.putBalancer(ctx, is, request); err != nil {
		return is, err
	}

	is, err := f.readBalancerBack(ctx, is, want, certificate, of)
	if err != nil {
		return is, err
	}

	f.progress("load balancer %s changed: %s", is.Name, strings.Join(reasons, "; "))

	return is, nil
}

func isSize(field balancerField) bool { return field.Name == sizeField }

func isNoSize(field balancerField) bool { return !field.fixed && field.Name != sizeField }

// tryChange asks the API whether it would take a change, and changes nothing. Target, size and certificate stay as they
// are in the question: nodes and the next certificate are not there yet, and a size may have to wait.
func (f *Fleet) tryChange(ctx context.Context, b balanced, is godo.LoadBalancer) error {
	certificate := usedBy(is)

	want := f.wantedBalancer(b)
	if len(compareFields(want, is, isNoSize)) == 0 || want.endsTLS() && certificate == nil {
		return nil
	}

	request := want.requestFor(is, certificate)
	request.ValidateOnly = true
	request.SizeUnit = unitsOf(is.AsRequest())
	request.Tag = is.Tag

	if is.Tag == "" {
		request.DropletIDs = is.DropletIDs
	}

	_, _, err := f.Client.LoadBalancers.Update(ctx, is.ID, request)
	if do.IsPending(err) || do.IsTransient(err) {
		return nil // the change itself waits for that
	}

	return err
}

// usedBy is the certificate that a load balancer uses; nil where it uses none.
func usedBy(is godo.LoadBalancer) *godo.Certificate {
	for _, rule := range is.ForwardingRules {
		if rule.CertificateID != "" {
			return &godo.Certificate{ID: rule.CertificateID}
		}
	}

	return nil
}

// requestFor is the whole of a load balancer for a PUT, which sets what it leaves out to its default. What stack.yaml
// does not say of the one that is there stays: its network and its project.
func (b wantedBalancer) requestFor(is godo.LoadBalancer, certificate *godo.Certificate) *godo.LoadBalancerRequest {
	request := *b.request
	request.VPCUUID = is.VPCUUID
	request.ProjectID = is.ProjectID
	request.ForwardingRules = withCertificate(b.request.ForwardingRules, certificate)

	return &request
}

// putBalancer waits while the API is busy with what was asked of the load balancer before.
func (f *Fleet) putBalancer(ctx context.Context, is godo.LoadBalancer, request *godo.LoadBalancerRequest) error {
	return do.Wait(ctx, "change load balancer "+is.Name, func(ctx context.Context) (do.State, error) {
		_, _, err := f.Client.LoadBalancers.Update(ctx, is.ID, request)

		switch {
		case err == nil:
			return do.Done, nil
		case do.IsPending(err):
			return do.Pending, do.Seen("%v", err)
		case do.IsTransient(err):
			return do.Pending, err // a PUT of the whole may be done twice
		}

		return do.Errored, err
	}, do.WaitOptions{
		Timeout: busyLimit,
	})
}

// busyLimit is how long the API may be busy with what was asked of a load balancer before. It is known to be so for
// hours at times: then the operator is told.
const busyLimit = 5 * time.Minute

// readBackLimit is how long the API may take to show what it accepted.
const readBackLimit = time.Minute

// readBalancerBack waits until the API shows these fields of a load balancer as they are wanted, and returns it.
func (f *Fleet) readBalancerBack(
	ctx context.Context,
	was godo.LoadBalancer,
	want wantedBalancer,
	certificate *godo.Certificate,
	of func(balancerField) bool,
) (godo.LoadBalancer, error) {
	shown := was

	poll := func(ctx context.Context) (do.State, error) {
		is, _, err := f.Client.LoadBalancers.Get(ctx, was.ID)
		if err != nil {
			return do.Pending, err
		}

		reasons := append(compareFields(want, *is, of), compareUse(want, *is, certificate)...)
		if len(reasons) > 0 {
			return do.Pending, do.Seen("%s", strings.Join(reasons, "; "))
		}

		shown = *is

		return do.Done, nil
	}

	return shown, do.Wait(ctx, "load balancer "+was.Name+" to be changed", poll, do.WaitOptions{
		Timeout: readBackLimit,
	})
}
