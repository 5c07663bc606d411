// Package metadata owns what a Droplet reads at 169.254.169.254: DigitalOcean's paths and its JSON, answered to each
// Droplet about itself only, known by the address that it asks from. It does not know where the facts come from, nor
// how a request reaches it.
package metadata

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// root is where the paths begin.
const root = "/metadata/v1"

// Info is what a Droplet is told about itself.
type Info struct {
	ID         int
	Hostname   string
	Region     string
	UserData   string
	VendorData string
	PublicKeys []string
	Tags       []string
	Features   []string
	Resolvers  []netip.Addr // whom it asks for names
	Public     Interface
	Private    Interface
	ReservedIP netip.Addr // the zero Addr when none is assigned
}

// Interface is one of the Droplet's network interfaces.
type Interface struct {
	Address     netip.Prefix // the address and its network's length; the zero Prefix: there is no such interface
	Gateway     netip.Addr
	MAC         string
	Anchor      netip.Prefix // public interfaces only
	IPv6        netip.Prefix // public interfaces only; the zero Prefix: none
	GatewayIPv6 netip.Addr
}

// Lookup finds the Droplet that has an address.
type Lookup func(address netip.Addr) (Info, bool)

// Handler answers the metadata service's requests.
func Handler(lookup Lookup) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}

		// A Droplet is known by its address alone, which a guest cannot forge in the lab's networks.
		source, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			http.NotFound(w, r)
			return
		}

		// A listener for both families shows an IPv4 address as an IPv6 one.
		info, ok := lookup(source.Addr().Unmap())
		if !ok {
			http.NotFound(w, r)
			return
		}

		answer(w, r, info)
	})
}

func answer(w http.ResponseWriter, r *http.Request, info Info) {
	// A client that is gone misses its answer: the results of writing are ignored.
	if r.URL.Path == root+".json" {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(document(info))
		return
	}

	path, ok := strings.CutPrefix(r.URL.Path, root)
	if !ok {
		http.NotFound(w, r)
		return
	}

	found, ok := tree(info).find(path)
	if !ok {
		http.NotFound(w, r)
		return
	}

	folder, isFolder := found.(folder)

	// An index names paths relative to itself, which needs the '/' at its end.
	if isFolder && !strings.HasSuffix(path, "/") {
		http.Redirect(w, r, r.URL.Path+"/", http.StatusMovedPermanently)
		return
	}

	w.Header().Set("Content-Type", "text/plain; charset=utf-8")

	if isFolder {
		w.Write([]byte(folder.index()))
		return
	}

	w.Write([]byte(found.(leaf)))
}

// node is a leaf or a folder of the tree of paths.
type node any

type leaf string

// folder keeps the order in which its index names what is in it.
type folder []entry

type entry struct {
	name string
	node node
}

func (f folder) index() string {
	names := make([]string, len(f))
	for i, entry := range f {
		names[i] = entry.name
		if _, ok := entry.node.(folder); ok {
			names[i] += "/"
		}
	}

	return strings.Join(names, "\n")
}

// find follows a path, which begins with '/' or is empty. A leaf has no path below it, not even '/'.
func (f folder) find(path string) (node, bool) {
	rest := strings.TrimPrefix(path, "/")
	if rest == "" {
		return f, true
	}

	name, below, deeper := strings.Cut(rest, "/")

	for _, entry := range f {
		if entry.name != name {
			continue
		}

		if inner, ok := entry.node.(folder); ok {
			if deeper {
				below = "/" + below
			}

			return inner.find(below)
		}

		return entry.node, !deeper
	}

	return nil, false
}

func tree(info Info) folder {
	return folder{
		{"id", leaf(strconv.Itoa(info.ID))},
		{"hostname", leaf(info.Hostname)},
		{"user-data", leaf(info.UserData)},
		{"vendor-data", leaf(info.VendorData)},
		{"public-keys", lines(info.PublicKeys)},
		{"region", leaf(info.Region)},

		{"interfaces", interfaces(info)},
		{"dns", folder{{"nameservers", lines(texts(info.Resolvers))}}},
		{"floating_ip", reservedIP(info)},
		{"reserved_ip", reservedIP(info)},

		{"tags", tags(info.Tags)},
		{"features", features(info.Features)},
	}
}

// tags is a folder whose index is the tags themselves.
func tags(names []string) folder {
	var f folder
	for _, name := range names {
		f = append(f, entry{name, leaf(name)})
	}

	return f
}

func features(names []string) folder {
	f := folder{{"dhcp_enabled", leaf("false")}}
	for _, name := range names {
		f = append(f, entry{name, leaf("true")})
	}

	return f
}

func lines(values []string) leaf {
	// A key that ends its own line would leave an empty line in the list.
	trimmed := make([]string, len(values))
	for i, value := range values {
		trimmed[i] = strings.TrimSpace(value)
	}

	return leaf(strings.Join(trimmed, "\n"))
}

func interfaces(info Info) folder {
	var f folder
	for _, kind := range []struct {
		name string
		Interface
	}{{"public", info.Public}, {"private", info.Private}} {
		if !kind.Address.IsValid() {
			continue
		}

		one := folder{{
			"ipv4",
			address(kind.Address, kind.Gateway),
		}}
		if kind.Anchor.IsValid() {
			one = append(one, entry{
				name: "anchor_ipv4",
				node: address(kind.Anchor, gatewayOf(kind.Anchor)),
			})
		}

		if kind.IPv6.IsValid() {
			one = append(one, entry{
				name: "ipv6",
				node: folder{
					{
						"address",
						leaf(kind.IPv6.Addr().String()),
					},
					{
						"cidr",
						leaf(strconv.Itoa(kind.IPv6.Bits())),
					},
					{
						"gateway",
						leaf(text(kind.GatewayIPv6)),
					},
				},
			})
		}

		one = append(one,
			entry{"mac", leaf(kind.MAC)},
			entry{"type", leaf(kind.name)},
		)

		// DigitalOcean numbers the interfaces of each kind; a Droplet of the lab has one of each at most.
		f = append(f, entry{kind.name, folder{{"0", one}}})
	}

	return f
}

func address(prefix netip.Prefix, gateway netip.Addr) folder {
	return folder{
		{"address", leaf(prefix.Addr().String())},
		{"netmask", leaf(netmask(prefix))},
		{"gateway", leaf(text(gateway))},
	}
}

func reservedIP(info Info) folder {
	f := folder{{
		"active",
		leaf(strconv.FormatBool(info.ReservedIP.IsValid())),
	}}
	if info.ReservedIP.IsValid() {
		f = append(f, entry{
			name: "ip_address",
			node: leaf(info.ReservedIP.String()),
		})
	}

	return folder{{"ipv4", f}}
}

func gatewayOf(prefix netip.Prefix) netip.Addr {
	return prefix.Masked().Addr().Next()
}

func netmask(prefix netip.Prefix) string {
	mask := ^uint32(0) << (32 - prefix.Bits())
	return netip.AddrFrom4([4]byte{
		byte(mask >> 24),
		byte(mask >> 16),
		byte(mask >> 8),
		byte(mask),
	}).String()
}

// texts is never nil: it is a list in JSON, too.
func texts(addresses []netip.Addr) []string {
	all := []string{}
	for _, address := range addresses {
		all = append(all, address.String())
	}

	return all
}

func text(address netip.Addr) string {
	if !address.IsValid() {
		return ""
	}

	return address.String()
}
