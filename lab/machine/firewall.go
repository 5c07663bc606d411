package machine

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/hornero/hornero/internal/command"
)

// DropletFirewall is what may reach a Droplet and leave it. A Droplet without one has no firewall.
type DropletFirewall struct {
	Droplet   int
	Public    netip.Addr   // the zero Addr: it has its VPC only
	Addresses []netip.Addr // all others: IPv6, VPC, reserved
	Inbound   []FirewallRule
	Outbound  []FirewallRule
}

// FirewallRule lets packets of a protocol (tcp, udp, icmp) through, from or to some networks.
type FirewallRule struct {
	Protocol    string
	First, Last int // ports; both 0 for all
	Peers       []netip.Prefix
}

// firewallTable names the nftables table of the fabric that holds the firewalls. It is not there when there are none.
const firewallTable = "hornero_firewall"

// SetFirewalls puts these firewalls in force at once, and no others. They stand in the fabric, where no guest
// reaches them, and remember connections: frames on the bridges pass the ip hooks there (br_netfilter). What
// the fabric itself sends and gets, metadata and packages, passes none.
func (h *Host) SetFirewalls(ctx context.Context, firewalls []DropletFirewall) error {
	h.net.Lock()
	defer h.net.Unlock()

	err := within(h.fabric(), func() error {
		// Without firewalls frames need not pass the ip hooks, and the kernel's module need not be there.
		if len(firewalls) > 0 {
			err := setSysctls(map[string]string{
				"bridge/bridge-nf-call-iptables":  "1",
				"bridge/bridge-nf-call-ip6tables": "1",
			})
			if err != nil {
				return fmt.Errorf(
					"%w: `modprobe br_netfilter` gives the kernel what firewalls need",
					err,
				)
			}
		}

		_, err := command.Run(ctx, command.Command{
			Args:  []string{"nft", "-f", "-"},
			Input: firewallRules(firewalls),
		})

		return err
	})
	if err != nil {
		return fmt.Errorf("set firewalls: %w", err)
	}

	return nil
}

// firewallRules is the whole of both tables, put in force in one transaction.
func firewallRules(firewalls []DropletFirewall) string {
	return familyOf4().rules(firewalls) + familyOf6().rules(firewalls)
}

// family is what differs between the rules for IPv4 and for IPv6.
type family struct {
	name   string // of nftables
	icmp   string
	always string // a rule for what every network needs
	owns   func(netip.Addr) bool
}

func familyOf4() family {
	return family{
		name: "ip",
		icmp: "icmp",
		owns: netip.Addr.Is4,
	}
}

func familyOf6() family {
	return family{
		name:   "ip6",
		icmp:   "icmpv6",
		always: "\t\ticmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n",
		owns:   netip.Addr.Is6,
	}
}

// rules is a family's table. A packet passes when the sender's firewalls let it out and the receiver's let it
// in; a chain returns what it lets through and drops the rest.
func (f family) rules(firewalls []DropletFirewall) string {
	// nft fails to delete a table that is not there: naming it first makes it.
	text := fmt.Sprintf("table %[2]s %[1]s\ndelete table %[2]s %[1]s\n", firewallTable, f.name)
	var chains strings.Builder
	out, in := []string{}, []string{}

	for _, firewall := range firewalls {
		f.writeChain(&chains, fmt.Sprintf("out_%d", firewall.Droplet), "daddr", firewall.Outbound)
		f.writeChain(&chains, fmt.Sprintf("in_%d", firewall.Droplet), "saddr", firewall.Inbound)

		// Packets for a reserved IP pass the firewalls with the Droplet's anchor address.
		for _, address := range firewall.withAnchor() {
			if f.owns(address) {
				out = append(out, fmt.Sprintf("%s : jump out_%d", address, firewall.Droplet))
				in = append(in, fmt.Sprintf("%s : jump in_%d", address, firewall.Droplet))
			}
		}
	}

	if len(out) == 0 {
		return text
	}

	return text + fmt.Sprintf("table %[5]s %[1]s {\n"+
		"%[2]s"+
		"\tchain forward {\n"+
		"\t\ttype filter hook forward priority 10;\n"+
		"\t\tct state established,related accept\n"+
		"%[6]s"+
		"\t\t%[5]s saddr vmap { %[3]s }\n"+
		"\t\t%[5]s daddr vmap { %[4]s }\n"+
		"\t}\n}\n",
		firewallTable,
		chains.String(),
		strings.Join(out, ", "),
		strings.Join(in, ", "),
		f.name,
		f.always,
	)
}

// withAnchor are the addresses of a Droplet, and the anchor address that belongs to its public one.
func (s DropletFirewall) withAnchor() []netip.Addr {
	if !s.Public.IsValid() {
		return s.Addresses
	}

	return append([]netip.Addr{
		s.Public,
		Anchor(s.Public).Addr(),
	}, s.Addresses...)
}

func (f family) writeChain(text *strings.Builder, name, side string, rules []FirewallRule) {
	fmt.Fprintf(text, "\tchain %s {\n", name)

	for _, rule := range rules {
		for _, peer := range rule.Peers {
			if f.owns(peer.Addr()) {
				fmt.Fprintf(
					text,
					"\t\t%s%s return\n",
					f.peer(side, peer),
					f.match(rule),
				)
			}
		}
	}

	text.WriteString("\t\tdrop\n\t}\n")
}

func (f family) peer(side string, peer netip.Prefix) string {
	if peer.Bits() == 0 {
		return ""
	}

	return fmt.Sprintf("%s %s %s ", f.name, side, peer)
}

func (f family) match(p FirewallRule) string {
	switch {
	case p.Protocol == "icmp":
		return "meta l4proto " + f.icmp
	case p.First == 0:
		return "meta l4proto " + p.Protocol
	}

	return fmt.Sprintf("%s dport %d-%d", p.Protocol, p.First, p.Last)
}
