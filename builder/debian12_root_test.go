//go:build root

package builder_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/do"
)

// Every role of this checkout bakes on Debian 12, on the layer that they share, and passes its self-test there.
func TestEveryRoleBakesForDebian12(t *testing.T) {
	o := newOvenAt(t, plot{name: "twelvetest"})
	made(t, "bin/packer-plugin-hornero", "packer")
	var said bytes.Buffer
	started := time.Now()

	_, err := command.Run(t.Context(), command.Command{
		Args:   []string{"scripts/images.sh"},
		Dir:    "..",
		Output: &said,
		Env: []string{
			"CLOUD=digitalocean",
			"RELEASE=debian-12",
			"DIGITALOCEAN_API_URL=" + o.options["api_url"].(string),
			"DIGITALOCEAN_ACCESS_TOKEN=" + o.options["api_token"].(string),
		},
	})
	require.NoError(t, err, said.String())
	t.Logf("the layer and four roles: %.0f s", time.Since(started).Seconds())
	o.nothingLeft(5)

	for _, role := range []string{"common", "arbitrator", "db", "proxy", "web"} {
		images, err := do.ImagesByTag(t.Context(), o.client, "hornero:role:"+role)
		require.NoError(t, err)
		require.Len(t, images, 1)
		require.Contains(t, images[0].Name, "hornero-"+role+"-debian-12-")
	}
}
