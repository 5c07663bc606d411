package machine

import (
	"fmt"
	"strings"
)

// fencePriority is behind all that changes a frame on its way out: what the fence sees is what would arrive.
const fencePriority = 500

// fenceRules keep Droplets from this computer. It reaches them, and they answer it; what they begin ends in the fabric,
// or a service of this computer on 0.0.0.0 would be open to every Droplet. The lab's own services (metadata, API,
// packages, Spaces) listen in the fabric and are not behind the fence.
//
// Nothing here asks the kernel to follow connections, which not every kernel does on a bridge: TCP tells by its flags
// who began, and for UDP what this computer asked is remembered.
func (h *Host) fenceRules() string {
	var rules strings.Builder

	add := func(chain, rule string, args ...any) {
		fmt.Fprintf(&rules, "add rule bridge %s %s %s\n", guardTable, chain, fmt.Sprintf(rule, args...))
	}

	// Before the guards, whose verdict would end the chain.
	add("prerouting", "iifname %q update @asked { ip saddr . udp sport . ip daddr . udp dport }", hostPort)
	add("prerouting", "iifname %q update @asked6 { ip6 saddr . udp sport . ip6 daddr . udp dport }", hostPort)

	add("leaving", "oifname %q jump fence", hostPort)

	// This computer takes packets for any of its addresses from any of its links: only the one in the lab passes.
	add("fence", "ether type arp return")
	add("fence", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } return")
	add("fence", "ip daddr != %s drop", h.Self())

	if h.IPv6.IsValid() {
		add("fence", "ip6 daddr != %s drop", h.selfIPv6())
	} else {
		add("fence", "ether type ip6 drop")
	}

	// A later fragment is worth nothing without its first, which is looked at.
	add("fence", "ip frag-off & 0x1fff != 0 return")
	add("fence", "tcp flags & (syn | ack) != syn return")
	add("fence", "ip daddr . udp dport . ip saddr . udp sport @asked return")
	add("fence", "ip6 daddr . udp dport . ip6 saddr . udp sport @asked6 return")
	add("fence", "icmp type { echo-reply, destination-unreachable, time-exceeded, parameter-problem } return")
	add("fence", "icmpv6 type { echo-reply, destination-unreachable, packet-too-big, time-exceeded, "+
		"parameter-problem } return")
	add("fence", "drop")

	return rules.String()
}
