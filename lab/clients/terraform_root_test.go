//go:build root

package clients_test

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What a client has started may take a moment to be seen.
const (
	waitFor = 30 * time.Second
	tick    = 500 * time.Millisecond
)

//go:embed testdata/main.tf
var terraformConfiguration string

// TestTerraform makes one of each, changes some and destroys all. After each apply a second plan must be empty:
// whatever comes back other than it was sent shows there as drift.
func TestTerraform(t *testing.T) {
	b := newBench(t)
	folder := b.write("main.tf", terraformConfiguration)

	// with dev_overrides Terraform takes the local provider, without init and registry
	settings := fmt.Sprintf(
		"provider_installation {\n  dev_overrides { \"digitalocean/digitalocean\" = %q }\n  direct {}\n}\n",
		b.clients,
	)

	require.NoError(t, os.WriteFile(
		filepath.Join(folder, "terraform.rc"),
		[]byte(settings),
		0o600,
	))

	b.env = append(
		b.env,
		"TF_CLI_CONFIG_FILE="+filepath.Join(folder, "terraform.rc"),
		"TF_IN_AUTOMATION=1",
	)

	b.apply(folder)
	require.Len(t, b.doctl("compute", "droplet", "list"), 2)

	b.apply(
		folder,
		"-var",
		"size=s-1vcpu-2gb",
		"-var",
		"port=8080",
		"-var",
		"tags=[\"web\",\"changed\"]",
	)

	require.Equal(t,
		"s-1vcpu-2gb",
		b.doctl("compute", "droplet", "list", "--tag-name", "changed")[0]["size_slug"],
	)

	b.run(folder, b.client("terraform"), "destroy", "-auto-approve", "-no-color", "-input=false")

	for _, kind := range []string{
		"droplet",
		"load-balancer",
		"firewall",
		"volume",
		"reserved-ip",
		"domain",
		"certificate",
		"ssh-key",
	} {
		require.Empty(t, b.doctl("compute", kind, "list"), kind)
	}
}

// apply applies, and then finds nothing left to do.
func (b *bench) apply(folder string, variables ...string) {
	b.t.Helper()

	b.run(
		folder,
		b.client("terraform"),
		append([]string{"apply", "-auto-approve", "-no-color", "-input=false"}, variables...)...,
	)

	b.run(
		folder,
		b.client("terraform"),
		append(
			[]string{"plan", "-detailed-exitcode", "-no-color", "-input=false"},
			variables...,
		)...,
	)
}
