package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/state"
)

func TestAZoneFile(t *testing.T) {
	priority := 10
	flags := 0
	tag := "issue"

	domain := state.Domain{
		Name:    "example.org",
		TTL:     1800,
		Created: time.Unix(1700000000, 0),
		Records: []state.Record{
			{Type: "NS", Name: "@", Data: "ns1.digitalocean.com", TTL: 1800},
			{Type: "A", Name: "a.b", Data: "198.51.100.9", TTL: 60},
			{Type: "CNAME", Name: "www", Data: "@", TTL: 60},
			{Type: "CNAME", Name: "shop", Data: "www", TTL: 60},
			{Type: "MX", Name: "@", Data: "mail.example.com", TTL: 60, Priority: &priority},
			{Type: "TXT", Name: "@", Data: `a "b" c\d`, TTL: 60},
			{Type: "CAA", Name: "@", Data: "letsencrypt.org", TTL: 60, Flags: &flags, Tag: &tag},
		},
	}

	require.Equal(t, `$ORIGIN example.org.
$TTL 1800
example.org. IN SOA ns1.digitalocean.com. hostmaster.example.org. 1700000000 10800 3600 604800 1800
example.org. 1800 IN NS ns1.digitalocean.com.
a.b.example.org. 60 IN A 198.51.100.9
www.example.org. 60 IN CNAME example.org.
shop.example.org. 60 IN CNAME www.example.org.
example.org. 60 IN MX 10 mail.example.com.
example.org. 60 IN TXT "a \"b\" c\\d"
example.org. 60 IN CAA 0 issue "letsencrypt.org"
`, domain.ZoneFile())
}
