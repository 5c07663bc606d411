package walls_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/bootstrap/walls"
	"github.com/hornero/hornero/roles"
)

// view is a node of the role "store" in a stack of several.
func view(ports ...roles.Port) walls.View {
	v := walls.View{
		Role:    "store",
		Network: "10.1.0.0/24",
		Clients: "10.9.0.0/16 10.1.0.6 2001:db8::/48",
		Ports:   ports,
		Peers: []peerset.Peer{
			{Role: "store", Address: "10.1.0.2"},
			{Role: "store", Address: "10.1.0.3"},
			{Role: "gateway", Address: "10.1.0.4"},
			{Role: "vote", Address: "10.1.0.5"},
			{Role: "shop", Address: "10.1.0.6"},
			{Role: "other", Address: "10.1.0.7"},
		},
	}

	v.Rights = peerset.Rights{
		"store":   {Driver: roles.DriverGalera},
		"gateway": {Driver: roles.DriverHAProxy},
		"vote":    {Driver: roles.DriverArbitrator},
		"shop":    {},
		"other":   {},
	}

	return v
}

// from7 is port 7 with who may reach it.
func from7(words ...string) roles.Port {
	return roles.Port{
		Port: 7,
		From: words,
	}
}

// opened are the rules about port 7.
func opened(v walls.View) []string {
	var rules []string

	for line := range strings.Lines(v.Rules()) {
		if rule, ours := strings.CutPrefix(strings.TrimSpace(line), "tcp dport 7 "); ours {
			rules = append(rules, rule)
		}
	}

	return rules
}

// outsiders is what lets in who is no peer.
const outsiders = "ip saddr != @peers accept; meta nfproto ipv6 accept"

// words are what stands in `from`, and the rules that come of it.
var words = []struct{ from, want string }{
	{"", ""},
	{"nobody", ""},
	{"self", "ip saddr { 10.1.0.2, 10.1.0.3 } accept"},
	{"shop", "ip saddr { 10.1.0.6 } accept"},
	{"shop shop self", "ip saddr { 10.1.0.2, 10.1.0.3, 10.1.0.6 } accept"},
	{"watchers", "ip saddr { 10.1.0.4, 10.1.0.5, 10.1.0.6, 10.1.0.7 } accept"},
	{"proxies", "ip saddr { 10.1.0.4 } accept"},
	{"arbitrators", "ip saddr { 10.1.0.5 } accept"},
	{
		"peers",
		"ip saddr { 10.1.0.2, 10.1.0.3, 10.1.0.4, 10.1.0.5, 10.1.0.6, 10.1.0.7 } accept; ip saddr 10.1.0.0/24 accept",
	},
	{"operator", outsiders},
	{"load_balancer shop", "ip saddr { 10.1.0.6 } accept; " + outsiders},
	{"visitors", "accept"},
	{"reserved_ip self", "accept"},
	{"clients", "ip saddr 10.9.0.0/16 accept; ip saddr 10.1.0.6 accept; ip6 saddr 2001:db8::/48 accept"},
}

func TestEachWordLetsInWhomItNames(t *testing.T) {
	for _, c := range words {
		port := roles.Port{
			Port: 7,
			From: strings.Fields(c.from),
		}

		require.Equal(t, c.want, strings.Join(opened(view(port)), "; "), c.from)
	}
}

// What a document does not say must not shut a part of the stack out.
func TestWhatADocumentDoesNotSayIsLetIn(t *testing.T) {
	// A role that was added to the stack later.
	later := view(from7(roles.FromProxies))
	delete(later.Rights, "vote")
	require.Equal(t, []string{"ip saddr { 10.1.0.4, 10.1.0.5 } accept"}, opened(later))

	placeless := view(from7(roles.FromPeers))
	placeless.Network = ""
	require.Contains(t, opened(placeless), "ip saddr != @peers accept")
}

func TestAnAddressThatIsNoneBecomesNoRule(t *testing.T) {
	v := view(from7("shop"))
	v.Peers[0].Role = "shop"
	v.Peers[0].Address = "10.0.0.1 } accept; tcp dport 22 accept"

	require.Equal(t, []string{"ip saddr { 10.1.0.6 } accept"}, opened(v))
	require.NotContains(t, v.Rules(), "10.0.0.1")
}

func TestConnectionsAreCounted(t *testing.T) {
	v := view(from7("shop"))
	v.Ports[0].Connections = 12

	require.Equal(t, []string{
		"add @from_7 { ip saddr ct count over 12 } counter reject with tcp reset",
		"ip saddr { 10.1.0.6 } accept",
	}, opened(v))
	require.Contains(t, v.Rules(), "\tset from_7 {\n")
}

func TestWhatAUserReachesOutside(t *testing.T) {
	v := view()
	require.NotContains(t, v.Rules(), "chain output", "nobody is named")

	v.Leaving = []walls.Leaving{
		{UID: 33, Ports: []int{80, 443}},
		{UID: 101},
	}

	rules := v.Rules()
	require.Contains(t, rules, "\t\tip daddr 10.1.0.0/24 accept\n"+
		"\t\tmeta skuid 33 tcp dport 80 accept\n"+
		"\t\tmeta skuid 33 tcp dport 443 accept\n"+
		"\t\tmeta skuid 33 counter reject with icmpx type admin-prohibited\n"+
		"\t\tmeta skuid 101 counter reject with icmpx type admin-prohibited\n")
}

// Before the peer set is known.
func TestNobodyIsAPeerYet(t *testing.T) {
	ssh := from7(roles.FromOperator)
	ssh.Port = 22

	v := view(from7(roles.FromSelf), ssh)
	v.Peers = nil

	require.Empty(t, opened(v))
	require.Contains(t, v.Rules(), "\tset peers {\n\t\ttype ipv4_addr\n\t}\n")
	require.Contains(t, v.Rules(), "tcp dport 22 ip saddr != @peers accept\n")
	require.Contains(t, v.Rules(), "policy drop;")
}
