package machine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ErrRangeInUse says that a lab's public range would take addresses that this computer uses for something else.
var ErrRangeInUse = errors.New("it is in use on this computer")

const (
	// claimLock is held by a lab that looks for a free range and takes it: one at a time on a computer.
	claimLock = "/run/lock/hornero-lab-ranges"
	// claimTime is how long a lab waits for another that claims its range.
	claimTime = 10 * time.Second
)

// resolverFiles name the name servers of this computer. The second one holds those behind systemd-resolved.
func resolverFiles() []string {
	return []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}
}

// HostRoute is a route of this computer.
type HostRoute struct {
	To       netip.Prefix
	Link     string
	Gateways []netip.Addr
	Lab      bool // it keeps a network for another lab
}

// HostNetwork is what this computer reaches, without what belongs to the lab that asks.
type HostNetwork struct {
	Routes      []HostRoute
	Addresses   []netip.Addr
	NameServers []netip.Addr
}

// defaultRouteBits is the longest prefix of a route that means "everywhere": VPNs split the default route in two.
const defaultRouteBits = 1

// Overlap names the first part of this computer's network that a lab would hide with its public ranges, or with the
// addresses of loopback where it publishes its load balancers. The empty string says that there is none.
func (n HostNetwork) Overlap(public, ipv6 netip.Prefix) string {
	published := loopbackRange(public)

	// a lab has more routes than the one that is marked: name the lab, not its link
	for _, ofLabs := range []bool{true, false} {
		for _, route := range n.Routes {
			if route.Lab != ofLabs {
				continue
			}
			if what := route.overlap(public, ipv6, published); what != "" {
				return what
			}
		}
	}

	for _, address := range n.Addresses {
		if public.Contains(address) || ipv6.Contains(address) || published.Contains(address) {
			return fmt.Sprintf("address %s", address)
		}
	}

	for _, address := range n.NameServers {
		if public.Contains(address) || ipv6.Contains(address) || published.Contains(address) {
			return fmt.Sprintf("name server %s", address)
		}
	}

	return ""
}

func (r HostRoute) overlap(public, ipv6, published netip.Prefix) string {
	// A hidden gateway breaks its route, whatever that leads to.
	for _, gateway := range r.Gateways {
		if public.Contains(gateway) || ipv6.Contains(gateway) {
			return fmt.Sprintf("gateway %s of route %s", gateway, r.To)
		}
	}

	overlaps := public.Overlaps(r.To) || ipv6.Overlaps(r.To)

	switch {
	case r.To.Bits() <= defaultRouteBits:
		return "" // a more specific route hides nothing of it that somebody means
	case overlaps && r.Lab:
		return fmt.Sprintf("range %s of another lab", r.To)
	case overlaps && r.Link != "":
		return fmt.Sprintf("route %s over %s", r.To, r.Link)
	case overlaps:
		return fmt.Sprintf("route %s", r.To)

	// two ranges that differ in their first number only are published at the same addresses
	case r.Lab && r.To.Addr().Is4() && r.To.Bits() == public.Bits() && published == loopbackRange(r.To):
		return fmt.Sprintf("range %s of another lab by %s, where both publish their load balancers", r.To, published)
	}

	return ""
}

// Claim takes the lab's public range on this computer, or returns ErrRangeInUse and changes nothing. The lab's
// blackhole route shows others that it is taken, until Down. Claim can be called again.
func (h *Host) Claim(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("networks and Droplets need root")
	}

	ctx, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()

	unlock, err := lockFile(ctx, claimLock)
	if err != nil {
		return err
	}
	defer unlock()

	// Removed while it is still held: whoever waits checks that the file it locked is the one at the path.
	defer os.Remove(claimLock)

	// Nothing of the lab itself counts as an overlap, so that a running lab can claim its range again.
	network, err := h.hostNetwork()
	if err != nil {
		return err
	}

	if what := network.Overlap(h.Public, h.IPv6); what != "" {
		return fmt.Errorf("public range %s overlaps %s: %w", h.Public, what, ErrRangeInUse)
	}

	// The route is added under the lock: the next lab that looks for a range sees it.
	return h.addBlackhole(h.Public)
}

// hostNetwork reads what this computer reaches without the lab.
func (h *Host) hostNetwork() (n HostNetwork, err error) {
	links, err := netlink.LinkList()
	if err != nil {
		return n, fmt.Errorf("list links: %w", err)
	}

	names := map[int]string{}
	for _, link := range links {
		names[link.Attrs().Index] = link.Attrs().Name
	}

	if n.Routes, err = h.hostRoutes(names); err != nil {
		return n, fmt.Errorf("list routes: %w", err)
	}

	addresses, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return n, fmt.Errorf("list addresses: %w", err)
	}

	for _, address := range addresses {
		if prefix, ok := prefixOf(address.IPNet); ok && names[address.LinkIndex] != h.hostLink() {
			n.Addresses = append(n.Addresses, prefix.Addr())
		}
	}

	for _, path := range resolverFiles() {
		// A computer without systemd-resolved has only one of the two files.
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return n, fmt.Errorf("read the name servers: %w", err)
		}

		n.NameServers = append(n.NameServers, NameServers(text)...)
	}

	return n, nil
}

// hostRoutes lists the routes of all tables, for a policy may lead to any, but for those of the lab.
func (h *Host) hostRoutes(links map[int]string) ([]HostRoute, error) {
	all := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
	listed, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, all, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, err
	}

	routes := []HostRoute{}

	for _, route := range listed {
		blackhole := route.Protocol == protocol && route.Type == unix.RTN_BLACKHOLE

		// The metric tells this lab's blackholes from those of other labs.
		if blackhole && route.Priority == h.metric() || links[route.LinkIndex] == h.hostLink() {
			continue
		}

		to, ok := prefixOf(route.Dst)
		if !ok { // the default route of some families has no destination
			to = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		}

		// A route over several hops has them in MultiPath, and none of its own.
		gateways := []netip.Addr{}
		for _, hop := range append(route.MultiPath, &netlink.NexthopInfo{Gw: route.Gw}) {
			if gateway, ok := netip.AddrFromSlice(hop.Gw); ok {
				gateways = append(gateways, gateway.Unmap())
			}
		}

		routes = append(routes, HostRoute{
			To:       to,
			Link:     links[route.LinkIndex],
			Gateways: gateways,
			Lab:      blackhole,
		})
	}

	return routes, nil
}

// NameServers reads the name servers out of a resolv.conf.
func NameServers(text []byte) []netip.Addr {
	servers := []netip.Addr{}
	lines := bufio.NewScanner(bytes.NewReader(text))

	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if address, err := netip.ParseAddr(fields[1]); err == nil {
			servers = append(servers, address.WithZone("").Unmap())
		}
	}

	return servers
}
