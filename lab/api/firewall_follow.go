package api

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hornero/hornero/lab/state"
)

// DropletFirewall is what all firewalls of a Droplet together let through. A Droplet without one has no firewall.
type DropletFirewall struct {
	Droplet   int
	Public    netip.Addr   // the zero Addr: it has its VPC only
	Addresses []netip.Addr // all others: IPv6, VPC, reserved
	Inbound   []FirewallRule
	Outbound  []FirewallRule
}

// FirewallRule lets packets of a protocol through, from or to some networks.
type FirewallRule struct {
	Protocol    string
	First, Last int // ports; both 0 for all
	Peers       []netip.Prefix
}

// portRange reads "80" and "8000-9000"; "0" is all of them.
func portRange(text string) (first, last int, ok bool) {
	from, to, isRange := strings.Cut(text, "-")
	first, err := strconv.Atoi(from)
	if err != nil {
		return 0, 0, false
	}

	last = first
	if isRange {
		// "0" means all ports, so that no range begins with it
		if last, err = strconv.Atoi(to); err != nil || first == 0 {
			return 0, 0, false
		}
	}

	return first, last, first >= 0 && first <= last && last <= maxPort
}

// prefixFrom reads an address or a network.
func prefixFrom(text string) (netip.Prefix, bool) {
	// rules name single addresses without a mask
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(address, address.BitLen()), true
	}

	prefix, err := netip.ParsePrefix(text)

	return prefix.Masked(), err == nil
}

// dropletFirewalls are the firewalls as they are now: tags looked up, and several on one Droplet put together.
func (s *Server) dropletFirewalls(d *state.Document) []DropletFirewall {
	firewalls := []DropletFirewall{}
	for _, droplet := range d.Droplets {
		own := DropletFirewall{
			Droplet:   droplet.ID,
			Public:    droplet.Public,
			Addresses: otherAddresses(d, droplet),
		}

		hasFirewall := false
		for _, firewall := range d.Firewalls {
			if !slices.Contains(firewallDroplets(d, firewall), droplet.ID) {
				continue
			}

			hasFirewall = true

			// the rules of several firewalls add up: each lets through what it names
			own.Inbound = append(own.Inbound, rulesInForce(d, firewall.Inbound)...)
			own.Outbound = append(own.Outbound, rulesInForce(d, firewall.Outbound)...)
		}

		// without a firewall everything is let through
		if hasFirewall {
			firewalls = append(firewalls, own)
		}
	}

	return firewalls
}

// addressesOf are the addresses that a Droplet's packets carry in the lab's networks.
func addressesOf(d *state.Document, droplet state.Droplet) []netip.Addr {
	if !droplet.Public.IsValid() {
		return otherAddresses(d, droplet)
	}

	return append([]netip.Addr{droplet.Public}, otherAddresses(d, droplet)...)
}

func otherAddresses(d *state.Document, droplet state.Droplet) []netip.Addr {
	addresses := []netip.Addr{droplet.Private}

	if six := droplet.IPv6(); six.IsValid() {
		addresses = append(addresses, six)
	}

	// packets for the reserved IP are held to the same rules
	if reserved := d.ReservedIPOf(droplet.ID); reserved != nil {
		addresses = append(addresses, reserved.Address)
	}

	return addresses
}

func rulesInForce(d *state.Document, rules []state.FirewallRule) []FirewallRule {
	all := []FirewallRule{}
	for _, rule := range rules {
		first, last, _ := portRange(rule.Ports) // it was checked when the rule was made
		all = append(all, FirewallRule{
			Protocol: rule.Protocol,
			First:    first,
			Last:     last,
			Peers:    peerNetworks(d, rule.Peers),
		})
	}

	return all
}

// peerNetworks are the networks of a rule's peers as they are now: a tag's Droplets come and go.
func peerNetworks(d *state.Document, peers state.FirewallPeers) []netip.Prefix {
	networks := []netip.Prefix{}

	add := func(addresses ...netip.Addr) {
		for _, address := range addresses {
			networks = append(networks, netip.PrefixFrom(address, address.BitLen()))
		}
	}

	for _, text := range peers.Addresses {
		if prefix, ok := prefixFrom(text); ok {
			networks = append(networks, prefix)
		}
	}

	// tags are looked up each time: Droplets come and go without a change of the rule
	for _, droplet := range d.Droplets {
		tagged := slices.ContainsFunc(peers.Tags, func(tag string) bool {
			return state.Tagged(droplet.Tags, tag)
		})
		if tagged || slices.Contains(peers.DropletIDs, droplet.ID) {
			add(addressesOf(d, droplet)...)
		}
	}

	for _, balancer := range d.LoadBalancers {
		if slices.Contains(peers.LoadBalancerIDs, balancer.ID) {
			// an internal load balancer has its private address only
			add(balancer.Address, balancer.Private)
		}
	}

	return networks
}

// syncFirewalls puts the firewalls in force when they changed, and returns what is in force.
func (s *Server) syncFirewalls(applied string) (string, error) {
	d := s.Store.View()
	firewalls := s.dropletFirewalls(d)
	wanted := fmt.Sprint(firewalls)

	// rules that did not change may still have to be reported as in force
	waiting := slices.ContainsFunc(d.Firewalls, func(f state.Firewall) bool {
		return f.Status != firewallSucceeded
	})
	if wanted == applied && !waiting {
		return applied, nil
	}

	err := s.Machines.SetFirewalls(s.context, firewalls)
	if s.context.Err() != nil {
		return applied, s.context.Err()
	}

	status := firewallSucceeded
	if err != nil {
		// what was in force before stays so: nothing was replaced
		status, wanted = firewallFailed, applied
	}

	kept := s.Store.Update(func(now *state.Document) error {
		for i := range now.Firewalls {
			firewall := &now.Firewalls[i]
			applied := d.Firewall(firewall.ID)

			// one that was changed meanwhile is still waiting
			if applied != nil && fmt.Sprint(*applied) == fmt.Sprint(*firewall) {
				firewall.Status = status
			}
		}

		return nil
	})

	// the rules are in force even when their status was not written
	if err == nil {
		err = kept
	}

	return wanted, err
}
