//go:build root

package lab_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab"
)

// startNamed starts a lab that has no Droplets, which the test's end resets.
func startNamed(t *testing.T, name string, public ...string) error {
	t.Helper()

	program, err := os.Executable()
	require.NoError(t, err)

	_, _, err = lab.Start(
		t.Context(),
		name,
		append([]string{program, "serve-lab", name}, public...),
	)

	return err
}

func resetAtEnd(t *testing.T, names ...string) {
	t.Cleanup(func() {
		for _, name := range names {
			require.NoError(t, lab.Reset(context.Background(), name, slog.New(slog.DiscardHandler)))
		}
	})
}

// rangeOf is the public range that a lab has.
func rangeOf(t *testing.T, name string) netip.Prefix {
	t.Helper()

	status, err := lab.StatusOf(t.Context(), name)
	require.NoError(t, err)

	return netip.MustParsePrefix(status.PublicRange)
}

func shell(t *testing.T, script string, args ...string) string {
	t.Helper()

	text, err := exec.Command("sh", append([]string{"-ec", script, "sh"}, args...)...).CombinedOutput()
	require.NoError(t, err, string(text))

	return string(text)
}

func TestTwoLabsThatStartAtOnceHaveRangesOfTheirOwn(t *testing.T) {
	t.Setenv(lab.FolderVariable, filepath.Join(t.TempDir(), "labs"))

	one, two := testLab+"-one", testLab+"-two"
	resetAtEnd(t, one, two)

	var group sync.WaitGroup
	problems := make([]error, 2)

	for i, name := range []string{one, two} {
		group.Go(func() { problems[i] = startNamed(t, name) })
	}

	group.Wait()
	require.Equal(
		t,
		[]error{nil, nil},
		problems,
	)
	require.False(t, rangeOf(t, one).Overlaps(rangeOf(t, two)))

	// Labs of another folder are known by their routes only.
	taken := rangeOf(t, one)
	t.Setenv(lab.FolderVariable, filepath.Join(t.TempDir(), "labs"))
	other := testLab + "-three"
	resetAtEnd(t, other)

	err := startNamed(t, other, taken.String())
	require.ErrorContains(
		t,
		err,
		fmt.Sprintf("public range %s overlaps range %s of another lab", taken, taken),
	)
}

func TestARangeThatThisComputerUsesIsRefusedAndNothingChanged(t *testing.T) {
	t.Setenv(lab.FolderVariable, filepath.Join(t.TempDir(), "labs"))

	require := require.New(t)
	// a network of this computer that no other run of the test has
	link := fmt.Sprintf("hr%dt", os.Getpid())
	address := netip.AddrFrom4([4]byte{203, byte(os.Getpid() >> 8), byte(os.Getpid()), 1})
	network := netip.PrefixFrom(address, 24).Masked()

	shell(t,
		`ip link add "$1" type bridge; ip link set "$1" up; ip address add "$2/28" dev "$1"`,
		link,
		address.String(),
	)
	t.Cleanup(func() { shell(t, `ip link del "$1"`, link) })

	name := testLab + "-four"
	resetAtEnd(t, name)

	look := func() string {
		return shell(t, `ip -o address show dev "$1"; ip route show table all dev "$1"; ls /run/netns |
	grep -F -e "$2" || true; ip route show table all | grep -F "$3" || true; cat /run/hornero/limits.json 2>/dev/null |
	grep -F "$2" || true`,
			link, name, network.String())
	}
	before := look()

	err := startNamed(t, name, network.String())
	require.ErrorContains(err, fmt.Sprintf("public range %s overlaps route", network))
	require.ErrorContains(err, "name another /24 with --public-range, or none")
	require.Equal(before, look())

	require.NoError(startNamed(t, name), "it takes a free one")
	require.False(network.Overlaps(rangeOf(t, name)))
}
