package roles_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The package managers' hook allows everything in a bake. On a node it refuses, and says what to do instead.
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

	for _, want := range []string{
		"Refused by Hornero: shop-2 is made from an image",
		"roles/shop/role.yaml",
		"hornero replace shop-2",
	} {
		require.Contains(t, string(out), want)
	}
}

// A site whose address is https redirects visitors who came by http. One without an address redirects nobody.
func TestASiteByHTTPSSendsVisitorsThere(t *testing.T) {
	const sends = "return 301 $hornero_site$request_uri;"
	facts := nodeFacts("web", "debian-13")
	require.NotContains(t, render(t, "web", facts)["/etc/nginx/sites-enabled/hornero"], sends)

	facts.Settings["url"] = "https://www.example.org/"
	text := render(t, "web", facts)["/etc/nginx/sites-enabled/hornero"]
	require.Contains(t, text, sends)
	require.Contains(t, text, `map "https://www.example.org/" $hornero_site {`)
}
