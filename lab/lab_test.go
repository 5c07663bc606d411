package lab_test

import (
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab"
)

func folders(t *testing.T) string {
	folder := filepath.Join(t.TempDir(), "labs")
	t.Setenv(lab.FolderVariable, folder)
	return folder
}

func TestEachLabHasARangeOfItsOwn(t *testing.T) {
	folders(t)
	first, err := lab.FolderOf("default").Settle(netip.Prefix{})
	require.NoError(t, err)
	require.Equal(t, "198.51.100.0/24", first.String())

	one, err := lab.FolderOf("one").Settle(netip.Prefix{})
	require.NoError(t, err)

	two, err := lab.FolderOf("two").Settle(netip.Prefix{})
	require.NoError(t, err)
	require.False(t, one.Overlaps(two))
	require.True(t, netip.MustParsePrefix("198.18.0.0/16").Overlaps(one))

	again, err := lab.FolderOf("one").Settle(netip.Prefix{})
	require.NoError(t, err)
	require.Equal(t, one, again, "remembered")

	_, err = lab.FolderOf("three").Settle(netip.MustParsePrefix("198.18.200.32/27"))
	require.ErrorContains(t, err, "must be an IPv4 /24")

	_, err = lab.FolderOf("three").Settle(netip.MustParsePrefix("198.18.200.0/24"))
	require.NoError(t, err, "what was refused is not remembered")

	_, err = lab.FolderOf("one").Settle(netip.MustParsePrefix("198.18.200.0/24"))
	require.ErrorContains(t, err, "hornero lab reset --name one")
}

func TestTokenIsMadeOnceAndForRootOnly(t *testing.T) {
	folder := folders(t)
	f := lab.FolderOf("default")
	_, err := f.Settle(netip.Prefix{})
	require.NoError(t, err)

	token, err := f.Secret()
	require.NoError(t, err)
	require.Len(t, token, 64)

	again, err := f.Secret()
	require.NoError(t, err)
	require.Equal(t, token, again)

	info, err := os.Stat(f.TokenFile())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	info, err = os.Stat(filepath.Join(folder, "default"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestALabThatDoesNotRun(t *testing.T) {
	folders(t)
	_, err := lab.Locate("default")
	require.ErrorIs(t, err, lab.ErrNotRunning)

	status, err := lab.StatusOf(t.Context(), "default")
	require.NoError(t, err)
	require.False(t, status.Running)
	require.NotNil(t, status.Droplets)

	ended, err := lab.Stop(t.Context(), "default", slog.New(slog.NewTextHandler(io.Discard, nil)))
	require.NoError(t, err)
	require.False(t, ended)
}

func TestAStartThatFailsSaysWhy(t *testing.T) {
	folders(t)

	_, _, err := lab.Start(
		t.Context(),
		"one",
		[]string{"/bin/sh", "-c", "echo no room for a lab >&3; exit 1"},
	)
	require.ErrorContains(t, err, "no room for a lab")

	_, _, err = lab.Start(t.Context(), "one", []string{"/bin/false"})
	require.ErrorContains(t, err, lab.FolderOf("one").LogFile())

	_, _, err = lab.Start(t.Context(), "one", []string{"/bin/sh", "-c", "echo ready >&3"})
	require.ErrorIs(t,
		err,
		lab.ErrNotRunning,
		"a lab that says ready and is not there is not believed",
	)
}

func TestTheLabListensOnLoopbackOnly(t *testing.T) {
	require.NoError(t, lab.CheckLoopback("127.0.0.1:0"))
	require.ErrorContains(t, lab.CheckLoopback("0.0.0.0:7677"), "this computer only")
	require.ErrorContains(t, lab.CheckLoopback("localhost"), "an address and a port")
}
