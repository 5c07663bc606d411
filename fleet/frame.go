package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// What stands around the nodes: the network, the certificate, the load balancer.

func (f *Fleet) frameName() string {
	return "hornero-" + f.Stack.Name
}

func (f *Fleet) ensureVPC(ctx context.Context) (string, error) {
	vpcs, err := do.VPCs(ctx, f.Client)
	if err != nil {
		return "", err
	}

	for _, vpc := range vpcs {
		if vpc.Name == f.frameName() {
			return vpc.ID, nil
		}
	}

	vpc, _, err := f.Client.VPCs.Create(ctx, &godo.VPCCreateRequest{
		Name:       f.frameName(),
		RegionSlug: f.Stack.Region,
	})
	if err != nil {
		return "", fmt.Errorf("create VPC %s: %w", f.frameName(), err)
	}

	f.say("VPC %s made, %s", vpc.Name, vpc.IPRange)

	return vpc.ID, nil
}

func (f *Fleet) balancer(ctx context.Context) (godo.LoadBalancer, bool, error) {
	balancers, err := do.LoadBalancers(ctx, f.Client)
	if err != nil {
		return godo.LoadBalancer{}, false, err
	}

	for _, balancer := range balancers {
		if balancer.Name == f.frameName() {
			return balancer, true, nil
		}
	}

	return godo.LoadBalancer{}, false, nil
}

func (f *Fleet) certificates(ctx context.Context) ([]godo.Certificate, error) {
	return do.Pages(ctx, func(ctx context.Context, options *godo.ListOptions) ([]godo.Certificate, *godo.Response, error) {
		return f.Client.Certificates.ListByName(ctx, f.frameName(), options)
	})
}

func (f *Fleet) ensureCertificate(ctx context.Context) (string, error) {
	have, err := f.certificates(ctx)
	if err != nil {
		return "", err
	}

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
		Name:            f.frameName(),
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

	request := &godo.LoadBalancerRequest{
		Name:    f.frameName(),
		Region:  f.Stack.Region,
		VPCUUID: vpc,
		Tag: f.tag(
			"role",
			f.Stack.LoadBalancer.Nodes,
		),
		SizeUnit: 1,
		HealthCheck: &godo.HealthCheck{
			Protocol:               "http",
			Port:                   roles.HealthPort,
			Path:                   "/healthz",
			CheckIntervalSeconds:   3,
			ResponseTimeoutSeconds: 3,
			UnhealthyThreshold:     2,
			HealthyThreshold:       2,
		},
	}

	if port := f.Stack.LoadBalancer.HTTP; port != 0 {
		request.ForwardingRules = append(request.ForwardingRules, godo.ForwardingRule{
			EntryProtocol:  "http",
			EntryPort:      port,
			TargetProtocol: "http",
			TargetPort:     80,
		})
	}

	if port := f.Stack.LoadBalancer.HTTPS; port != 0 {
		certificate, err := f.ensureCertificate(ctx)
		if err != nil {
			return err
		}

		request.ForwardingRules = append(request.ForwardingRules, godo.ForwardingRule{
			EntryProtocol:  "https",
			EntryPort:      port,
			TargetProtocol: "http",
			TargetPort:     80,
			CertificateID:  certificate,
		})
	}

	if _, _, err := f.Client.LoadBalancers.Create(ctx, request); err != nil {
		return fmt.Errorf("create load balancer %s: %w", f.frameName(), err)
	}

	f.say("load balancer %s made", f.frameName())

	return nil
}

// url returns where the site is reached from here; "" while the balancer has no address.
func (f *Fleet) url(ctx context.Context) (string, error) {
	balancer, there, err := f.balancer(ctx)
	if err != nil || !there || balancer.IP == "" {
		return "", err
	}

	address := balancer.IP
	if f.Published != nil {
		if address, err = f.Published(ctx, address); err != nil {
			return "", err
		}
	}

	scheme, port, usual := "http", f.Stack.LoadBalancer.HTTP, 80
	if port == 0 {
		scheme = "https"
		port = f.Stack.LoadBalancer.HTTPS
		usual = 443
	}

	if port == usual {
		return scheme + "://" + address + "/", nil
	}

	return fmt.Sprintf("%s://%s:%d/", scheme, address, port), nil
}

// Destroy removes everything of the stack but images and secrets. What is gone already is no error.
func (f *Fleet) Destroy(ctx context.Context) error {
	members, err := f.members(ctx)
	if err != nil {
		return err
	}

	errs := make([]error, len(members))
	var group sync.WaitGroup

	for i, m := range members {
		group.Go(func() {
			if errs[i] = do.DeleteDroplet(ctx,
				f.Client,
				m.Droplet.ID,
				do.WaitOptions{},
			); errs[i] == nil {
				f.say("%s: destroyed (Droplet %d)", m.Node, m.Droplet.ID)
			}
		})
	}

	group.Wait()

	if balancer, there, err := f.balancer(ctx); err != nil {
		errs = append(errs, err)
	} else if there {
		_, err := f.Client.LoadBalancers.Delete(ctx, balancer.ID)
		if do.IsNotFound(err) {
			err = nil
		}

		errs = append(errs, err)
	}

	errs = append(
		errs,
		f.destroyCertificates(ctx),
		f.destroyVPC(ctx),
	)

	if f.Stack.ReservedIP != nil {
		f.say(
			"reserved IP %s is kept, and is paid for while no Droplet has it; `hornero reserved-ip release "+
				"--yes` gives it back",
			f.Stack.ReservedIP.Address,
		)
	}

	return errors.Join(errs...)
}

func (f *Fleet) destroyCertificates(ctx context.Context) error {
	certificates, err := f.certificates(ctx)
	if err != nil {
		return err
	}

	for _, certificate := range certificates {
		err := again(ctx, "delete certificate "+certificate.Name, func(ctx context.Context) error {
			_, err := f.Client.Certificates.Delete(ctx, certificate.ID)
			return err
		})
		if err != nil {
			return err
		}
	}

	return nil
}

func (f *Fleet) destroyVPC(ctx context.Context) error {
	vpcs, err := do.VPCs(ctx, f.Client)
	if err != nil {
		return err
	}

	for _, vpc := range vpcs {
		if vpc.Name != f.frameName() || vpc.Default {
			continue
		}

		err := again(ctx, "delete VPC "+vpc.Name, func(ctx context.Context) error {
			_, err := f.Client.VPCs.Delete(ctx, vpc.ID)
			return err
		})
		if err != nil {
			return err
		}
	}

	return nil
}

// again repeats what the API refuses while members linger (403, 409).
func again(ctx context.Context, what string, try func(context.Context) error) error {
	return do.Wait(ctx, what, func(ctx context.Context) (do.State, error) {
		err := try(ctx)
		switch status := do.Status(err); {
		case err == nil || do.IsNotFound(err):
			return do.Done, nil

		case status == http.StatusForbidden ||
			status == http.StatusConflict ||
			status == http.StatusUnprocessableEntity:
			return do.Pending, do.Seen("%s", strings.TrimSpace(err.Error()))

		default:
			return do.Errored, err
		}
	}, do.WaitOptions{Timeout: time.Minute})
}
