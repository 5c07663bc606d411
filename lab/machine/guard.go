package machine

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strings"

	"github.com/hornero/hornero/internal/command"
)

// guardTable names the nftables table of the fabric that lets a station send only as itself, as DigitalOcean does: no
// other hardware address, no other address, no multicast. The fence before this computer stands in it, too.
const guardTable = "hornero_guard"

// guardPriority is before the fabric changes anything in a frame, and after frames are lost on purpose.
const guardPriority = -390

// guard is what may come from one port of the fabric. Everything else ends there.
type guard struct {
	port      string
	mac       net.HardwareAddr
	addresses []netip.Addr
}

// makeGuards makes the table, or leaves the guards that stand in it as they are.
func (h *Host) makeGuards() error {
	return h.nft(fmt.Sprintf(
		guardRules,
		guardTable,
		guardPriority,
		fencePriority,
		h.fenceRules(),
	))
}

// guardRules are the table without the guards of single ports. The chains are flushed first: at each Up the rules would
// otherwise stand in them once more.
const guardRules = `table bridge %[1]s {
	map guards { type ifname : verdict; }
	set asked {
		type ipv4_addr . inet_service . ipv4_addr . inet_service
		size 65536
		flags dynamic, timeout
		timeout 3m
	}
	set asked6 {
		type ipv6_addr . inet_service . ipv6_addr . inet_service
		size 65536
		flags dynamic, timeout
		timeout 3m
	}
	chain prerouting { type filter hook prerouting priority %[2]d; }
	chain leaving { type filter hook postrouting priority %[3]d; }
	chain fence { }
}
flush chain bridge %[1]s prerouting
flush chain bridge %[1]s leaving
flush chain bridge %[1]s fence
%[4]sadd rule bridge %[1]s prerouting iifname vmap @guards
`

// setGuard puts a guard before a port, in the place of the one that stood there.
func (h *Host) setGuard(g guard) error {
	// One transaction: no frame passes between the old rules and the new ones.
	chain := guardChain(g.port)
	rules := fmt.Sprintf(
		"add chain bridge %[1]s %[2]s\nflush chain bridge %[1]s %[2]s\n",
		guardTable,
		chain,
	)

	for _, rule := range g.rules() {
		rules += fmt.Sprintf("add rule bridge %s %s %s\n", guardTable, chain, rule)
	}

	return h.nft(rules + fmt.Sprintf(
		"add element bridge %s guards { %q : jump %s }\n",
		guardTable,
		g.port,
		chain,
	))
}

// dropGuard takes away the guard of a port that is gone; nil when there is none. What is deleted is added
// before: only then is it sure to be there.
func (h *Host) dropGuard(port string) error {
	chain := guardChain(port)
	err := h.nft(fmt.Sprintf(`add chain bridge %[1]s %[2]s
add element bridge %[1]s guards { %[3]q : jump %[2]s }
delete element bridge %[1]s guards { %[3]q : jump %[2]s }
flush chain bridge %[1]s %[2]s
delete chain bridge %[1]s %[2]s
`, guardTable, chain, port))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the fabric is gone, and all guards with it
	}

	return err
}

func guardChain(port string) string { return "from_" + port }

// rules let pass what is the station's own, in their order, and drop the rest. IPv6 finds its neighbours by
// multicast: questions and answers pass, the answers only for the station's own addresses.
func (g guard) rules() []string {
	// The kernel gives an interface with IPv6 a link-local address by itself: it is the station's own, too.
	four, six := []string{}, []string{"fe80::/64"}
	advertised := []string{"0x" + hex.EncodeToString(linkLocal(g.mac).AsSlice())}

	for _, address := range g.addresses {
		if address.Is4() {
			four = append(four, address.String())
			continue
		}

		six = append(six, address.String())
		advertised = append(advertised, "0x"+hex.EncodeToString(address.AsSlice()))
	}

	// 0.0.0.0 is the sender of an ARP probe, which asks whether an address is in use.
	rules := []string{
		fmt.Sprintf("ether saddr != %s drop", g.mac),
		fmt.Sprintf(
			"ether type arp arp saddr ether %s arp saddr ip { 0.0.0.0, %s } return",
			g.mac,
			strings.Join(four, ", "),
		),
		"ip daddr 224.0.0.0/4 drop",
		fmt.Sprintf("ip saddr { %s } return", strings.Join(four, ", ")),
	}

	// Without an IPv6 address of its own a station has no rule for IPv6, and all of it is dropped.
	if len(six) > 1 {
		rules = append(rules,
			fmt.Sprintf(
				"icmpv6 type nd-neighbor-advert @th,64,128 { %s } ip6 saddr { %s } return",
				strings.Join(advertised, ", "),
				strings.Join(six, ", "),
			),
			fmt.Sprintf("icmpv6 type nd-neighbor-solicit ip6 saddr { ::, %s } return", strings.Join(six, ", ")),
			"ip6 daddr ff00::/8 drop",
			"icmpv6 type { nd-neighbor-advert, nd-router-advert, nd-redirect } drop",
			fmt.Sprintf("ip6 saddr { %s } return", strings.Join(six, ", ")))
	}

	return append(rules, "drop")
}

// linkLocal is the address that the kernel gives an interface by its hardware address (RFC 4291, appendix A).
func linkLocal(mac net.HardwareAddr) netip.Addr {
	address := [16]byte{0: 0xfe, 1: 0x80, 11: 0xff, 12: 0xfe}
	copy(address[8:], mac[:3])
	copy(address[13:], mac[3:])
	address[8] ^= 2 // the bit that says whether a hardware address is unique in the world

	return netip.AddrFrom16(address)
}

// nft puts rules in force in the fabric, all of them or none.
func (h *Host) nft(rules string) error {
	return within(h.fabric(), func() error {
		_, err := command.Run(context.Background(), command.Command{
			Args:  []string{"nft", "-f", "-"},
			Input: rules,
		})

		return err
	})
}
