package machine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/hornero/hornero/internal/command"
)

// reservedTable names the two nftables tables that move packets for reserved IPs, both in the fabric's namespace.
const reservedTable = "hornero_reserved"

// anchorNetwork holds the anchor addresses of all Droplets; the fabric is their gateway in it.
func anchorNetwork() netip.Prefix { return netip.MustParsePrefix("10.10.0.0/16") }

// SetReserved makes each reserved IP reach the Droplet that holds it, through its anchor address, and nobody
// else. It is given all of them, and puts them in force at once. The fabric answers for a reserved IP on the
// public network, gives what it gets the Droplet's anchor address for a destination and passes it on; what the
// Droplet sends from its anchor address leaves the bridge with the reserved IP for a source, after firewalls
// saw both ways with the anchor address. Nothing is remembered of connections: a move holds for the next
// packet.
func (h *Host) SetReserved(ctx context.Context, holders map[netip.Addr]int) error {
	h.net.Lock()
	defer h.net.Unlock()

	anchors := map[netip.Addr]netip.Addr{}

	for address, id := range holders {
		droplet, err := h.Droplet(id)
		if errors.Is(err, ErrNoDroplet) {
			continue // being made or ended; it has the address once it is there
		} else if err != nil {
			return err
		}

		if !droplet.Public.IsValid() {
			continue // no anchor address, either
		}

		anchors[address] = Anchor(droplet.Public).Addr()
	}

	fabric, err := openWire(h.fabric())
	if err != nil {
		return err
	}
	defer fabric.close()

	if err := h.answerFor(fabric, anchors); err != nil {
		return err
	}

	return within(h.fabric(), func() error {
		rules := h.reservedRules(holders, anchors)

		if _, err := command.Run(ctx, command.Command{
			Args:  []string{"nft", "-f", "-"},
			Input: rules,
		}); err != nil {
			return fmt.Errorf("move reserved IPs: %w", err)
		}

		// Forwarding is on only while a reserved IP needs it.
		forward := "0"
		if len(anchors) > 0 {
			forward = "1"
		}

		return setSysctls(map[string]string{
			"ipv4/ip_forward":                               forward,
			"ipv4/conf/all/send_redirects":                  "0",
			"ipv4/conf/" + publicBridge + "/send_redirects": "0",
		})
	})
}

// answerFor gives the fabric the reserved IPs that Droplets hold, and takes away those that none does.
func (h *Host) answerFor(fabric *wire, anchors map[netip.Addr]netip.Addr) error {
	bridge, err := fabric.LinkByName(publicBridge)
	if err != nil {
		return fmt.Errorf("find bridge %s: %w", publicBridge, err)
	}

	there, err := fabric.AddrList(bridge, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}

	for _, one := range there {
		// Reserved IPs are the only /32 of the public range on the bridge; the gateway has the range's length.
		prefix, ok := prefixOf(one.IPNet)
		if _, wanted := anchors[prefix.Addr()]; !ok ||
			wanted ||
			prefix.Bits() != 32 ||
			!h.Public.Contains(prefix.Addr()) {
			continue
		}

		if err := fabric.AddrDel(bridge, &one); err != nil {
			return fmt.Errorf("remove address %s: %w", prefix, err)
		}
	}

	// Droplets answer from their anchor address by way of this gateway.
	if err := fabric.addAddress(publicBridge, netip.PrefixFrom(
		anchorNetwork().Addr().Next(),
		anchorNetwork().Bits(),
	)); err != nil {
		return err
	}

	for address := range anchors {
		if err := fabric.addAddress(publicBridge, netip.PrefixFrom(address, 32)); err != nil {
			return err
		}
	}

	return nil
}

// reservedRules is the whole of both tables, put in force in one transaction. The fabric passes on what is for
// a reserved IP, or from one to the public network, and nothing else. What it must not pass on is marked as it
// leaves the bridge for the fabric's own stack: frames that a bridge only carries can pass the ip hooks as
// well, and must not be dropped as if they were routed.
func (h *Host) reservedRules(holders map[netip.Addr]int, anchors map[netip.Addr]netip.Addr) string {
	inward, outward, addresses, from := []string{}, []string{}, []string{}, []string{}
	for address, anchor := range anchors {
		inward = append(inward, fmt.Sprintf("%s : %s", address, anchor))
		outward = append(outward, fmt.Sprintf("%s : %s", anchor, address))
		from = append(from, anchor.String())
		addresses = append(addresses, address.String())
	}

	return fmt.Sprintf(`table ip %[1]s
delete table ip %[1]s
table bridge %[1]s
delete table bridge %[1]s
table ip %[1]s {
	map holders { type ipv4_addr : ipv4_addr; %[2]s }
	chain prerouting {
		type filter hook prerouting priority -300;
		ip daddr set ip daddr map @holders
	}
	chain forward {
		type filter hook forward priority 0;
		meta mark %[6]d drop
	}
}
table bridge %[1]s {
	map anchors { type ipv4_addr : ipv4_addr; %[4]s }
	set holding { type ipv4_addr; %[7]s }
	set reserved { type ipv4_addr; %[3]s }
	chain postrouting {
		type filter hook postrouting priority 400;
		ip saddr set ip saddr map @anchors
	}
	chain input {
		type filter hook input priority 0;
		ip daddr @reserved accept
		ip saddr @holding ip daddr %[5]s accept
		meta mark set %[6]d
	}
}
`, reservedTable, elements(inward), elements(addresses), elements(outward), h.Public, notPassedOn, elements(from))
}

// notPassedOn marks what the fabric may take for itself and not forward.
const notPassedOn = 0x68

func elements(of []string) string {
	if len(of) == 0 {
		return ""
	}

	slices.Sort(of)

	return "elements = { " + strings.Join(of, ", ") + " }"
}
