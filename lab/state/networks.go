package state

import (
	"net/netip"
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
	return find(d.VPCs, func(x *VPC) bool { return x.Default && x.Region == region })
}

// TakePublic takes the next free address of the public range: addresses go round, so that one is not given again
// soon after it was freed. The first few are left to the lab itself.
func (d *Document) TakePublic(public netip.Prefix) (netip.Addr, bool) {
	taken := map[netip.Addr]bool{}
	for _, droplet := range d.Droplets {
		taken[droplet.Public] = true
	}
	for _, balancer := range d.LoadBalancers {
		taken[balancer.Address] = true
	}
	for _, reserved := range d.ReservedIPs {
		taken[reserved.Address] = true
	}
	address, ok := next(public, d.LastPublic, taken)
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

func next(within netip.Prefix, last netip.Addr, taken map[netip.Addr]bool) (netip.Addr, bool) {
	first := within.Masked().Addr()
	for range reserved {
		first = first.Next()
	}
	candidate := first
	if last.IsValid() && within.Contains(last) {
		candidate = last.Next()
	}
	for wraps := 0; wraps < 2; candidate = candidate.Next() {
		if !within.Contains(candidate) || !within.Contains(candidate.Next()) { // past the end, or the broadcast address
			wraps, candidate = wraps+1, first.Prev()
			continue
		}
		if !taken[candidate] {
			return candidate, true
		}
	}
	return netip.Addr{}, false
}
