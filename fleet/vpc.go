package fleet

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/netip"
	"slices"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
)

// The ranges of stacks' VPCs: /24s of 10.16.0.0 to 10.99.255.255. What DigitalOcean keeps for itself is elsewhere: the
// anchor addresses in 10.10/16, regions' default VPCs from 10.100/16 on, its clusters in 10.244/16 to 10.246/16
// (docs.digitalocean.com/products/networking/vpc/details/limits).
const (
	rangeBits    = 24
	firstRange   = 16
	lastRange    = 99
	rangesOfEach = 256
)

// rangeTries is how many ranges are tried that look free and are refused: somebody else's network may not be listed.
const rangeTries = 16

// errNoRange means that the account's networks leave no room.
var errNoRange = errors.New("no /24 between 10.16.0.0 and 10.99.255.255 is free in the account; delete a VPC")

// resourceName is the name of what the stack has one of: VPC, certificate, a load balancer without a name of its own.
func (f *Fleet) resourceName() string {
	return "hornero-" + f.Stack.Name
}

// ensureVPC returns the number of the stack's network, which it makes where there is none. Nodes find each other in it
// by asking all of its addresses: it is small, and no other stack's.
func (f *Fleet) ensureVPC(ctx context.Context) (string, error) {
	var refused []netip.Prefix

	for {
		// Found by its name, it is not made twice when a run was killed after making it.
		vpcs, err := do.VPCs(ctx, f.Client)
		if err != nil {
			return "", err
		}

		for _, vpc := range vpcs {
			if vpc.Name == f.resourceName() {
				return vpc.ID, nil
			}
		}

		free, ok := freeRange(f.resourceName(), append(rangesOf(vpcs), refused...))
		if !ok {
			return "", fmt.Errorf("create VPC %s: %w", f.resourceName(), errNoRange)
		}

		vpc, _, err := f.Client.VPCs.Create(ctx, &godo.VPCCreateRequest{
			Name:       f.resourceName(),
			RegionSlug: f.Stack.Region,
			IPRange:    free.String(),
		})
		if err == nil {
			f.progress("VPC %s made, %s", vpc.Name, vpc.IPRange)
			return vpc.ID, nil
		}

		// Somebody has made it meanwhile, or has the range: the next look tells which.
		if do.Status(err) != http.StatusUnprocessableEntity || len(refused) == rangeTries {
			return "", fmt.Errorf("create VPC %s: %w", f.resourceName(), err)
		}

		refused = append(refused, free)
	}
}

func rangesOf(vpcs []*godo.VPC) []netip.Prefix {
	var ranges []netip.Prefix
	for _, vpc := range vpcs {
		// One that cannot be read is found out by the API's refusal.
		if taken, err := netip.ParsePrefix(vpc.IPRange); err == nil {
			ranges = append(ranges, taken)
		}
	}

	return ranges
}

// freeRange is a range for a network of a name that overlaps none of those that are taken. Where the search begins
// follows from the name: two stacks that are launched at once do not both want the first one.
func freeRange(name string, taken []netip.Prefix) (netip.Prefix, bool) {
	const all = (lastRange - firstRange + 1) * rangesOfEach

	sum := fnv.New32a()
	sum.Write([]byte(name))
	start := int(sum.Sum32() % all)

	for n := range all {
		place := (start + n) % all
		candidate := netip.PrefixFrom(
			netip.AddrFrom4([4]byte{10, byte(firstRange + place/rangesOfEach), byte(place % rangesOfEach), 0}),
			rangeBits,
		)

		if !slices.ContainsFunc(taken, candidate.Overlaps) {
			return candidate, true
		}
	}

	return netip.Prefix{}, false
}
