package stack_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

func TestWhoMayLogIn(t *testing.T) {
	s, err := parse(t, "https: 443", "https: 443\noperator_addresses: [203.0.113.7, 198.51.100.0/24, '2001:db8::/48', "+
		"'2001:db8:1::7', 0.0.0.0/0, 10.8.0.0/16]")
	require.NoError(t, err)
	require.Equal(
		t,
		[]string{"203.0.113.7", "198.51.100.0/24", "2001:db8::/48", "2001:db8:1::7", "0.0.0.0/0", "10.8.0.0/16"},
		s.OperatorAddresses,
	)

	s, err = parse(t, "https: 443", "https: 443")
	require.NoError(t, err)
	require.Empty(t, s.OperatorAddresses)
}

func TestWhoCannotLogIn(t *testing.T) {
	const (
		none = `s.yaml:22:21: error: operator_addresses: must name the addresses that may reach port 22, as in ` +
			`[203.0.113.7, 198.51.100.0/24]; remove it when everybody may`
		first  = `s.yaml:22:22: error: operator_addresses[0]: `
		form   = first + `must be an address or a network, as in 203.0.113.7, 198.51.100.0/24 or 2001:db8::/48, got `
		nobody = first + `nobody reaches a Droplet from `
		better = `; write the address that you have on the internet, as in 203.0.113.7`
	)

	twice := func(column, text string) string {
		return "s.yaml:22:" + column + ": error: operator_addresses[1]: \"" + text + "\" is there already, as " +
			"operator_addresses[0]; remove one"
	}

	for written, want := range map[string]string{
		"[]":                         none,
		"[office.example.org]":       form + `"office.example.org"`,
		"[203.0.113]":                form + `"203.0.113"`,
		"[203.0.113.7/33]":           form + `"203.0.113.7/33"`,
		"['']":                       form + `""`,
		"['fe80::1%eth0']":           form + `"fe80::1%eth0"`,
		"['::ffff:203.0.113.7']":     form + `"::ffff:203.0.113.7"`,
		"['::ffff:203.0.113.0/120']": form + `"::ffff:203.0.113.0/120"`,
		"[0.0.0.0]":                  nobody + `"0.0.0.0"` + better,
		"['::1/128']":                nobody + `"::1/128"` + better,
		"[127.0.0.1]":                nobody + `"127.0.0.1"` + better,
		"[224.0.0.0/4]":              nobody + `"224.0.0.0/4"` + better,
		"['fe80::/10']":              nobody + `"fe80::/10"` + better,
		"[203.0.113.7/24]": first + `"203.0.113.7/24" is an address inside of a network; write 203.0.113.0/24 ` +
			`for the network, or 203.0.113.7 for the address alone`,
		"[10.0.0.0/8, 10.0.0.0/8]": twice("34", "10.0.0.0/8"),
		"[10.0.0.1, '10.0.0.1/32', x]": twice("32", "10.0.0.1/32") + "\n" +
			strings.NewReplacer(":22:22:", ":22:47:", "[0]", "[2]").Replace(form) + `"x"`,
	} {
		_, err := parse(t, "https: 443", "https: 443\noperator_addresses: "+written)
		require.EqualError(t, err, want, written)
	}

	_, err := parse(t, "https: 443", "https: 443\noperator_addresses:")
	require.ErrorContains(t, err, "operator_addresses: must name the addresses")
}

func TestClientAddresses(t *testing.T) {
	s, err := parse(t, "https: 443", "https: 443\nclient_addresses: [10.9.0.0/16, 203.0.113.7]")
	require.NoError(t, err)
	require.Equal(t, []string{"10.9.0.0/16", "203.0.113.7"}, s.ClientAddresses)

	// Those who let clients in are told of them, and nobody else.
	letsIn := &roles.Manifest{Ports: []roles.Port{{Port: 7, From: []string{roles.FromClients}}}}
	require.Equal(t, map[string]string{"client_addresses": "10.9.0.0/16 203.0.113.7"}, s.WallSettings(letsIn))
	require.Empty(t, s.WallSettings(&roles.Manifest{}))

	s.ClientAddresses = nil
	require.Empty(t, s.WallSettings(letsIn))

	_, err = parse(t, "https: 443", "https: 443\nclient_addresses: []")
	require.ErrorContains(t, err, "client_addresses: must name addresses, as in [10.108.16.0/20]")

	_, err = parse(t, "https: 443", "https: 443\nclient_addresses: [10.9.0.1/16]")
	require.ErrorContains(t, err, `client_addresses[0]: "10.9.0.1/16" is an address inside of a network`)
}
