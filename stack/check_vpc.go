package stack

import "net/netip"

// The sizes of a VPC (DigitalOcean's documentation of VPCs, "Limits").
const (
	largestVPC  = 16 // bits
	smallestVPC = 28
)

// anchorRange is what DigitalOcean keeps for the anchor addresses of Droplets (the same page).
func anchorRange() netip.Prefix { return netip.MustParsePrefix("10.10.0.0/16") }

// vpc checks the stack's network. Whether its range is free is for the cloud to say.
func (c *check) vpc(s *Stack) {
	const example = "a private range, as in range: 10.108.0.0/20"
	if !c.doc.Has("vpc") {
		return
	}

	// The key is there and holds nothing: YAML's null.
	if s.VPC == nil {
		c.add("vpc", "must say %s; remove it, and a free /24 is chosen", example)
		return
	}

	if !c.need("vpc.range", example) {
		return
	}

	prefix, err := netip.ParsePrefix(s.VPC.Range)
	address := prefix.Addr()

	switch {
	case err != nil || !address.Is4() || !address.IsPrivate():
		c.add("vpc.range", "must be a range of private addresses, as in 10.108.0.0/20, got %q", s.VPC.Range)

	case prefix.Bits() < largestVPC || prefix.Bits() > smallestVPC:
		c.add("vpc.range", "must be from /%d to /%d, got /%d", largestVPC, smallestVPC, prefix.Bits())

	case prefix.Masked() != prefix:
		c.add("vpc.range", "%q is an address inside of a range; write %s", s.VPC.Range, prefix.Masked())

	case prefix.Overlaps(anchorRange()):
		c.add("vpc.range", "%s meets %s, which DigitalOcean keeps for itself; choose another", prefix, anchorRange())
	}
}
