package loadbalancer

import (
	"fmt"
	"net/netip"
	"strings"
)

// HAProxy balances no datagrams. Rules for udp are chains of nftables in the load balancer's namespace instead:
// a client's first datagram picks a healthy target in turn, and the kernel remembers which. HAProxy's own
// checks say who is healthy.

// datagramRules are the rules that nftables carries out.
func (b Balancer) datagramRules() []Rule {
	var rules []Rule
	for _, rule := range b.Rules {
		if rule.EntryProtocol == UDP {
			rules = append(rules, rule)
		}
	}

	return rules
}

// datagramChains are the chains for a load balancer's datagrams; empty when it has no rules for any. The target
// sees them come from the load balancer, and so answers it.
func datagramChains(b Balancer, healthy []netip.Addr) string {
	rules := b.datagramRules()
	if len(rules) == 0 {
		return ""
	}

	var gates, turns strings.Builder

	for _, rule := range rules {
		// A nat chain sees only the first datagram of a flow; the gate must see each one.
		fmt.Fprintf(&gates, "\t\tip daddr %s udp dport %d jump gate\n", b.front(), rule.EntryPort)

		// numgen cannot count modulo 0; without a target the datagrams are not translated, and end here.
		if len(healthy) == 0 {
			continue
		}

		fmt.Fprintf(
			&turns,
			"\t\tip daddr %s udp dport %d dnat to numgen inc mod %d map { %s }\n",
			b.front(),
			rule.EntryPort,
			len(healthy),
			turn(healthy, rule.TargetPort),
		)
	}

	return fmt.Sprintf(`	chain gate {
%s	}
	chain arriving {
		type filter hook prerouting priority mangle
%s	}
	chain choosing {
		type nat hook prerouting priority dstnat
%s	}
	chain passing {
		type filter hook forward priority filter
		policy drop
		ct status dnat accept
	}
	chain leaving {
		type nat hook postrouting priority srcnat
		ct status dnat masquerade
	}
`, gate(b), gates.String(), turns.String())
}

// turn numbers the targets for a map: numgen counts from 0.
func turn(healthy []netip.Addr, port int) string {
	elements := make([]string, len(healthy))
	for i, address := range healthy {
		elements[i] = fmt.Sprintf("%d : %s . %d", i, address, port)
	}

	return strings.Join(elements, ", ")
}

// gate drops what the load balancer's firewall does not let in. It has no IPv6, and so no such sources.
func gate(b Balancer) string {
	var text strings.Builder
	for _, denied := range sources(b.Deny) {
		fmt.Fprintf(&text, "\t\tip saddr %s drop\n", denied)
	}

	for _, allowed := range sources(b.Allow) {
		fmt.Fprintf(&text, "\t\tip saddr %s return\n", allowed)
	}

	if len(b.Allow) > 0 {
		text.WriteString("\t\tdrop\n")
	}

	return text.String()
}

// sources are the IPv4 networks of ip:ADDRESS and cidr:RANGE.
func sources(of []string) []netip.Prefix {
	var found []netip.Prefix
	for _, text := range of {
		prefix, err := netip.ParsePrefix(source(text))

		// ip:ADDRESS has no length of a prefix.
		if address, single := netip.ParseAddr(source(text)); single == nil {
			prefix, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err == nil && prefix.Addr().Is4() {
			found = append(found, prefix.Masked())
		}
	}

	return found
}

// operational is the state of a server that passed its checks, in HAProxy's server state file.
const operational = "2"

// healthyTargets are the addresses of those that HAProxy found healthy, by its answer to "show servers state health".
func healthyTargets(b Balancer, states string) []netip.Addr {
	up := map[string]bool{}
	for line := range strings.Lines(states) {
		if fields := strings.Fields(line); len(fields) > 12 && fields[1] == "health" {
			up[fields[3]+" "+fields[4]] = fields[5] == operational
		}
	}

	var healthy []netip.Addr

	for _, target := range b.Targets {
		if up[fmt.Sprintf("droplet-%d %s", target.ID, target.Address)] {
			healthy = append(healthy, target.Address)
		}
	}

	return healthy
}
