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

// findVPC finds the stack's network by its name; nil where there is none.
func (f *Fleet) findVPC(ctx context.Context) (*godo.VPC, error) {
	vpcs, err := do.VPCs(ctx, f.Client)
	if err != nil {
		return nil, err
	}

	return f.ourVPC(vpcs), nil
}

func (f *Fleet) ourVPC(vpcs []*godo.VPC) *godo.VPC {
	for _, vpc := range vpcs {
		if vpc.Name == f.resourceName() {
			return vpc
		}
	}

	return nil
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

		if vpc := f.ourVPC(vpcs); vpc != nil {
			f.tellRange(vpc)
			return vpc.ID, f.awaitLock(ctx, vpc.ID)
		}

		// Its operator chose it: no other will do.
		if chosen := f.wantedRange(); chosen != "" {
			return f.createVPC(ctx, f.networkRequest(chosen))
		}

		free, ok := freeRange(f.resourceName(), append(rangesOf(vpcs), refused...))
		if !ok {
			return "", fmt.Errorf("create VPC %s: %w", f.resourceName(), errNoRange)
		}

		id, err := f.createVPC(ctx, f.networkRequest(free.String()))

		// Somebody has the range: the next look tells who.
		if do.Status(err) == http.StatusUnprocessableEntity && len(refused) < rangeTries {
			refused = append(refused, free)
			continue
		}

		return id, err
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

// wantedRange is what stack.yaml says of the VPC's addresses; "" where any free ones will do.
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

func (f *Fleet) networkRequest(addresses string) *godo.VPCCreateRequest {
	return &godo.VPCCreateRequest{
		Name:       f.resourceName(),
		RegionSlug: f.Stack.Region,
		IPRange:    addresses,
	}
}
