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
	return walls.View{
		Role:    "store",
		Network: "10.1.0.0/24",
		Ports:   ports,
		Peers: []peerset.Peer{
			{Role: "store", Address: "10.1.0.2"},
			{Role: "store", Address: "10.1.0.3"},
			{Role: "gateway", Address: "10.1.0.4"},
			{Role: "vote", Address: "10.1.0.5"},
			{Role: "shop", Address: "10.1.0.6"},
			{Role: "other", Address: "10.1.0.7"},
		},
		Rights: peerset.Rights{
			"store":   {Driver: roles.DriverGalera},
			"gateway": {Driver: roles.DriverHAProxy},
			"vote":    {Driver: roles.DriverArbitrator},
			"shop":    {},
			"other":   {},
		},
		Clients: "10.9.0.0/16 10.1.0.6 2001:db8::/48",
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

func TestEachWordLetsInWhomItNames(t *testing.T) {
	strangers := []string{"ip saddr != @peers accept", "meta nfproto ipv6 accept"}
	all := "ip saddr { 10.1.0.2, 10.1.0.3, 10.1.0.4, 10.1.0.5, 10.1.0.6, 10.1.0.7 } accept"

	for _, c := range []struct {
		from []string
		want []string
	}{
		{nil, nil},
		{[]string{roles.FromSelf}, []string{"ip saddr { 10.1.0.2, 10.1.0.3 } accept"}},
		{[]string{"shop"}, []string{"ip saddr { 10.1.0.6 } accept"}},
		{[]string{"shop", "shop", roles.FromSelf}, []string{"ip saddr { 10.1.0.2, 10.1.0.3, 10.1.0.6 } accept"}},
		{[]string{"nobody"}, nil},
		{[]string{roles.FromWatchers}, []string{"ip saddr { 10.1.0.4, 10.1.0.5, 10.1.0.6, 10.1.0.7 } accept"}},
		{[]string{roles.FromProxies}, []string{"ip saddr { 10.1.0.4 } accept"}},
		{[]string{roles.FromArbitrators}, []string{"ip saddr { 10.1.0.5 } accept"}},
		{[]string{roles.FromPeers}, []string{all, "ip saddr 10.1.0.0/24 accept"}},
		{[]string{roles.FromOperator}, strangers},
		{[]string{roles.FromLoadBalancer, "shop"}, append([]string{"ip saddr { 10.1.0.6 } accept"}, strangers...)},
		{[]string{roles.FromVisitors}, []string{"accept"}},
		{[]string{roles.FromReservedIP}, []string{"accept"}},
		{
			[]string{roles.FromClients},
			[]string{
				"ip saddr 10.9.0.0/16 accept",
				"ip saddr 10.1.0.6 accept",
				"ip6 saddr 2001:db8::/48 accept",
			},
		},
	} {
		require.Equal(t, c.want, opened(view(roles.Port{Port: 7, From: c.from})), c.from)
	}
}

// What a document does not say must not shut a part of the stack out.
func TestWhatADocumentDoesNotSayIsLetIn(t *testing.T) {
	// A role that was added to the stack later.
	later := view(roles.Port{Port: 7, From: []string{roles.FromProxies}})
	delete(later.Rights, "vote")
	require.Equal(t, []string{"ip saddr { 10.1.0.4, 10.1.0.5 } accept"}, opened(later))

	placeless := view(roles.Port{Port: 7, From: []string{roles.FromPeers}})
	placeless.Network = ""
	require.Contains(t, opened(placeless), "ip saddr != @peers accept")
}

func TestAnAddressThatIsNoneBecomesNoRule(t *testing.T) {
	v := view(roles.Port{Port: 7, From: []string{"shop"}})
	v.Peers = append(v.Peers, peerset.Peer{Role: "shop", Address: "10.0.0.1 } accept; tcp dport 22 accept"})

	require.Equal(t, []string{"ip saddr { 10.1.0.6 } accept"}, opened(v))
	require.NotContains(t, v.Rules(), "10.0.0.1")
}

func TestConnectionsAreCounted(t *testing.T) {
	v := view(roles.Port{Port: 7, From: []string{"shop"}, Connections: 12})

	require.Equal(t, []string{
		"add @from_7 { ip saddr ct count over 12 } counter reject with tcp reset",
		"ip saddr { 10.1.0.6 } accept",
	}, opened(v))
	require.Contains(t, v.Rules(), "\tset from_7 {\n")
}

// Before the peer set is known.
func TestNobodyIsAPeerYet(t *testing.T) {
	v := view(roles.Port{Port: 7, From: []string{roles.FromSelf}}, roles.Port{Port: 22, From: []string{"operator"}})
	v.Peers = nil

	require.Empty(t, opened(v))
	require.Contains(t, v.Rules(), "\tset peers {\n\t\ttype ipv4_addr\n\t}\n")
	require.Contains(t, v.Rules(), "tcp dport 22 ip saddr != @peers accept\n")
	require.Contains(t, v.Rules(), "policy drop;")
}
