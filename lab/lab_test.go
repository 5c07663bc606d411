package lab_test

import (
	"fmt"
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

// chosen is the range that a lab of that name takes: the one that is asked for, or any when none is.
func chosen(t *testing.T, name, asked string, claim func(netip.Prefix) error) netip.Prefix {
	t.Helper()

	public, err := choose(name, asked, claim)
	require.NoError(t, err)

	return public
}

// refusal is why a lab of that name does not get a range.
func refusal(name, asked string, claim func(netip.Prefix) error) error {
	_, err := choose(name, asked, claim)
	return err
}

func choose(name, asked string, claim func(netip.Prefix) error) (netip.Prefix, error) {
	var public netip.Prefix
	if asked != "" {
		public = netip.MustParsePrefix(asked)
	}

	return lab.FolderOf(name).ChooseRange(public, claim)
}

// within tells whether a range is part of another.
func within(outer string, inner netip.Prefix) bool {
	return netip.MustParsePrefix(outer).Overlaps(inner)
}

func TestEachLabHasARangeOfItsOwn(t *testing.T) {
	folders(t)
	first := chosen(t, "default", "", free)
	require.Equal(t, "198.51.100.0/24", first.String())

	one := chosen(t, "one", "", free)
	two := chosen(t, "two", "", free)
	require.False(t, one.Overlaps(two))
	require.True(t, within("198.18.0.0/15", one))

	again := chosen(t, "one", "", free)
	require.Equal(t, one, again, "remembered")

	err := refusal("three", "192.0.2.32/27", free)
	require.ErrorContains(t, err, "must be an IPv4 /24")

	err = refusal("three", one.String(), free)
	taken := one.String() + " is that of another lab"
	require.ErrorContains(t, err, taken, "of one that does not run, too")

	err = refusal("three", "192.0.2.0/24", free)
	require.NoError(t, err, "what was refused is not remembered")

	err = refusal("one", "192.0.2.0/24", free)
	require.ErrorContains(t, err, "hornero lab reset --name one")
}

func TestARangeInUseIsPassedOverOrRefused(t *testing.T) {
	folders(t)

	other := chosen(t, "default", "", uses("198.51.100.0/22"))
	require.True(t, within("198.18.0.0/15", other), "the default lab's own is in use")

	after := chosen(t, "one", "", uses("198.18.0.0/16"))
	require.True(t, within("198.19.0.0/16", after))

	err := refusal("two", "", uses("198.18.0.0/15"))
	require.ErrorContains(t, err, "no range is left")

	const asked = "192.0.2.0/24"
	err = refusal("two", asked, uses("192.0.2.0/28"))
	require.ErrorIs(t, err, machine.ErrRangeInUse)
	require.ErrorContains(t, err, "range 192.0.2.0/24 overlaps route 192.0.2.0/28")
	require.ErrorContains(t, err, "name another /24 with --public-range, or none")

	free := chosen(t, "two", "", free)
	require.NotEqual(t, asked, free.String(), "what was refused is not remembered")

	err = refusal("one", "", uses("198.19.0.0/16"))
	require.ErrorIs(t, err, machine.ErrRangeInUse, "what is remembered is claimed at each start")
	require.ErrorContains(t, err, "free it there, or `hornero lab reset --name one`")
}

func TestLabsOfOneNameInTwoFoldersDoNotMeet(t *testing.T) {
	folders(t)
	require := require.New(t)
	name := fmt.Sprintf("same%d", os.Getpid())

	release, err := lab.ClaimName(name)
	require.NoError(err)

	quiet := slog.New(slog.DiscardHandler)
	err = lab.Reset(t.Context(), name, quiet)
	require.ErrorContains(err, "a lab of that name runs from another folder", "it would remove the other's Droplets")

	options := lab.Options{Name: name, Logger: quiet}
	err = lab.Serve(t.Context(), options, func(lab.Endpoint) {})
	require.ErrorContains(err, "use another --name")

	release()

	release, err = lab.ClaimName(name)
	require.NoError(err, "the name is free again")
	release()
}

func TestTokenIsMadeOnceAndForRootOnly(t *testing.T) {
	require := require.New(t)
	folder := folders(t)
	f := lab.FolderOf("default")
	_, err := f.ChooseRange(netip.Prefix{}, free)
	require.NoError(err)

	token, err := f.Secret()
	require.NoError(err)
	require.Len(token, 64)

	again, err := f.Secret()
	require.NoError(err)
	require.Equal(token, again)

	info, err := os.Stat(f.TokenFile())
	require.NoError(err)
	require.Equal(os.FileMode(0o600), info.Mode().Perm())

	info, err = os.Stat(filepath.Join(folder, "default"))
	require.NoError(err)
	require.Equal(os.FileMode(0o700), info.Mode().Perm())
}

func TestALabThatDoesNotRun(t *testing.T) {
	folders(t)
	require := require.New(t)
	_, err := lab.Locate("default")
	require.ErrorIs(err, lab.ErrNotRunning)

	status, err := lab.StatusOf(t.Context(), "default")
	require.NoError(err)
	require.False(status.Running)
	require.NotNil(status.Droplets)

	ended, err := lab.Stop(t.Context(), "default", slog.New(slog.DiscardHandler))
	require.NoError(err)
	require.False(ended)
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
