//go:build root

package clients_test

import (
	_ "embed"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

//go:embed testdata/build.pkr.hcl
var packerTemplate string

// TestPacker bakes with DigitalOcean's own plugin: a snapshot in two regions, and nothing else is left.
func TestPacker(t *testing.T) {
	b := newBench(t)
	folder := b.write("build.pkr.hcl", packerTemplate)
	b.env = append(
		b.env,
		"PACKER_PLUGIN_PATH="+filepath.Join(folder, "plugins"),
		"PACKER_CONFIG_DIR="+folder,
	)

	// a local plugin needs no registry
	packer := filepath.Join(b.root, ".cache/packer")
	b.run(
		folder,
		packer,
		"plugins",
		"install",
		"--path",
		b.client("packer-plugin-digitalocean"),
		"github.com/digitalocean/digitalocean",
	)

	b.run(folder, packer, "validate", ".")
	b.run(folder, packer, "build", "-color=false", ".")

	image := b.doctl("compute", "image", "list")[0]
	require.Equal(t, "baked", image["name"])
	require.ElementsMatch(t, []any{"fra1", "nyc3"}, image["regions"])
	require.Contains(t, image["tags"], "baked-by-packer")

	// Packer does not wait for the end of what it deletes
	require.Eventually(t,
		func() bool {
			return len(b.doctl("compute", "droplet", "list")) == 0
		},
		waitFor,
		tick,
	)

	require.Empty(t, b.doctl("compute", "ssh-key", "list"))

	again := b.doctl(
		"compute",
		"droplet",
		"create",
		"from-it",
		"--wait",
		"--region",
		"nyc3",
		"--size",
		"s-1vcpu-1gb",
		"--image",
		image.id(),
	)[0]
	require.Equal(t, "active", again["status"])
}
