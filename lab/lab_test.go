package lab_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab"
	"github.com/hornero/hornero/lab/machine"
)

func folders(t *testing.T) string {
	folder := filepath.Join(t.TempDir(), "labs")
	t.Setenv(lab.FolderVariable, folder)
	return folder
}

// free is a computer that uses none of the ranges.
func free(netip.Prefix) error { return nil }

// uses is a computer that uses this range.
func uses(used string) func(netip.Prefix) error {
	return func(public netip.Prefix) error {
		if public.Overlaps(netip.MustParsePrefix(used)) {
			return fmt.Errorf("public range %s overlaps route %s: %w", public, used, machine.ErrRangeInUse)
		}

		return nil
	}
}

func TestEachLabHasARangeOfItsOwn(t *testing.T) {
	folders(t)
	first, err := lab.FolderOf("default").ChooseRange(netip.Prefix{}, free)
	require.NoError(t, err)
	require.Equal(t, "198.51.100.0/24", first.String())

	one, err := lab.FolderOf("one").ChooseRange(netip.Prefix{}, free)
	require.NoError(t, err)

	two, err := lab.FolderOf("two").ChooseRange(netip.Prefix{}, free)
	require.NoError(t, err)
	require.False(t, one.Overlaps(two))
	require.True(t, netip.MustParsePrefix("198.18.0.0/15").Overlaps(one))

	again, err := lab.FolderOf("one").ChooseRange(netip.Prefix{}, free)
	require.NoError(t, err)
	require.Equal(t, one, again, "remembered")

	_, err = lab.FolderOf("three").ChooseRange(netip.MustParsePrefix("192.0.2.32/27"), free)
	require.ErrorContains(t, err, "must be an IPv4 /24")

	_, err = lab.FolderOf("three").ChooseRange(one, free)
	require.ErrorContains(t, err, one.String()+" is that of another lab", "of one that does not run, too")

	_, err = lab.FolderOf("three").ChooseRange(netip.MustParsePrefix("192.0.2.0/24"), free)
	require.NoError(t, err, "what was refused is not remembered")

	_, err = lab.FolderOf("one").ChooseRange(netip.MustParsePrefix("192.0.2.0/24"), free)
	require.ErrorContains(t, err, "hornero lab reset --name one")
}

func TestARangeInUseIsPassedOverOrRefused(t *testing.T) {
	folders(t)

	other, err := lab.FolderOf("default").ChooseRange(netip.Prefix{}, uses("198.51.100.0/22"))
	require.NoError(t, err)
	require.True(t, netip.MustParsePrefix("198.18.0.0/15").Overlaps(other), "the default lab's own is in use")

	after, err := lab.FolderOf("one").ChooseRange(netip.Prefix{}, uses("198.18.0.0/16"))
	require.NoError(t, err)
	require.True(t, netip.MustParsePrefix("198.19.0.0/16").Overlaps(after))

	_, err = lab.FolderOf("two").ChooseRange(netip.Prefix{}, uses("198.18.0.0/15"))
	require.ErrorContains(t, err, "no range is left")

	asked := netip.MustParsePrefix("192.0.2.0/24")
	_, err = lab.FolderOf("two").ChooseRange(asked, uses("192.0.2.0/28"))
	require.ErrorIs(t, err, machine.ErrRangeInUse)
	require.ErrorContains(t, err, "range 192.0.2.0/24 overlaps route 192.0.2.0/28")
	require.ErrorContains(t, err, "name another /24 with --public-range, or none")

	chosen, err := lab.FolderOf("two").ChooseRange(netip.Prefix{}, free)
	require.NoError(t, err)
	require.NotEqual(t, asked, chosen, "what was refused is not remembered")

	_, err = lab.FolderOf("one").ChooseRange(netip.Prefix{}, uses("198.19.0.0/16"))
	require.ErrorIs(t, err, machine.ErrRangeInUse, "what is remembered is claimed at each start")
	require.ErrorContains(t, err, "free it there, or `hornero lab reset --name one`")
}

func TestLabsOfOneNameInTwoFoldersDoNotMeet(t *testing.T) {
	folders(t)
	name := fmt.Sprintf("same%d", os.Getpid())

	release, err := lab.ClaimName(name)
	require.NoError(t, err)

	quiet := slog.New(slog.DiscardHandler)
	err = lab.Reset(t.Context(), name, quiet)
	require.ErrorContains(t, err, "a lab of that name runs from another folder", "it would remove the other's Droplets")

	err = lab.Serve(t.Context(), lab.Options{Name: name, Logger: quiet}, func(lab.Endpoint) {})
	require.ErrorContains(t, err, "use another --name")

	release()

	release, err = lab.ClaimName(name)
	require.NoError(t, err, "the name is free again")
	release()
}

func TestTokenIsMadeOnceAndForRootOnly(t *testing.T) {
	folder := folders(t)
	f := lab.FolderOf("default")
	_, err := f.ChooseRange(netip.Prefix{}, free)
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
