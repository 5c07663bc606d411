package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
)

// Attachment is a place in the lab's networks.
type Attachment struct {
	Public   netip.Addr   `json:"public"`  // eth0; the zero Addr: the VPC is all it has, on eth0
	IPv6     netip.Addr   `json:"ipv6"`    // eth0, beside Public; the zero Addr: none
	Private  netip.Addr   `json:"private"` // eth1
	VPC      string       `json:"vpc"`     // any text that names it, such as the VPC's UUID
	VPCRange netip.Prefix `json:"vpc_range"`
}

func number(id int) string { return strconv.Itoa(id) }

// attach makes a station: a namespace with eth0 in the public network and eth1 in a VPC, addresses and routes set. It
// can be called again, after a crash in its middle too.
func (h *Host) attach(station string, at Attachment) error {
	if err := h.checkAttachment(at); err != nil {
		return fmt.Errorf("attach %s: %w", station, err)
	}

	h.net.Lock()
	defer h.net.Unlock()

	if err := makeNamespace(h.Namespace(station)); err != nil {
		return err
	}

	// Set before the links exist: an interface makes itself a link-local address as soon as it is up.
	err := within(
		h.Namespace(station),
		func() error { return setSysctls(quietIPv6()) },
	)
	if err != nil {
		return err
	}

	fabric, err := openWire(h.fabric())
	if err != nil {
		return err
	}
	defer fabric.close()

	inside, err := openWire(h.Namespace(station))
	if err != nil {
		return err
	}
	defer inside.close()

	if err := inside.raise("lo"); err != nil {
		return err
	}

	if at.Public.IsValid() {
		if err := h.attachPublic(fabric, inside, station, at); err != nil {
			return err
		}
	}

	return h.attachPrivate(fabric, inside, station, at)
}

// quietIPv6 leaves ::1 alone, and keeps every other interface from making itself addresses.
func quietIPv6() map[string]string {
	return map[string]string{
		"ipv6/conf/default/disable_ipv6": "1",
		"ipv6/conf/default/autoconf":     "0",
		"ipv6/conf/default/accept_ra":    "0",
	}
}

func (h *Host) checkAttachment(at Attachment) error {
	if at.IPv6.IsValid() &&
		(!at.Public.IsValid() ||
			!h.IPv6.IsValid() ||
			!h.IPv6.Contains(at.IPv6) ||
			at.IPv6.Compare(h.selfIPv6()) <= 0) {
		return fmt.Errorf(
			"public address %s: must be in %s and after %s, beside an IPv4 one",
			at.IPv6,
			h.IPv6,
			h.selfIPv6(),
		)
	}

	if at.Public.IsValid() && !h.Public.Contains(at.Public) ||
		at.Public.IsValid() && at.Public.Compare(h.Self()) <= 0 {
		return fmt.Errorf(
			"public address %s: must be in %s and after %s",
			at.Public,
			h.Public,
			h.Self(),
		)
	}

	if at.VPC == "" || !at.VPCRange.Addr().Is4() || !at.VPCRange.Contains(at.Private) {
		return fmt.Errorf(
			"private address %s: must be in the range %s of VPC %q",
			at.Private,
			at.VPCRange,
			at.VPC,
		)
	}

	return nil
}

func (h *Host) attachPublic(fabric, inside *wire, station string, at Attachment) error {
	own := guard{
		port: publicPort(station),
		mac:  MAC(at.Public),
		addresses: []netip.Addr{
			at.Public,
			Anchor(at.Public).Addr(),
		},
	}
	if at.IPv6.IsValid() {
		own.addresses = append(own.addresses, at.IPv6)
	}

	// The guard comes before the cable, so that the first frame is already checked.
	if err := h.setGuard(own); err != nil {
		return fmt.Errorf("guard %s: %w", station, err)
	}

	if err := h.cable(
		fabric,
		publicPort(station),
		publicBridge,
		inside,
		"eth0",
		MAC(at.Public),
	); err != nil {
		return err
	}

	if err := inside.addAddress("eth0", netip.PrefixFrom(at.Public, h.Public.Bits())); err != nil {
		return err
	}

	// A VPC may use 10.10.0.0/16 itself; its Droplets could not reach each other through eth1 then.
	if anchor := Anchor(at.Public); !anchor.Overlaps(at.VPCRange) {
		if err := inside.addAddress("eth0", anchor); err != nil {
			return err
		}
	}

	if err := inside.route(
		"eth0",
		netip.PrefixFrom(MetadataAddress(), 32),
		netip.Addr{},
		at.Public,
	); err != nil {
		return err
	}

	if err := inside.route(
		"eth0",
		netip.MustParsePrefix("0.0.0.0/0"),
		h.Gateway(),
		at.Public,
	); err != nil {
		return err
	}

	return h.attachIPv6(inside, station, at)
}

func (h *Host) attachPrivate(fabric, inside *wire, station string, at Attachment) error {
	if err := h.makeVPC(fabric, at.VPC, at.VPCRange); err != nil {
		return err
	}

	if err := h.setGuard(guard{
		port:      privatePort(station),
		mac:       MAC(at.Private),
		addresses: []netip.Addr{at.Private},
	}); err != nil {
		return fmt.Errorf("guard %s: %w", station, err)
	}

	// A Droplet with nothing but its VPC has it on eth0, as on DigitalOcean.
	link := "eth1"
	if !at.Public.IsValid() {
		link = "eth0"
	}

	if err := h.cable(
		fabric,
		privatePort(station),
		vpcBridge(at.VPC),
		inside,
		link,
		MAC(at.Private),
	); err != nil {
		return err
	}

	if err := inside.addAddress(link, netip.PrefixFrom(
		at.Private,
		at.VPCRange.Bits(),
	)); err != nil || at.Public.IsValid() {
		return err
	}

	return inside.route(link, netip.PrefixFrom(MetadataAddress(), 32), netip.Addr{}, at.Private)
}

// detach removes a station from the networks; nil when there is none.
func (h *Host) detach(station string, at Attachment) error {
	h.net.Lock()
	defer h.net.Unlock()

	fabric, err := openWire(h.fabric())
	if errors.Is(err, fs.ErrNotExist) {
		return removeNamespace(h.Namespace(station))
	} else if err != nil {
		return err
	}
	defer fabric.close()

	// Cables go before guards: no port is ever on the bridge without one.
	if err := errors.Join(
		h.uncable(fabric, publicPort(station)),
		h.uncable(fabric, privatePort(station)),
	); err != nil {
		return err
	}

	if err := errors.Join(
		h.dropGuard(publicPort(station)),
		h.dropGuard(privatePort(station)),
		removeNamespace(h.Namespace(station)),
	); err != nil {
		return err
	}

	if at.VPC == "" {
		return nil
	}

	return h.dropVPC(fabric, at.VPC, at.VPCRange)
}

// Links pulls the cables of a Droplet or puts them back. The Droplet's own addresses and routes stay.
func (h *Host) Links(id int, up bool) error {
	h.net.Lock()
	defer h.net.Unlock()

	fabric, err := openWire(h.fabric())
	if err != nil {
		return err
	}
	defer fabric.close()

	public := fabric.setUp(publicPort(number(id)), up)
	if missing(public) {
		public = nil // one that has only its VPC
	}

	// A late port has two links: the TAP under its name, and the cable itself.
	late := errors.Join(
		fabric.raiseLate(publicPort(number(id)), up),
		fabric.raiseLate(privatePort(number(id)), up),
	)

	return errors.Join(public, fabric.setUp(privatePort(number(id)), up), late)
}

// stations names what is in the lab's networks, found in the kernel and not in files.
func (h *Host) stations() ([]string, error) {
	entries, err := os.ReadDir(namespaces)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}

	var found []string

	for _, entry := range entries {
		if station, ok := h.stationOf(entry.Name()); ok {
			found = append(found, station)
		}
	}

	return found, nil
}
