package fleet

import (
	"context"
	"fmt"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

func (f *Fleet) balancer(ctx context.Context) (godo.LoadBalancer, bool, error) {
	balancers, err := do.LoadBalancers(ctx, f.Client)
	if err != nil {
		return godo.LoadBalancer{}, false, err
	}

	for _, balancer := range balancers {
		if balancer.Name == f.resourceName() {
			return balancer, true, nil
		}
	}

	return godo.LoadBalancer{}, false, nil
}

func (f *Fleet) certificates(ctx context.Context) ([]godo.Certificate, error) {
	read := func(ctx context.Context, page *godo.ListOptions) ([]godo.Certificate, *godo.Response, error) {
		return f.Client.Certificates.ListByName(ctx, f.resourceName(), page)
	}

	return do.Pages(ctx, read)
}

func (f *Fleet) ensureCertificate(ctx context.Context) (string, error) {
	have, err := f.certificates(ctx)
	if err != nil {
		return "", err
	}

	// An earlier run that was killed may have uploaded it already.
	if len(have) > 0 {
		return have[0].ID, nil
	}

	leaf, err := f.Secrets.Get(stack.SiteCertificate)
	if err != nil {
		return "", err
	}

	key, err := f.Secrets.Get(stack.SiteKey)
	if err != nil {
		return "", err
	}

	certificate, _, err := f.Client.Certificates.Create(ctx, &godo.CertificateRequest{
		Name:            f.resourceName(),
		Type:            "custom",
		PrivateKey:      key.Reveal(),
		LeafCertificate: leaf.Reveal(),
	})
	if err != nil {
		return "", fmt.Errorf("upload certificate: %w", err)
	}

	return certificate.ID, nil
}

func (f *Fleet) ensureBalancer(ctx context.Context, vpc string) error {
	_, there, err := f.balancer(ctx)
	if err != nil || there {
		return err
	}

	rules, err := f.forwardingRules(ctx)
	if err != nil {
		return err
	}

	_, _, err = f.Client.LoadBalancers.Create(ctx, &godo.LoadBalancerRequest{
		// By tag, so that a node that is replaced is behind it from its launch on.
		Name:            f.resourceName(),
		Region:          f.Stack.Region,
		VPCUUID:         vpc,
		Tag:             f.tag("role", f.Stack.LoadBalancer.Nodes),
		SizeUnit:        1,
		ForwardingRules: rules,
		HealthCheck: &godo.HealthCheck{
			Protocol:               "http",
			Port:                   roles.HealthPort,
			Path:                   "/healthz",
			CheckIntervalSeconds:   3,
			ResponseTimeoutSeconds: 3,
			UnhealthyThreshold:     2,
			HealthyThreshold:       2,
		},
	})
	if err != nil {
		return fmt.Errorf("create load balancer %s: %w", f.resourceName(), err)
	}

	f.progress("load balancer %s made", f.resourceName())

	return nil
}

// forwardingRules are a rule for each port that the stack names; HTTPS ends at the load balancer.
func (f *Fleet) forwardingRules(ctx context.Context) ([]godo.ForwardingRule, error) {
	var rules []godo.ForwardingRule

	if port := f.Stack.LoadBalancer.HTTP; port != 0 {
		rules = append(rules, godo.ForwardingRule{
			EntryProtocol:  "http",
			EntryPort:      port,
			TargetProtocol: "http",
			TargetPort:     80,
		})
	}

	if port := f.Stack.LoadBalancer.HTTPS; port != 0 {
		// Only where HTTPS is asked for: nothing else uses the certificate.
		certificate, err := f.ensureCertificate(ctx)
		if err != nil {
			return nil, err
		}

		rules = append(rules, godo.ForwardingRule{
			EntryProtocol:  "https",
			EntryPort:      port,
			TargetProtocol: "http",
			TargetPort:     80,
			CertificateID:  certificate,
		})
	}

	return rules, nil
}
