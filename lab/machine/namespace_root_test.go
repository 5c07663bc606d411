//go:build root

package machine_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/machine"
)

// Somebody else on the computer makes a namespace by ip netns, which mounts the folder where it is no mount: the names
// that were there before must be removable all the same.
func TestANamespaceGoesWhateverOthersMake(t *testing.T) {
	const own, others = "hornero-namespace-test", "hornero-namespace-others"

	ip := func(args ...string) {
		t.Helper()

		out, err := exec.Command("ip", args...).CombinedOutput()
		require.NoError(t, err, string(out))
	}

	require.NoError(t, machine.MakeNamespace(own))
	ip("netns", "add", others)

	require.NoError(t, machine.RemoveNamespace(own))
	require.NoFileExists(t, "/run/netns/"+own)
	require.FileExists(t, "/run/netns/"+others)

	require.NoError(t, machine.RemoveNamespace(own), "it is gone")

	ip("netns", "del", others)

	// With the last name nothing is left of the folder's mount. Another lab may be running here.
	require.NoError(t, machine.MakeNamespace(own))
	require.NoError(t, machine.RemoveNamespace(own))

	left, err := os.ReadDir("/run/netns")
	require.NoError(t, err)

	mounts, err := os.ReadFile("/proc/self/mounts")
	require.NoError(t, err)

	if len(left) == 0 {
		require.NotContains(t, string(mounts), " /run/netns ")
	}
}
