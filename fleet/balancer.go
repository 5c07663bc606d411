package fleet

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
)

// balancerName is what a load balancer of stack.yaml is called at DigitalOcean; the short form of one has no name.
func (f *Fleet) balancerName(name string) string {
	if name == "" {
		return f.resourceName()
	}

	return f.resourceName() + "-" + name
}

// balancers are the load balancers of the stack, also those that stack.yaml does not name any more. Of two of a name
// the elder is the first, for every operator.
func (f *Fleet) balancers(ctx context.Context) ([]godo.LoadBalancer, error) {
	all, err := do.LoadBalancers(ctx, f.Client)
	if err != nil {
		return nil, err
	}

	return f.ourBalancers(ctx, all)
}

// ourBalancers are those of the stack among all of the account.
func (f *Fleet) ourBalancers(ctx context.Context, all []godo.LoadBalancer) ([]godo.LoadBalancer, error) {
	all = slices.DeleteFunc(slices.Clone(all), func(balancer godo.LoadBalancer) bool { return !f.isNamed(balancer) })

	slices.SortFunc(all, func(a, b godo.LoadBalancer) int {
		return cmp.Or(
			cmp.Compare(a.Created, b.Created),
			cmp.Compare(a.ID, b.ID),
		)
	})

	// Asked for only where a tag does not tell.
	if !slices.ContainsFunc(all, func(balancer godo.LoadBalancer) bool { return !f.sendsToOurs(balancer) }) {
		return all, nil
	}

	vpc, err := f.findVPC(ctx)

	return slices.DeleteFunc(all, func(balancer godo.LoadBalancer) bool {
		inside := vpc != nil && balancer.VPCUUID == vpc.ID
		return !inside && !f.sendsToOurs(balancer)
	}), err
}

// isNamed tells whether a load balancer has a name as those of the stack have. The name alone tells nothing: the
// balancer api of stack blog and the only one of stack blog-api are both called hornero-blog-api. The tag of its
// targets and its network name the stack whole. Those alone do not either: the operator may have made a balancer of
// his own for the same nodes.
func (f *Fleet) isNamed(balancer godo.LoadBalancer) bool {
	name, begins := strings.CutPrefix(balancer.Name, f.resourceName())
	return begins && (name == "" || strings.HasPrefix(name, "-"))
}

// sendsToOurs tells whether a load balancer sends to nodes of this stack by their traffic tag, or by their role's, as
// it was in earlier versions.
func (f *Fleet) sendsToOurs(balancer godo.LoadBalancer) bool {
	return f.isTrafficTag(balancer.Tag) || strings.HasPrefix(balancer.Tag, f.tag("role", ""))
}

// balancerNamed finds one of the stack's by its name in stack.yaml.
func (f *Fleet) balancerNamed(have []godo.LoadBalancer, name string) (godo.LoadBalancer, bool) {
	i := slices.IndexFunc(have, func(balancer godo.LoadBalancer) bool {
		return balancer.Name == f.balancerName(name)
	})
	if i < 0 {
		return godo.LoadBalancer{}, false
	}

	return have[i], true
}

// ensureBalancers makes the load balancers that are not there, and changes those that are not as stack.yaml says. It
// returns the names of those that have another target: they are changed when there are nodes at the new one.
func (f *Fleet) ensureBalancers(ctx context.Context, vpc string) (waiting []string, err error) {
	wanted, err := f.allBalanced()
	if err != nil {
		return nil, err
	}

	have, err := f.balancers(ctx)
	if err != nil {
		return nil, err
	}

	for _, b := range wanted {
		is, there := f.balancerNamed(have, b.Name)

		switch {
		case !there:
			err = f.createBalancer(ctx, vpc, b)
		case is.Tag != f.trafficTag(b.Balancer):
			waiting = append(waiting, b.Name)
		default:
			err = f.changeBalancer(ctx, b)
		}

		if err != nil {
			return nil, err
		}
	}

	return waiting, nil
}

func (f *Fleet) createBalancer(ctx context.Context, vpc string, b balanced) error {
	certificate, err := f.certificateFor(ctx, b)
	if err != nil {
		return err
	}

	request := f.balancerRequest(b)
	request.VPCUUID = vpc
	request.ForwardingRules = withCertificate(request.ForwardingRules, certificate)

	if _, err = f.createLoadBalancer(ctx, request); err != nil {
		return err
	}

	f.progress("load balancer %s made", request.Name)

	return nil
}
