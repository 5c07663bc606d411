package metadata_test

import (
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"

	gometadata "github.com/digitalocean/go-metadata"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/metadata"
)

// TestDigitalOceansOwnClient reads everything that DigitalOcean's client for Go knows how to read.
func TestDigitalOceansOwnClient(t *testing.T) {
	told := info()
	told.ReservedIP = netip.MustParseAddr("198.51.100.77")
	told.Public.IPv6 = netip.MustParsePrefix("2001:db8::a/64")
	told.Public.GatewayIPv6 = netip.MustParseAddr("2001:db8::1")

	server := httptest.NewServer(metadata.Handler(func(netip.Addr) (metadata.Info, bool) {
		return told, true
	}))
	defer server.Close()

	base, err := url.Parse(server.URL)
	require.NoError(t, err)

	client := gometadata.NewClient(gometadata.WithBaseURL(base))

	id, err := client.DropletID()
	require.NoError(t, err)
	require.Equal(t, told.ID, id)

	for want, read := range map[string]func() (string, error){
		told.Hostname:   client.Hostname,
		told.UserData:   client.UserData,
		told.VendorData: client.VendorData,
		told.Region:     client.Region,
	} {
		got, err := read()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}

	keys, err := client.PublicKeys()
	require.NoError(t, err)
	require.Equal(t, []string{"ssh-ed25519 AAAA one", "ssh-rsa BBBB two"}, keys)

	tags, err := client.Tags()
	require.NoError(t, err)
	require.Equal(t, told.Tags, tags)

	for _, active := range []func() (bool, error){client.FloatingIPv4Active, client.ReservedIPv4Active} {
		yes, err := active()
		require.NoError(t, err)
		require.True(t, yes)
	}

	all, err := client.Metadata()
	require.NoError(t, err)

	public := all.Interfaces["public"][0]
	require.Equal(t, "198.51.100.10", public.IPv4.IPAddress)
	require.Equal(t, "10.10.100.10", public.AnchorIPv4.IPAddress)
	require.Equal(t, "2001:db8::a", public.IPv6.IPAddress)
	require.Equal(t, "2001:db8::1", public.IPv6.Gateway)
	require.Equal(t, "10.108.0.10", all.Interfaces["private"][0].IPv4.IPAddress)
}
