package loadbalancer

import "net/netip"

// DatagramChains shows the tests what nftables is given.
func DatagramChains(b Balancer, healthy []netip.Addr) string {
	return datagramChains(b.withDefaults(), healthy)
}

// HealthyTargets shows the tests what is made of HAProxy's answer.
func HealthyTargets(b Balancer, states string) []netip.Addr {
	return healthyTargets(b, states)
}
