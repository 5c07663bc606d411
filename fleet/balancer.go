package fleet

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/roles"
)

// balancerName is what a load balancer of stack.yaml is called at DigitalOcean; the short form of one has no name.
func (f *Fleet) balancerName(name string) string {
	if name == "" {
		return f.resourceName()
	}

	return f.resourceName() + "-" + name
}

// balancers are the load balancers of the stack, also those that stack.yaml does not name any more.
func (f *Fleet) balancers(ctx context.Context) ([]godo.LoadBalancer, error) {
	all, err := do.LoadBalancers(ctx, f.Client)
	if err != nil {
		return nil, err
	}

	return slices.DeleteFunc(all, func(balancer godo.LoadBalancer) bool {
		return !f.ours(balancer)
	}), nil
}

// ours tells a load balancer of this stack from all others. The name alone cannot: the balancer api of stack blog
// and the only one of stack blog-api are both called hornero-blog-api. The tag of its targets names the stack whole.
// The tag alone cannot, either: the operator may have made a balancer of his own for the same nodes.
func (f *Fleet) ours(balancer godo.LoadBalancer) bool {
	name, begins := strings.CutPrefix(balancer.Name, f.resourceName())
	named := begins && (name == "" || strings.HasPrefix(name, "-"))

	return named && strings.HasPrefix(balancer.Tag, f.tag("role", ""))
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

// ensureBalancers makes the load balancers that are not there.
func (f *Fleet) ensureBalancers(ctx context.Context, vpc string) error {
	wanted, err := f.allBalanced()
	if err != nil {
		return err
	}

	have, err := f.balancers(ctx)
	if err != nil {
		return err
	}

	f.reportOdd(have, wanted)

	for _, b := range wanted {
		if _, there := f.balancerNamed(have, b.Name); there {
			continue
		}

		if err := f.createBalancer(ctx, vpc, b); err != nil {
			return err
		}
	}

	return nil
}

// reportOdd tells of load balancers that are there and not as stack.yaml says: one that is there is left as it is.
func (f *Fleet) reportOdd(have []godo.LoadBalancer, wanted []balanced) {
	roles := map[string]string{}
	for _, b := range wanted {
		roles[f.balancerName(b.Name)] = b.Nodes
	}

	for _, balancer := range have {
		role, named := roles[balancer.Name]

		switch {
		case !named:
			f.progress(
				"load balancer %s is not in stack.yaml any more and is paid for; delete it at DigitalOcean, or with "+
					"the whole stack by `hornero destroy`",
				balancer.Name,
			)

		case balancer.Tag != f.tag("role", role):
			f.progress(
				"load balancer %s sends to %s, not to nodes of role %s; delete it at DigitalOcean, and `hornero up` "+
					"makes it anew",
				balancer.Name,
				balancer.Tag,
				role,
			)
		}
	}
}

func (f *Fleet) createBalancer(ctx context.Context, vpc string, b balanced) error {
	rules, err := f.forwardingRules(ctx, b)
	if err != nil {
		return err
	}

	name := f.balancerName(b.Name)
	_, err = f.createLoadBalancer(ctx, &godo.LoadBalancerRequest{
		// By tag, so that a node that is replaced is behind it from its launch on.
		Name:                   name,
		Region:                 f.Stack.Region,
		VPCUUID:                vpc,
		Tag:                    f.tag("role", b.Nodes),
		SizeUnit:               1,
		ForwardingRules:        rules,
		HTTPIdleTimeoutSeconds: idleSeconds(b.serve),
		HealthCheck:            healthCheck(),
	})
	if err != nil {
		return err
	}

	f.progress("load balancer %s made", name)

	return nil
}

// idleSeconds is how long a load balancer waits for an answer's next byte.
func idleSeconds(serve roles.Serve) *uint64 {
	seconds := uint64(cmp.Or(serve.Timeout, roles.DefaultServeTimeout).Seconds())
	return &seconds
}

// healthCheck asks each node's bootstrap.
func healthCheck() *godo.HealthCheck {
	return &godo.HealthCheck{
		Protocol:               "http",
		Port:                   roles.HealthPort,
		Path:                   "/healthz",
		CheckIntervalSeconds:   3,
		ResponseTimeoutSeconds: 3,
		UnhealthyThreshold:     2,
		HealthyThreshold:       2,
	}
}

// forwardingRules are a rule for each port that the stack names.
func (f *Fleet) forwardingRules(ctx context.Context, b balanced) ([]godo.ForwardingRule, error) {
	// Only where HTTPS is asked for: nothing else uses the certificate.
	if b.HTTPS == 0 {
		return b.rules(""), nil
	}

	certificate, err := f.ensureCertificate(ctx)
	if err != nil {
		return nil, err
	}

	return b.rules(certificate), nil
}

// rules are the forwarding rules with the number of the certificate; HTTPS ends at the load balancer.
func (b balanced) rules(certificate string) []godo.ForwardingRule {
	var rules []godo.ForwardingRule

	if b.HTTP != 0 {
		rules = append(rules, godo.ForwardingRule{
			EntryProtocol:  "http",
			EntryPort:      b.HTTP,
			TargetProtocol: "http",
			TargetPort:     b.serve.Port,
		})
	}

	if b.HTTPS != 0 {
		rules = append(rules, godo.ForwardingRule{
			EntryProtocol:  "https",
			EntryPort:      b.HTTPS,
			TargetProtocol: "http",
			TargetPort:     b.serve.Port,
			CertificateID:  certificate,
		})
	}

	return rules
}
