package fleet

import (
	"context"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
)

// resourceName is the name of what the stack has one of: VPC, certificate, a load balancer without a name of its own.
func (f *Fleet) resourceName() string {
	return "hornero-" + f.Stack.Name
}

// findVPC finds the stack's network by its name; nil where there is none.
func (f *Fleet) findVPC(ctx context.Context) (*godo.VPC, error) {
	vpcs, err := do.VPCs(ctx, f.Client)
	if err != nil {
		return nil, err
	}

	for _, vpc := range vpcs {
		if vpc.Name == f.resourceName() {
			return vpc, nil
		}
	}

	return nil, nil
}

func (f *Fleet) ensureVPC(ctx context.Context) (string, error) {
	// Found by its name, it is not made twice when a run was killed after making it.
	vpc, err := f.findVPC(ctx)
	if err != nil {
		return "", err
	}

	if vpc != nil {
		return vpc.ID, f.awaitLock(ctx, vpc.ID)
	}

	return f.createVPC(ctx, &godo.VPCCreateRequest{
		Name:       f.resourceName(),
		RegionSlug: f.Stack.Region,
	})
}
