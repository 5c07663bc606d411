package fleet

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
)

// wantedBalancer is how a load balancer of stack.yaml is to be.
func (f *Fleet) wantedBalancer(b balanced) wantedBalancer {
	return wantedBalancer{
		name:   f.balancerName(b.Name),
		called: called(b.Balancer),
		target: f.trafficTag(b.Balancer),
		rules:  b.rules(""),
		health: healthCheck(),
		idle:   idleSeconds(b.serve),
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

	reasons := append(compareBalancer(want, is), compareUse(is, certificate)...)
	if len(reasons) == 0 {
		return nil
	}

	if err := f.putBalancer(ctx, is, b.request(is, want, certificate)); err != nil {
		return err
	}

	if err := f.readBalancerBack(ctx, is, want, certificate); err != nil {
		return err
	}

	f.progress("load balancer %s changed: %s", is.Name, strings.Join(reasons, "; "))

	return nil
}

// tryChange asks the API whether it would take a change, and changes nothing. Target and certificate stay as they are
// in the question: nodes and the next certificate are not there yet.
func (f *Fleet) tryChange(ctx context.Context, b balanced, is godo.LoadBalancer) error {
	certificate := usedBy(is)

	want := f.wantedBalancer(b)
	if len(compareBalancer(want, is)) == 0 || b.HTTPS != 0 && certificate == nil {
		return nil
	}

	request := b.request(is, want, certificate)
	request.ValidateOnly = true
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

// request is the whole of a load balancer: a PUT sets what it leaves out to its default. It begins with what is there,
// so that what stack.yaml cannot say survives: sticky sessions, the firewall, the size and so on.
func (b balanced) request(
	is godo.LoadBalancer,
	want wantedBalancer,
	certificate *godo.Certificate,
) *godo.LoadBalancerRequest {
	request := is.AsRequest()

	// The API fills them in from the tag, and refuses both.
	request.DropletIDs = nil
	request.Tag = want.target

	// Of two ways to say the same it takes one.
	if request.SizeUnit != 0 {
		request.SizeSlug = ""
	}

	request.ForwardingRules = b.rules(idOf(certificate))
	request.HealthCheck = want.health
	request.HTTPIdleTimeoutSeconds = want.idle

	return request
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
		Timeout: readBackLimit,
	})
}

// readBackLimit is how long the API may take to show what it accepted.
const readBackLimit = time.Minute

// readBalancerBack waits until the API shows a load balancer as it is wanted.
func (f *Fleet) readBalancerBack(
	ctx context.Context,
	was godo.LoadBalancer,
	want wantedBalancer,
	certificate *godo.Certificate,
) error {
	poll := func(ctx context.Context) (do.State, error) {
		is, _, err := f.Client.LoadBalancers.Get(ctx, was.ID)
		if err != nil {
			return do.Pending, err
		}

		if reasons := append(compareBalancer(want, *is), compareUse(*is, certificate)...); len(reasons) > 0 {
			return do.Pending, do.Seen("%s", strings.Join(reasons, "; "))
		}

		return do.Done, nil
	}

	return do.Wait(ctx, "load balancer "+was.Name+" to be changed", poll, do.WaitOptions{
		Timeout: readBackLimit,
	})
}
