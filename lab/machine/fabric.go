package machine

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	publicBridge = "pub"
	hostPort     = "host" // the fabric's end of the link to this computer
	// protocol marks the routes on this computer that are a lab's.
	protocol = netlink.RouteProtocol(72)
)

// wire is the fabric's network, held open for one change.
type wire struct {
	*netlink.Handle
	namespace netns.NsHandle
}

func openWire(name string) (*wire, error) {
	namespace, err := netns.GetFromPath(namespacePath(name))
	if err != nil {
		return nil, fmt.Errorf("open namespace %s: %w", name, err)
	}

	handle, err := netlink.NewHandleAt(namespace, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open namespace %s: %w", name, err), namespace.Close())
	}

	return &wire{Handle: handle, namespace: namespace}, nil
}

func (w *wire) close() {
	w.Handle.Close()
	w.namespace.Close()
}

// makeFabric makes the lab's own namespace and the public network in it. Nothing is forwarded there and it has no
// way out, so that a packet for anywhere else ends in it.
func (h *Host) makeFabric() error {
	if err := makeNamespace(h.fabric()); err != nil {
		return err
	}

	// Without forwarding a packet for another network ends here, even when a route leads to it.
	err := within(h.fabric(), func() error {
		return setSysctls(map[string]string{
			"ipv4/ip_forward":                "0",
			"ipv6/conf/all/forwarding":       "0",
			"ipv6/conf/default/disable_ipv6": "1",
		})
	})
	if err != nil {
		return err
	}

	fabric, err := openWire(h.fabric())
	if err != nil {
		return err
	}
	defer fabric.close()

	if err := fabric.raise("lo"); err != nil {
		return err
	}

	// The metadata service listens on the bridge itself, beside the gateway.
	gateway := netip.PrefixFrom(h.Gateway(), h.Public.Bits())

	if err := fabric.makeBridge(
		publicBridge,
		gateway,
		netip.PrefixFrom(MetadataAddress(), 32),
	); err != nil {
		return err
	}

	if err := fabric.RouteReplace(&netlink.Route{
		Dst:  network(netip.MustParsePrefix("0.0.0.0/0")),
		Type: unix.RTN_UNREACHABLE,
	}); err != nil {
		return fmt.Errorf("close the fabric's way out: %w", err)
	}

	// The guards stand before this computer or any Droplet is linked to the bridge.
	if err := h.makeGuards(); err != nil {
		return fmt.Errorf("guard the fabric: %w", err)
	}

	if err := h.joinHost(fabric); err != nil {
		return err
	}

	return h.joinIPv6(fabric)
}

// joinHost links this computer to the public network. The blackhole beneath the route, which Claim made, catches what
// would otherwise leave by this computer's default route while the lab's link is gone.
func (h *Host) joinHost(fabric *wire) error {
	end, err := here()
	if err != nil {
		return err
	}
	defer end.close()

	if err := fabric.makeCable(
		hostPort,
		publicBridge,
		end,
		h.hostLink(),
		MAC(h.Self()),
	); err != nil {
		return err
	}

	if err := end.addAddress(h.hostLink(), netip.PrefixFrom(h.Self(), 32)); err != nil {
		return err
	}

	return end.route(h.hostLink(), h.Public, netip.Addr{}, h.Self())
}

// addBlackhole keeps packets for a network of the lab from leaving this computer.
func (h *Host) addBlackhole(prefix netip.Prefix) error {
	if err := netlink.RouteReplace(h.blackhole(prefix)); err != nil {
		return fmt.Errorf("add blackhole route for %s: %w", prefix, err)
	}

	return nil
}

func (h *Host) blackhole(prefix netip.Prefix) *netlink.Route {
	return &netlink.Route{
		Dst:      network(prefix),
		Type:     unix.RTN_BLACKHOLE,
		Priority: h.metric(),
		Protocol: protocol,
	}
}

// makeVPC makes the bridge of a VPC, the gateway's address on it.
func (h *Host) makeVPC(fabric *wire, vpc string, prefix netip.Prefix) error {
	if err := h.addBlackhole(prefix.Masked()); err != nil {
		return err
	}

	gateway := netip.PrefixFrom(prefix.Masked().Addr().Next(), prefix.Bits())

	if err := fabric.makeBridge(vpcBridge(vpc), gateway); err != nil {
		return fmt.Errorf("make VPC %s: %w", vpc, err)
	}

	return nil
}

// dropVPC removes a VPC's bridge when nothing is attached to it any more.
func (h *Host) dropVPC(fabric *wire, vpc string, prefix netip.Prefix) error {
	bridge, err := fabric.LinkByName(vpcBridge(vpc))
	if missing(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("remove VPC %s: %w", vpc, err)
	}

	links, err := fabric.LinkList()
	if err != nil {
		return fmt.Errorf("remove VPC %s: %w", vpc, err)
	}

	// Other Droplets of the VPC still use it; the last one to go removes it.
	if slices.ContainsFunc(links, func(l netlink.Link) bool {
		return l.Attrs().MasterIndex == bridge.Attrs().Index
	}) {
		return nil
	}

	if err := fabric.LinkDel(bridge); err != nil {
		return fmt.Errorf("remove VPC %s: %w", vpc, err)
	}

	return ignore(netlink.RouteDel(h.blackhole(prefix.Masked())), syscall.ESRCH)
}

// removeFabric removes the lab's own namespace and its routes on this computer.
func (h *Host) removeFabric() error {
	// Removing the namespace would remove the link as well, but only once its last process is gone.
	if link, err := netlink.LinkByName(h.hostLink()); err == nil {
		if err := netlink.LinkDel(link); err != nil {
			return fmt.Errorf("remove link %s: %w", h.hostLink(), err)
		}
	}

	if err := removeNamespace(h.fabric()); err != nil {
		return err
	}

	filter := &netlink.Route{Protocol: protocol, Type: unix.RTN_BLACKHOLE}

	// The routes go last: until the link is gone they keep packets for the lab on this computer.
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := netlink.RouteListFiltered(
			family,
			filter,
			netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TYPE,
		)
		if err != nil {
			return fmt.Errorf("list routes: %w", err)
		}

		for _, route := range routes {
			if route.Priority != h.metric() { // another lab's; netlink's own filter does not look at it
				continue
			}
			if err := ignore(netlink.RouteDel(&route), syscall.ESRCH); err != nil {
				return fmt.Errorf("remove route %v: %w", route.Dst, err)
			}
		}
	}

	return nil
}

// makeBridge makes a bridge with its addresses, or finds it.
func (w *wire) makeBridge(name string, addresses ...netip.Prefix) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.HardwareAddr = name, MAC(addresses[0].Addr())
	snooping := false
	err := w.LinkAdd(&netlink.Bridge{LinkAttrs: attributes, MulticastSnooping: &snooping})
	if err != nil && !errors.Is(err, syscall.EEXIST) {
		return fmt.Errorf("make bridge %s: %w", name, err)
	}

	for _, address := range addresses {
		if err := w.addAddress(name, address); err != nil {
			return err
		}
	}

	return w.raise(name)
}

// makeCable makes a pair of links: port, enslaved to the bridge here, and name at the other end. A pair that is there
// in full stays as it is; half of one is made again.
func (w *wire) makeCable(port, bridge string, end *wire, name string, mac net.HardwareAddr) error {
	master, err := w.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("find bridge %s: %w", bridge, err)
	}

	here, err := w.LinkByName(port)
	if err == nil {
		// Both ends and the bridge are as wanted: a Droplet that runs keeps its link without a break.
		if _, err := end.LinkByName(name); err == nil && here.Attrs().MasterIndex == master.Attrs().Index {
			return errors.Join(
				w.raise(port),
				end.raise(name),
			)
		}

		if err := w.LinkDel(here); err != nil {
			return fmt.Errorf("remove half-made link %s: %w", port, err)
		}
	}

	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MasterIndex = port, master.Attrs().Index

	// One request makes both ends, the far one in its namespace, so that a crash leaves all or nothing.
	pair := &netlink.Veth{
		LinkAttrs:        attributes,
		PeerName:         name,
		PeerHardwareAddr: mac,
		PeerNamespace:    netlink.NsFd(end.namespace),
	}

	if err := w.LinkAdd(pair); err != nil {
		return fmt.Errorf("make link %s to %s: %w", port, name, err)
	}

	return errors.Join(
		w.raise(port),
		end.raise(name),
	)
}

func (w *wire) removeLink(name string) error {
	link, err := w.LinkByName(name)
	if missing(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("find link %s: %w", name, err)
	}

	if err := w.LinkDel(link); err != nil {
		return fmt.Errorf("remove link %s: %w", name, err)
	}

	return nil
}

func (w *wire) raise(name string) error {
	return w.setUp(name, true)
}

func (w *wire) setUp(name string, up bool) error {
	link, err := w.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find link %s: %w", name, err)
	}

	set := w.LinkSetDown
	if up {
		set = w.LinkSetUp
	}

	if err := set(link); err != nil {
		return fmt.Errorf("set link %s up=%t: %w", name, up, err)
	}

	return nil
}

func (w *wire) addAddress(name string, address netip.Prefix) error {
	link, err := w.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find link %s: %w", name, err)
	}

	n := network(address)
	n.IP = address.Addr().AsSlice()
	flags := 0
	if address.Addr().Is6() {
		flags = unix.IFA_F_NODAD // the lab gives each address once: no waiting for others to object
	}

	if err := w.AddrReplace(link, &netlink.Addr{IPNet: n, Flags: flags}); err != nil {
		return fmt.Errorf("add address %s to %s: %w", address, name, err)
	}

	return nil
}

// route adds a route over a link; with no gateway the network is on the link itself.
func (w *wire) route(name string, to netip.Prefix, gateway, source netip.Addr) error {
	link, err := w.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find link %s: %w", name, err)
	}

	route := &netlink.Route{
		LinkIndex: link.Attrs().Index,
		Dst:       network(to),
		Src:       source.AsSlice(),
		Scope:     netlink.SCOPE_LINK,
	}
	if gateway.IsValid() {
		route.Gw, route.Scope = gateway.AsSlice(), netlink.SCOPE_UNIVERSE
	}

	if err := w.RouteReplace(route); err != nil {
		return fmt.Errorf("add route to %s over %s: %w", to, name, err)
	}

	return nil
}

func network(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{
		IP:   prefix.Masked().Addr().AsSlice(),
		Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()),
	}
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}

	address, ok := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()

	return netip.PrefixFrom(address.Unmap(), bits), ok
}

func missing(err error) bool {
	return errors.As(err, &netlink.LinkNotFoundError{})
}

// ignore takes one errno for success.
func ignore(err error, expected syscall.Errno) error {
	if errors.Is(err, expected) {
		return nil
	}

	return err
}
