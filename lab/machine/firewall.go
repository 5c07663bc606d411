package machine

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/hornero/hornero/internal/command"
)

// Shield is what may reach a Droplet and leave it. A Droplet without one has no firewall.
type Shield struct {
	Droplet   int
	Addresses []netip.Addr
	Inbound   []Passage
	Outbound  []Passage
}

// Passage lets packets of a protocol (tcp, udp, icmp) through, from or to some networks.
type Passage struct {
	Protocol    string
	First, Last int // ports; both 0 for all
	Peers       []netip.Prefix
}

// firewallTable names the nftables table of the fabric that holds the firewalls. It is not there when there are none.
const firewallTable = "hornero_firewall"

// SetFirewalls puts these firewalls in force at once, and no others. They stand in the fabric, where no guest reaches them,
// and remember connections: frames on the bridges pass the ip hooks there (br_netfilter). What the fabric itself sends and
// gets, metadata and packages, passes none.
func (h *Host) SetFirewalls(ctx context.Context, shields []Shield) error {
	h.net.Lock()
	defer h.net.Unlock()
	err := within(h.fabric(), func() error {
		if len(shields) > 0 {
			if err := setSysctls(map[string]string{"bridge/bridge-nf-call-iptables": "1"}); err != nil {
				return fmt.Errorf("%w: `modprobe br_netfilter` gives the kernel what firewalls need", err)
			}
		}
		_, err := command.Run(ctx, command.Command{Args: []string{"nft", "-f", "-"}, Input: firewallRules(shields)})
		return err
	})
	if err != nil {
		return fmt.Errorf("set firewalls: %w", err)
	}
	return nil
}

// firewallRules is the whole table, put in force in one transaction. A packet passes when the sender's firewalls let it
// out and the receiver's let it in; a chain returns what it lets through and drops the rest.
func firewallRules(shields []Shield) string {
	text := fmt.Sprintf("table ip %[1]s\ndelete table ip %[1]s\n", firewallTable)
	if len(shields) == 0 {
		return text
	}
	var chains strings.Builder
	out, in := []string{}, []string{}
	for _, shield := range shields {
		writeChain(&chains, fmt.Sprintf("out_%d", shield.Droplet), "daddr", shield.Outbound)
		writeChain(&chains, fmt.Sprintf("in_%d", shield.Droplet), "saddr", shield.Inbound)
		for _, address := range shield.withAnchor() {
			out = append(out, fmt.Sprintf("%s : jump out_%d", address, shield.Droplet))
			in = append(in, fmt.Sprintf("%s : jump in_%d", address, shield.Droplet))
		}
	}
	return text + fmt.Sprintf("table ip %s {\n%s\tchain forward {\n\t\ttype filter hook forward priority 10;\n\t\tct state established,related accept\n"+
		"\t\tip saddr vmap { %s }\n\t\tip daddr vmap { %s }\n\t}\n}\n", firewallTable, chains.String(), strings.Join(out, ", "), strings.Join(in, ", "))
}

// withAnchor are the addresses of a Droplet, and its anchor address: the first one is public.
func (s Shield) withAnchor() []netip.Addr {
	if len(s.Addresses) == 0 {
		return nil
	}
	return append([]netip.Addr{Anchor(s.Addresses[0]).Addr()}, s.Addresses...)
}

func writeChain(text *strings.Builder, name, side string, passages []Passage) {
	fmt.Fprintf(text, "\tchain %s {\n", name)
	for _, passage := range passages {
		for _, peer := range passage.Peers {
			if !peer.Addr().Is4() {
				continue // the lab's networks carry no IPv6
			}
			fmt.Fprintf(text, "\t\t%s%s return\n", peerMatch(side, peer), passage.match())
		}
	}
	text.WriteString("\t\tdrop\n\t}\n")
}

func peerMatch(side string, peer netip.Prefix) string {
	if peer.Bits() == 0 {
		return ""
	}
	return fmt.Sprintf("ip %s %s ", side, peer)
}

func (p Passage) match() string {
	if p.Protocol == "icmp" || p.First == 0 {
		return "ip protocol " + p.Protocol
	}
	return fmt.Sprintf("%s dport %d-%d", p.Protocol, p.First, p.Last)
}
