// Package walls owns who may reach a node's ports, and what its users may reach: rules of nftables, made of what its
// manifest declares and of the peer set. They tell the stack's nodes apart; who comes from outside is held back by the
// cloud's firewall.
package walls

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/roles"
)

// View is what walls are made from.
type View struct {
	Role    string // the node's own
	Network string // the stack's subnet
	Clients string // addresses and networks, between spaces
	Ports   []roles.Port
	Leaving []Leaving
	Peers   []peerset.Peer
	Rights  peerset.Rights // of the stack's roles
}

// Leaving is what a user's processes may reach outside of the stack's subnet: these TCP ports, and name servers.
type Leaving struct {
	UID   int
	Ports []int
}

// The text before the sets, between sets and ports, and after them. What is no beginning of a TCP connection belongs to
// one that was let in, or is answered by the kernel: neither a table that was gone for a while nor a lost entry cuts a
// connection off.
const (
	head = `table inet hornero_walls
delete table inet hornero_walls
table inet hornero_walls {
	set peers {
		type ipv4_addr
`
	middle = `	chain input {
		type filter hook input priority 0; policy drop;
		iifname "lo" accept
		tcp flags & (fin | syn | rst | ack) == syn goto ports
		meta l4proto tcp accept
		ct state established,related accept
		meta l4proto { icmp, ipv6-icmp } accept
		udp dport { 68, 546 } accept
	}
	chain ports {
`
	tail = `		counter drop
	}
`
	leave = `	chain output {
		type filter hook output priority 0; policy accept;
		oifname "lo" accept
		tcp flags & (fin | syn | rst | ack) != syn accept
		ct state established,related accept
		tcp dport 53 accept
		udp dport 53 accept
`
)

// Rules is the text of the walls for nft. It takes the place of the table that is there in one transaction.
func (v View) Rules() string {
	sets, ports := head, middle

	// A set without elements may not name any.
	if all := v.addresses([]string{roles.FromPeers}); all != "" {
		sets += "\t\telements = { " + all + " }\n"
	}

	sets += "\t}\n"

	for i := range v.Ports {
		port := &v.Ports[i]
		number := strconv.Itoa(port.Port)
		at := "\t\ttcp dport " + number + " "

		if port.Connections > 0 {
			sets += "\tset from_" + number + " {\n\t\ttype ipv4_addr\n\t\tflags dynamic\n\t}\n"
			ports += at + "add @from_" + number + " { ip saddr ct count over " + strconv.Itoa(port.Connections) +
				" } counter reject with tcp reset\n"
		}

		ports += v.port(at, port.From)
	}

	return sets + ports + tail + v.leaving() + "}\n"
}

// leaving are the rules about what leaves the node; none where nobody knows which addresses are the stack's. The
// receivers' walls are before what stays within it.
func (v View) leaving() string {
	if v.Network == "" || len(v.Leaving) == 0 {
		return ""
	}

	rules := leave + "\t\tip daddr " + v.Network + " accept\n"

	for _, user := range v.Leaving {
		of := "\t\tmeta skuid " + strconv.Itoa(user.UID) + " "

		for _, port := range user.Ports {
			rules += of + "tcp dport " + strconv.Itoa(port) + " accept\n"
		}

		rules += of + "counter reject with icmpx type admin-prohibited\n"
	}

	return rules + "\t}\n"
}

// port are the rules that let in who may reach a port.
func (v View) port(at string, from []string) string {
	names := func(word string) bool { return slices.Contains(from, word) }

	if names(roles.FromVisitors) || names(roles.FromReservedIP) {
		return at + "accept\n"
	}

	rules, networks := "", ""

	if addresses := v.addresses(from); addresses != "" {
		rules = at + "ip saddr { " + addresses + " } accept\n"
	}

	if names(roles.FromClients) {
		networks = v.Clients
	}

	// Who is not a peer yet comes to join; the stack has its subnet for itself.
	if names(roles.FromPeers) {
		networks += " " + v.Network
	}

	// Each is a rule of its own: a set is refused where they overlap.
	for _, network := range strings.Fields(networks) {
		family := "ip"
		if strings.Contains(network, ":") {
			family = "ip6"
		}

		rules += at + family + " saddr " + network + " accept\n"
	}

	// A node does not know these addresses: the cloud's firewall does. They are no peers.
	if names(roles.FromLoadBalancer) || names(roles.FromOperator) || names(roles.FromPeers) && v.Network == "" {
		rules += at + "ip saddr != @peers accept\n" + at + "meta nfproto ipv6 accept\n"
	}

	return rules
}

// addresses are those of the peers that words of `from` name, between commas. What is none came from a broken member,
// and must not become a rule.
func (v View) addresses(from []string) string {
	text, separator := "", ""

	for i := range v.Peers {
		peer := &v.Peers[i]

		address, err := netip.ParseAddr(peer.Address)
		if err != nil || !address.Is4() {
			continue
		}

		for _, word := range from {
			if v.means(word, peer.Role) {
				text += separator + peer.Address
				separator = ", "

				break
			}
		}
	}

	return text
}

// means tells whether a word of `from` names the nodes of a role. Which roles watch its own a node does not know, as
// that changes without it: it lets the nodes of all others in, and the cloud's firewall tells them apart. A role that
// its document does not know was added to the stack later, and may have any driver.
func (v View) means(word, role string) bool {
	if word == role || word == roles.FromPeers {
		return true
	}

	if role == v.Role {
		return word == roles.FromSelf
	}

	if driver := roles.DriverOf(word); driver != "" {
		rights, known := v.Rights[role]
		return !known || rights.Driver == driver
	}

	return word == roles.FromWatchers
}
