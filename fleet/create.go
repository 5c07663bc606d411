package fleet

import (
	"context"
	"fmt"
	"slices"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
)

// createDroplet makes a node's Droplet, one even when the API's answer is lost: it is looked for by its tags then, and
// taken for ours when it has this node and incarnation.
func (f *Fleet) createDroplet(ctx context.Context, request *godo.DropletCreateRequest) (*godo.Droplet, error) {
	wanted := f.member(godo.Droplet{Tags: request.Tags})

	look := func(ctx context.Context) (*godo.Droplet, error) {
		return f.findDroplet(ctx, wanted.Node, wanted.Incarnation)
	}

	create := func(ctx context.Context) (*godo.Droplet, error) {
		droplet, _, err := f.Client.Droplets.Create(ctx, request)
		return droplet, err
	}

	return do.Ensure(ctx, "create Droplet of "+wanted.Node, f.Unclear, look, create)
}

// findDroplet finds the Droplet of an incarnation of a node, the elder of two; nil when there is none.
func (f *Fleet) findDroplet(ctx context.Context, node string, incarnation int) (*godo.Droplet, error) {
	droplets, err := do.DropletsByTag(ctx, f.Client, f.tag("node", node))
	if err != nil {
		return nil, err
	}

	all, _ := f.sorted(droplets)
	i := slices.IndexFunc(all, func(m member) bool {
		return m.Node == node && m.Incarnation == incarnation
	})
	if i < 0 {
		return nil, nil
	}

	return &all[i].Droplet, nil
}

// createCertificate uploads a certificate.
func (f *Fleet) createCertificate(
	ctx context.Context,
	request *godo.CertificateRequest,
) (*godo.Certificate, error) {
	look := func(ctx context.Context) (*godo.Certificate, error) {
		read := func(ctx context.Context, page *godo.ListOptions) ([]godo.Certificate, *godo.Response, error) {
			return f.Client.Certificates.ListByName(ctx, request.Name, page)
		}

		have, err := do.Pages(ctx, read)
		if err != nil || len(have) == 0 {
			return nil, err
		}

		return &have[0], nil
	}

	create := func(ctx context.Context) (*godo.Certificate, error) {
		certificate, _, err := f.Client.Certificates.Create(ctx, request)
		return certificate, err
	}

	return do.Ensure(ctx, "upload certificate "+request.Name, f.Unclear, look, create)
}

// createLoadBalancer makes a load balancer. Its name alone does not tell that it is the stack's.
func (f *Fleet) createLoadBalancer(
	ctx context.Context,
	request *godo.LoadBalancerRequest,
) (*godo.LoadBalancer, error) {
	look := func(ctx context.Context) (*godo.LoadBalancer, error) {
		have, err := f.balancers(ctx)
		if err != nil {
			return nil, err
		}

		for _, balancer := range have {
			if balancer.Name == request.Name {
				return &balancer, nil
			}
		}

		return nil, nil
	}

	create := func(ctx context.Context) (*godo.LoadBalancer, error) {
		balancer, _, err := f.Client.LoadBalancers.Create(ctx, request)
		return balancer, err
	}

	return do.Ensure(ctx, "create load balancer "+request.Name, f.Unclear, look, create)
}

// createRecord makes a record of the stack's domain. The API takes two of a name.
func (f *Fleet) createRecord(ctx context.Context, request *godo.DomainRecordEditRequest) error {
	look := func(ctx context.Context) (*godo.DomainRecord, error) {
		have, err := f.domainRecords(ctx)

		for _, record := range recordsNamed(have, request.Name) {
			if record.Data == request.Data {
				return &record, nil
			}
		}

		return nil, err
	}

	create := func(ctx context.Context) (*godo.DomainRecord, error) {
		record, _, err := f.Client.Domains.CreateRecord(ctx, f.Stack.Domain.Name, request)
		return record, err
	}

	_, err := do.Ensure(ctx, "create record "+request.Name, f.Unclear, look, create)

	return err
}

// createReserved reserves an address. It has no name: after a lost answer it is the one that was not there before, as
// long as nothing has it.
func (f *Fleet) createReserved(ctx context.Context) (*godo.ReservedIP, error) {
	before, err := do.ReservedIPs(ctx, f.Client)
	if err != nil {
		return nil, err
	}

	look := func(ctx context.Context) (*godo.ReservedIP, error) {
		now, err := do.ReservedIPs(ctx, f.Client)
		i := slices.IndexFunc(now, func(one godo.ReservedIP) bool {
			known := slices.ContainsFunc(before, func(old godo.ReservedIP) bool { return old.IP == one.IP })
			here := one.Region != nil && one.Region.Slug == f.Stack.Region

			return !known && here && one.Droplet == nil
		})
		if err != nil || i < 0 {
			return nil, err
		}

		return &now[i], nil
	}

	request := &godo.ReservedIPCreateRequest{Region: f.Stack.Region}
	create := func(ctx context.Context) (*godo.ReservedIP, error) {
		reserved, _, err := f.Client.ReservedIPs.Create(ctx, request)
		return reserved, err
	}

	return do.Ensure(ctx, fmt.Sprintf("reserve an IP in %s", f.Stack.Region), f.Unclear, look, create)
}

// powerOn asks for a Droplet to be turned on. After a lost answer the Droplet tells whether it was understood.
func (f *Fleet) powerOn(ctx context.Context, id int) error {
	look := func(ctx context.Context) (*godo.Droplet, error) {
		droplet, _, err := f.Client.Droplets.Get(ctx, id)
		if err != nil || droplet.Status == "off" && !droplet.Locked {
			return nil, err
		}

		return droplet, nil
	}

	create := func(ctx context.Context) (*godo.Droplet, error) {
		_, _, err := f.Client.DropletActions.PowerOn(ctx, id)
		return &godo.Droplet{ID: id}, err
	}

	_, err := do.Ensure(ctx, fmt.Sprintf("turn on Droplet %d", id), f.Unclear, look, create)

	return err
}
