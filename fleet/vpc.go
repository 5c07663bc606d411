package fleet

import (
	"context"

	"github.com/digitalocean/godo"
)

// resourceName is the name of what the stack has one of: VPC, certificate, a load balancer without a name of its own.
func (f *Fleet) resourceName() string {
	return "hornero-" + f.Stack.Name
}

func (f *Fleet) ensureVPC(ctx context.Context) (string, error) {
	// Found by its name, it is not made twice when a run was killed after making it.
	have, err := f.findVPC(ctx, f.resourceName())
	if err != nil {
		return "", err
	}

	if have != nil {
		return have.ID, nil
	}

	vpc, err := f.createVPC(ctx, &godo.VPCCreateRequest{
		Name:       f.resourceName(),
		RegionSlug: f.Stack.Region,
	})
	if err != nil {
		return "", err
	}

	f.progress("VPC %s made, %s", vpc.Name, vpc.IPRange)

	return vpc.ID, nil
}
