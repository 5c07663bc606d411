package machine_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/machine"
)

func TestADropletsResolverIsTheGateway(t *testing.T) {
	host, err := machine.New(config("a"))
	require.NoError(t, err)

	public := machine.Droplet{Attachment: machine.Attachment{Public: netip.MustParseAddr("198.18.77.10")}}
	root := t.TempDir()
	require.NoError(t, host.WriteResolver(root, public))

	text, err := os.ReadFile(filepath.Join(root, "etc/resolv.conf"))
	require.NoError(t, err)
	require.Equal(t, "nameserver 198.18.77.1\n", string(text))
	require.Equal(t, []netip.Addr{host.Gateway()}, host.Resolvers(public.Public))

	info, err := os.Stat(filepath.Join(root, "etc/resolv.conf"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o644), info.Mode().Perm(), "programs of any user ask for names")

	// The gateway is out of reach for one that has its VPC only.
	root = t.TempDir()
	require.NoError(t, host.WriteResolver(root, machine.Droplet{}))
	require.NoFileExists(t, filepath.Join(root, "etc/resolv.conf"))
	require.Empty(t, host.Resolvers(netip.Addr{}))
}

// An image is no Droplet of this lab. What the guest wrote is its own.
func TestALayerKeepsOnlyTheGuestsOwnResolver(t *testing.T) {
	host, err := machine.New(config("a"))
	require.NoError(t, err)

	public := machine.Droplet{Attachment: machine.Attachment{Public: netip.MustParseAddr("198.18.77.10")}}

	layerOf := func(change func(path string)) string {
		t.Helper()

		folder := t.TempDir()
		upper := filepath.Join(folder, "upper")
		require.NoError(t, os.Mkdir(upper, 0o755))
		require.NoError(t, host.WriteResolver(upper, public))
		change(filepath.Join(upper, "etc/resolv.conf"))

		layer := filepath.Join(folder, "layer")
		require.NoError(t, host.FinishLayer(upper, layer))

		return filepath.Join(layer, "etc/resolv.conf")
	}

	require.NoFileExists(t, layerOf(func(string) {}))

	require.FileExists(t, layerOf(func(path string) {
		require.NoError(t, os.WriteFile(path, []byte("nameserver 127.0.0.1\n"), 0o644))
	}))

	link := layerOf(func(path string) {
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.Symlink("../run/systemd/resolve/resolv.conf", path))
	})
	_, err = os.Lstat(link)
	require.NoError(t, err)

	_, err = os.Lstat(layerOf(func(path string) { require.NoError(t, os.Remove(path)) }))
	require.ErrorIs(t, err, os.ErrNotExist)
}
