//go:build root

package immutable_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/bootstrap/immutable"
)

func TestTheGuardIsLoadedAgain(t *testing.T) {
	runtime.LockOSThread() // and never unlocked: the thread's network namespace ends with it
	require.NoError(t, unix.Unshare(unix.CLONE_NEWNET))

	rules, err := os.ReadFile("../../roles/common/metadata-guard.nft")
	require.NoError(t, err)

	image := &immutable.Image{Root: t.TempDir()}
	ensure := func() string {
		what, err := image.EnsureMetadataGuard(t.Context())
		require.NoError(t, err)

		return what
	}
	require.Empty(t, ensure(), "an image without one")

	path := filepath.Join(image.Root, immutable.GuardFile)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, rules, 0o644))

	for _, undo := range []string{
		"list ruleset",
		"flush ruleset",
		"flush chain ip hornero_metadata output",
		"delete table ip hornero_metadata",
	} {
		if undo != "list ruleset" {
			out, err := exec.Command("nft", strings.Fields(undo)...).CombinedOutput()
			require.NoError(t, err, string(out))
		}

		require.Equal(t,
			"is not in force: any program on this node could ask for its user-data; loaded again",
			ensure(),
			undo,
		)

		require.Empty(t, ensure())
	}

	require.NoError(t, exec.Command("nft", "flush", "ruleset").Run())
	require.NoError(t, os.WriteFile(path, []byte("table of nothing\n"), 0o644))

	what := ensure()
	require.Contains(t, what, "loading it again: ")
	require.Contains(t, what, "syntax error")
	require.Equal(t, what, ensure(), "the same again")
}
