package roles_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The package managers' hook lets a bake do as it likes, and on a node says why not and what to do.
func TestThePackageGuard(t *testing.T) {
	text, err := os.ReadFile("common/package-guard")
	require.NoError(t, err)
	mark := filepath.Join(t.TempDir(), "immutable")
	script := strings.ReplaceAll(string(text), "/run/hornero/immutable", mark)
	require.NotEqual(t, string(text), script)
	out, err := exec.Command("sh", "-c", script).CombinedOutput()
	require.NoError(t, err)
	require.Empty(t, out)
	require.NoError(t, os.WriteFile(mark, []byte("shop-2 shop\n"), 0o644))
	out, err = exec.Command("sh", "-c", script).CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 1, exit.ExitCode())
	for _, want := range []string{"Refused by Hornero: shop-2 is made from an image", "roles/shop/role.yaml", "hornero replace shop-2"} {
		require.Contains(t, string(out), want)
	}
}
