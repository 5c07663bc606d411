package machine

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vishvananda/netns"
)

// GatewayIPv6 is the fabric's address in the public IPv6 network.
func (h *Host) GatewayIPv6() netip.Addr {
	return h.IPv6.Addr().Next()
}

// selfIPv6 is this computer's address in the public IPv6 network.
func (h *Host) selfIPv6() netip.Addr {
	return h.GatewayIPv6().Next()
}

// hasIPv6 tells whether the lab has public IPv6: it was given a network, and this computer's kernel knows it.
func (h *Host) hasIPv6() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return h.IPv6.IsValid() && err == nil
}

// joinIPv6 gives the public bridge and this computer their IPv6 addresses, with a blackhole beneath the route
// as for IPv4.
func (h *Host) joinIPv6(fabric *wire) error {
	if !h.hasIPv6() {
		return nil
	}

	if err := h.addBlackhole(h.IPv6); err != nil {
		return err
	}

	// makeFabric switches IPv6 off for all new links: this one needs it.
	if err := within(h.fabric(), func() error {
		return setSysctls(knowsIPv6(publicBridge))
	}); err != nil {
		return err
	}

	if err := fabric.addAddress(publicBridge, netip.PrefixFrom(
		h.GatewayIPv6(),
		h.IPv6.Bits(),
	)); err != nil {
		return err
	}

	if err := fabric.RouteReplace(&netlink.Route{
		Dst:  network(netip.MustParsePrefix("::/0")),
		Type: unix.RTN_UNREACHABLE,
	}); err != nil {
		return fmt.Errorf("close the fabric's way out: %w", err)
	}

	if err := setSysctls(knowsIPv6(h.hostLink())); err != nil {
		return err
	}

	end, err := here()
	if err != nil {
		return err
	}
	defer end.close()

	if err := end.addAddress(h.hostLink(), netip.PrefixFrom(h.selfIPv6(), 128)); err != nil {
		return err
	}

	return end.route(h.hostLink(), h.IPv6, netip.Addr{}, h.selfIPv6())
}

// here is the wire of the network that this process is in.
func here() (*wire, error) {
	namespace, err := netns.Get()
	if err != nil {
		return nil, err
	}

	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errors.Join(err, namespace.Close())
	}

	return &wire{Handle: handle, namespace: namespace}, nil
}

// knowsIPv6 are the settings of an interface that has the IPv6 addresses it is given, and makes itself none.
func knowsIPv6(link string) map[string]string {
	folder := "ipv6/conf/" + link + "/"
	return map[string]string{
		folder + "autoconf":     "0",
		folder + "accept_ra":    "0",
		folder + "accept_dad":   "0",
		folder + "disable_ipv6": "0",
	}
}

// attachIPv6 gives eth0 its public IPv6 address, when it has one.
func (h *Host) attachIPv6(inside *wire, station string, at Attachment) error {
	if !at.IPv6.IsValid() || !h.hasIPv6() {
		return nil
	}

	// New links of a station have IPv6 switched off; eth0 is to have it.
	if err := within(
		h.Namespace(station),
		func() error { return setSysctls(knowsIPv6("eth0")) },
	); err != nil {
		return err
	}

	if err := inside.addAddress("eth0", netip.PrefixFrom(at.IPv6, h.IPv6.Bits())); err != nil {
		return err
	}

	return inside.route("eth0", netip.MustParsePrefix("::/0"), h.GatewayIPv6(), at.IPv6)
}

// EnableIPv6 gives a Droplet that was made without one a public IPv6 address, at once and for every boot from now on.
func (h *Host) EnableIPv6(id int, address netip.Addr) error {
	defer h.lock(number(id))()

	droplet, err := h.Droplet(id)
	if err != nil {
		return fmt.Errorf("enable IPv6: %w", err)
	}

	droplet.IPv6 = address

	if err := h.saveDroplet(droplet); err != nil {
		return err
	}

	// Attaching again adds what is missing and leaves the rest as it is: the Droplet may run.
	return h.attach(number(id), droplet.Attachment)
}
