package state

import (
	"net/netip"
	"slices"
	"time"
)

// VPC is a private network of a region.
type VPC struct {
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Region      string       `json:"region"`
	Range       netip.Prefix `json:"range"`
	Default     bool         `json:"default"`
	Created     time.Time    `json:"created"`
	LastAddress netip.Addr   `json:"last_address"`
}

// VPC finds a VPC; nil when there is none.
func (d *Document) VPC(id string) *VPC {
	return find(d.VPCs, func(x *VPC) bool { return x.ID == id })
}

// DefaultVPC finds a region's default VPC; nil when there is none.
func (d *Document) DefaultVPC(region string) *VPC {
	return find(d.VPCs, func(x *VPC) bool {
		return x.Default && x.Region == region
	})
}

// IPv6Network is the public IPv6 network that goes with a public IPv4 one: of the range for documentation (RFC 3849).
func IPv6Network(public netip.Prefix) netip.Prefix {
	b := public.Masked().Addr().As4()
	first := [16]byte{0x20, 0x01, 0x0d, 0xb8, b[0], b[1], b[2], 0}

	return netip.PrefixFrom(netip.AddrFrom16(first), 64)
}

// IPv6 is a Droplet's public IPv6 address; the zero Addr when it has none. Its last byte is the IPv4 address's.
func (d *Droplet) IPv6() netip.Addr {
	// the address follows from the public one: without that there is none
	if !slices.Contains(d.Features, "ipv6") || !d.Public.IsValid() {
		return netip.Addr{}
	}

	return IPv6Beside(d.Public)
}

// IPv6Beside is the IPv6 address that belongs to a public IPv4 address.
func IPv6Beside(public netip.Addr) netip.Addr {
	bytes := IPv6Network(netip.PrefixFrom(public, 24)).Addr().As16()
	bytes[15] = public.As4()[3]

	return netip.AddrFrom16(bytes)
}

// TakePublic takes the next free address of the public range. Addresses go round, so that one is not given again soon
// after it was freed. The first few are left to the lab itself.
func (d *Document) TakePublic(public netip.Prefix) (netip.Addr, bool) {
	taken := map[netip.Addr]bool{}
	for _, droplet := range d.Droplets {
		taken[droplet.Public] = true
	}

	for _, balancer := range d.LoadBalancers {
		taken[balancer.Address] = true
	}

	// load balancers and reserved IPs take their addresses from the same range as Droplets
	for _, reserved := range d.ReservedIPs {
		taken[reserved.Address] = true
	}

	address, ok := next(public, d.LastPublic, taken)

	// the last address is kept with the state: it goes round after a start, too
	if ok {
		d.LastPublic = address
	}

	return address, ok
}

// TakePrivate takes the next free address of a VPC, going round in the same way.
func (d *Document) TakePrivate(vpc *VPC) (netip.Addr, bool) {
	taken := map[netip.Addr]bool{}
	for _, droplet := range d.Droplets {
		if droplet.VPC == vpc.ID {
			taken[droplet.Private] = true
		}
	}

	for _, balancer := range d.LoadBalancers {
		if balancer.VPC == vpc.ID {
			taken[balancer.Private] = true
		}
	}

	address, ok := next(vpc.Range, vpc.LastAddress, taken)
	if ok {
		vpc.LastAddress = address
	}

	return address, ok
}

// reserved is how many addresses at the start of each range are the lab's own: the network, gateways, balancers.
const reserved = 10

// next is the first address after the last one that nobody has.
func next(within netip.Prefix, last netip.Addr, taken map[netip.Addr]bool) (netip.Addr, bool) {
	first := within.Masked().Addr()

	// the first addresses are the network's, the gateways' and the load balancers'
	for range reserved {
		first = first.Next()
	}

	candidate := first

	// a range that changed since leaves the last address outside of it
	if last.IsValid() && within.Contains(last) {
		candidate = last.Next()
	}

	for wraps := 0; wraps < 2; candidate = candidate.Next() {
		// past the end, or the broadcast address: begin again, once
		if !within.Contains(candidate) || !within.Contains(candidate.Next()) {
			wraps++
			candidate = first.Prev()

			continue
		}

		if !taken[candidate] {
			return candidate, true
		}
	}

	return netip.Addr{}, false
}
