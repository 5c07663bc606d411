package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
)

var (
	// ErrFixed means that a load balancer differs in what the API never changes.
	ErrFixed = errors.New("it cannot be changed")
	// ErrNameTaken means that a load balancer that is not the stack's has the name of one of stack.yaml.
	ErrNameTaken = errors.New("the account has another load balancer of that name")
	// ErrNoBalancer means that stack.yaml has no load balancer of a name.
	ErrNoBalancer = errors.New("stack.yaml has no such load balancer")
)

// leavingBalancers are the load balancers that an Up removes.
type leavingBalancers struct {
	replaced []godo.LoadBalancer // before others of their names are made
	surplus  []godo.LoadBalancer // when the stack serves: not in stack.yaml any more, or younger ones of a name
}

// leavingBalancers finds what an Up removes, and refuses what it cannot change. It changes nothing.
func (f *Fleet) leavingBalancers(ctx context.Context) (leavingBalancers, error) {
	var leaving leavingBalancers

	if err := f.checkReplaceBalancers(); err != nil {
		return leaving, err
	}

	if err := f.checkBalancerNames(ctx); err != nil {
		return leaving, err
	}

	if err := f.checkIssuable(ctx); err != nil {
		return leaving, err
	}

	have, err := f.balancers(ctx)
	if err != nil {
		return leaving, err
	}

	vpc, err := f.findVPC(ctx)
	if err != nil {
		return leaving, err
	}

	wanted, err := f.allBalanced()
	if err != nil {
		return leaving, err
	}

	kept := map[string]bool{} // by the number

	for _, b := range wanted {
		is, there := f.balancerNamed(have, b.Name)
		if !there {
			continue
		}

		kept[is.ID] = true

		if slices.Contains(f.ReplaceBalancers, called(b.Balancer)) {
			leaving.replaced = append(leaving.replaced, is)
			continue
		}

		if err := f.checkChange(ctx, b, is, vpc); err != nil {
			return leaving, err
		}
	}

	for _, is := range have {
		if !kept[is.ID] {
			leaving.surplus = append(leaving.surplus, is)
		}
	}

	return leaving, nil
}

// checkChange refuses what the API would refuse, before anything else is changed.
func (f *Fleet) checkChange(ctx context.Context, b balanced, is godo.LoadBalancer, vpc *godo.VPC) error {
	reason := fixedReason(f.wantedBalancer(b), is, vpc)

	if reason == "" {
		err := f.tryChange(ctx, b, is)

		switch {
		case do.Status(err) == http.StatusUnprocessableEntity && !do.IsPending(err):
			reason = err.Error()
		case err != nil:
			return fmt.Errorf("look whether load balancer %s can be changed: %w", is.Name, err)
		}
	}

	if reason == "" {
		return nil
	}

	return fmt.Errorf("change load balancer %s: %w: %s; `%s` makes it anew, at another address",
		is.Name, ErrFixed, reason, replaceBalancer(called(b.Balancer)))
}

// checkReplaceBalancers refuses names that no load balancer of stack.yaml has.
func (f *Fleet) checkReplaceBalancers() error {
	var names []string
	for _, balancer := range f.Stack.AllBalancers() {
		names = append(names, called(balancer))
	}

	for _, name := range f.ReplaceBalancers {
		if !slices.Contains(names, name) {
			return fmt.Errorf("replace load balancer %s: %w; it has: %s",
				name, ErrNoBalancer, cmp.Or(strings.Join(names, ", "), "none"))
		}
	}

	return nil
}

// fixedReason tells why a load balancer cannot become what is wanted; "" where it can. It reaches nodes over their
// VPC, and the API moves it to no other.
func fixedReason(want wantedBalancer, is godo.LoadBalancer, vpc *godo.VPC) string {
	reasons := compareFields(want, is, func(field balancerField) bool { return field.fixed })

	if vpc != nil && is.VPCUUID != vpc.ID {
		reasons = append(reasons, changed("VPC", cmp.Or(is.VPCUUID, "none"), vpc.ID))
	}

	return strings.Join(reasons, "; ")
}

// replaceBalancer is the command that makes a load balancer anew.
func replaceBalancer(name string) string { return up + " --replace-balancer " + name }

// removals are what the operator is asked about.
func (l leavingBalancers) removals() []Removal {
	var all []Removal

	for _, is := range slices.Concat(l.replaced, l.surplus) {
		all = append(all, Removal{
			What:  "load balancer " + is.Name,
			Loses: "its address " + cmp.Or(is.IP, "(it has none yet)"),
		})
	}

	return all
}

// removeBalancers deletes load balancers, and waits until the API shows them no more.
func (f *Fleet) removeBalancers(ctx context.Context, balancers []godo.LoadBalancer) error {
	for _, is := range balancers {
		if err := f.checkLock(ctx); err != nil {
			return fmt.Errorf("delete load balancer %s: %w", is.Name, err)
		}

		// Two operators may meet here.
		_, err := f.Client.LoadBalancers.Delete(ctx, is.ID)
		if err != nil && !do.IsNotFound(err) {
			return fmt.Errorf("delete load balancer %s: %w", is.Name, err)
		}

		err = do.Wait(ctx, "load balancer "+is.Name+" to be gone", func(ctx context.Context) (do.State, error) {
			_, _, err := f.Client.LoadBalancers.Get(ctx, is.ID)
			if do.IsNotFound(err) {
				return do.Done, nil
			}

			return do.Pending, err
		}, do.WaitOptions{
			Timeout: readBackLimit,
		})
		if err != nil {
			return err
		}

		f.progress("load balancer %s (%s) removed", is.Name, cmp.Or(is.IP, "without an address"))
	}

	return nil
}

// renewBalancers is ensureBalancers, after those that are to be made anew are gone.
func (f *Fleet) renewBalancers(
	ctx context.Context,
	vpc string,
	leaving leavingBalancers,
) (waiting []string, err error) {
	if err := f.removeBalancers(ctx, leaving.replaced); err != nil {
		return nil, err
	}

	return f.ensureBalancers(ctx, vpc)
}

// removeTraffic removes what directs traffic and is not in stack.yaml any more: load balancers, then their tags, then
// the certificates that they used.
func (f *Fleet) removeTraffic(ctx context.Context, leaving leavingBalancers) error {
	if err := f.removeBalancers(ctx, leaving.surplus); err != nil {
		return err
	}

	members, err := f.members(ctx)
	if err != nil {
		return err
	}

	if err := f.withholdForeign(ctx, members); err != nil {
		return err
	}

	return f.removeCertificates(ctx)
}
