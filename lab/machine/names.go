package machine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// namespaces is where named network namespaces are, for us as for ip netns.
const namespaces = "/run/netns"

// MetadataAddress is where every Droplet finds the metadata service.
func MetadataAddress() netip.Addr { return netip.MustParseAddr("169.254.169.254") }

// Gateway is the fabric's public address; the mirror listens on it.
func (h *Host) Gateway() netip.Addr {
	return h.Public.Addr().Next()
}

// Self is this computer's address in the public network.
func (h *Host) Self() netip.Addr {
	return h.Gateway().Next()
}

// MAC returns the hardware address that an address always has: a Droplet made anew on an address is known to its
// neighbours at once.
func MAC(address netip.Addr) net.HardwareAddr {
	bytes := address.As4()
	return append(net.HardwareAddr{0x02, 0x00}, bytes[:]...)
}

// Anchor returns the anchor address that belongs to a public one, as eth0 carries it beside its own.
func Anchor(public netip.Addr) netip.Prefix {
	bytes := public.As4()
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{
		10,
		10,
		bytes[2],
		bytes[3],
	}), 16)
}

// Loopback is where a public address of a lab is published: the same but for the first number.
func Loopback(public netip.Addr) netip.Addr {
	bytes := public.As4()
	bytes[0] = 127
	return netip.AddrFrom4(bytes)
}

// loopbackRange is where all of a public range is published.
func loopbackRange(public netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(Loopback(public.Addr()), public.Bits())
}

// fabric is the name of the lab's own namespace.
func (h *Host) fabric() string { return "hornero-" + h.Name }

// Namespace returns the name of a station's namespace. A Droplet's station is its number; the names of others
// follow a dot, which no lab's name has, so that no two labs ever mean the same namespace.
func (h *Host) Namespace(station string) string {
	if isNumber(station) {
		return h.fabric() + "-" + station
	}

	return h.fabric() + "." + station
}

// stationOf is the reverse of Namespace.
func (h *Host) stationOf(namespace string) (station string, ok bool) {
	rest, ok := strings.CutPrefix(namespace, h.fabric())
	if !ok || len(rest) < 2 {
		return "", false
	}

	station = rest[1:]

	return station, rest[0] == '.' || rest[0] == '-' && isNumber(station)
}

func isNumber(text string) bool {
	_, err := strconv.ParseUint(text, 10, 64)
	return err == nil
}

func namespacePath(name string) string { return filepath.Join(namespaces, name) }

// hostLink is the name of the lab's interface on this computer.
func (h *Host) hostLink() string {
	return "hr" + short(h.Name)
}

// publicPort and privatePort are the fabric's ends of a station's two links.
func publicPort(station string) string { return "p" + short(station) }

func privatePort(station string) string { return "v" + short(station) }

// vpcBridge is the name of a VPC's bridge in the fabric.
func vpcBridge(vpc string) string { return "vpc" + short(vpc) }

// short makes a name of any length fit into an interface's; a Droplet's number stays readable.
func short(name string) string {
	// Linux allows 15 bytes for an interface's name, and a prefix is still to come.
	if isNumber(name) && len(name) <= 10 {
		return name
	}

	sum := sha256.Sum256([]byte(name))

	return hex.EncodeToString(sum[:5])
}

// metric is the priority of the lab's blackhole routes: worse than any route that somebody means, and the lab's own.
func (h *Host) metric() int {
	sum := sha256.Sum256([]byte(h.Name))
	return 1<<24 + int(sum[0])<<16 + int(sum[1])<<8 + int(sum[2])
}

// checkName refuses a name whose namespaces could be mistaken for another lab's.
func checkName(lab string) error {
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,19}$`).MatchString(lab) {
		return fmt.Errorf("lab %q: a name is at most 20 small letters, digits and '-'", lab)
	}
	if regexp.MustCompile(`-[0-9]+$`).MatchString(lab) {
		return fmt.Errorf("lab %q: a name does not end with '-' and a number: Droplets of lab %q are called so; "+
			"leave the '-' out",
			lab, lab[:strings.LastIndex(lab, "-")])
	}

	return nil
}

func checkStation(name string) error {
	if !regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9-]{0,63}$`).MatchString(name) {
		return fmt.Errorf("station %q: a name is at most 64 letters, digits and '-'", name)
	}

	return nil
}
