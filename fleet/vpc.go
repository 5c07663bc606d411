package fleet

import (
	"context"
	"fmt"

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
			f.tellRange(vpc)
			return vpc.ID, nil
		}
	}

	vpc, _, err := f.Client.VPCs.Create(ctx, &godo.VPCCreateRequest{
		Name:       f.resourceName(),
		RegionSlug: f.Stack.Region,
		IPRange:    f.wantedRange(),
	})
	if err != nil {
		return "", fmt.Errorf("create VPC %s: %w", f.resourceName(), err)
	}

	f.progress("VPC %s made, %s", vpc.Name, vpc.IPRange)

	return vpc.ID, nil
}

// wantedRange is what stack.yaml says of the VPC's addresses; "" where DigitalOcean chooses them.
func (f *Fleet) wantedRange() string {
	if f.Stack.VPC == nil {
		return ""
	}

	return f.Stack.VPC.Range
}

// tellRange tells of a VPC that was made before stack.yaml said otherwise.
func (f *Fleet) tellRange(vpc *godo.VPC) {
	if want := f.wantedRange(); want != "" && vpc.IPRange != want {
		f.progress(
			"VPC %s has the range %s, not %s, and keeps it: no VPC's can be changed; write the one that it has",
			vpc.Name,
			vpc.IPRange,
			want,
		)
	}
}
