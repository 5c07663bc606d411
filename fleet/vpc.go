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

func (f *Fleet) ensureVPC(ctx context.Context) (string, error) {
	// Found by its name, it is not made twice when a run was killed after making it.
	vpcs, err := do.VPCs(ctx, f.Client)
	if err != nil {
		return "", err
	}

	for _, vpc := range vpcs {
		if vpc.Name == f.resourceName() {
			return vpc.ID, f.awaitLock(ctx, vpc.ID)
		}
	}

	return f.createVPC(ctx, &godo.VPCCreateRequest{
		Name:       f.resourceName(),
		RegionSlug: f.Stack.Region,
	})
}
