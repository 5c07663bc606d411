package lab_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab"
	"github.com/hornero/hornero/lab/state"
)

func TestNamesAreFoundInTheAccountsDomains(t *testing.T) {
	account := &state.Document{Domains: []state.Domain{
		{
			Name: "example.org",
			Records: []state.Record{
				{Type: "NS", Name: "@", Data: "ns1.digitalocean.com"},
				{Type: "A", Name: "@", Data: "198.51.100.9"},
				{Type: "AAAA", Name: "@", Data: "2001:db8::9"},
				{Type: "CNAME", Name: "www", Data: "@"},
				{Type: "CNAME", Name: "shop", Data: "www.example.org"},
				{Type: "CNAME", Name: "round", Data: "about.example.org"},
				{Type: "CNAME", Name: "about", Data: "round.example.org"},
			},
		},
		{
			Name:    "example.com",
			Records: []state.Record{{Type: "A", Name: "www", Data: "198.51.100.7"}},
		},
	}}

	both := "[198.51.100.9 2001:db8::9]"

	for name, want := range map[string]string{
		"example.org":       both,
		"www.example.org":   both,
		"shop.example.org":  both,
		"round.example.org": "[]",
		"other.example.org": "[]",
		"www.example.com":   "[198.51.100.7]",
		"example.com":       "[]",
		"www.example.net":   "[]",
	} {
		require.Equal(t, want, fmt.Sprint(lab.AddressesOf(account, name)), name)
	}
}
