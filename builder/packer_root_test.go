//go:build root

package builder_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
)

func TestPackerTakesTheExamples(t *testing.T) {
	made(t, "bin/hornero-bootstrap")
	env := append(packerEnvironment(t), "DIGITALOCEAN_ACCESS_TOKEN=token")

	for _, template := range []string{"docs/examples/droplet.pkr.hcl", "docs/examples/droplet.json", "images"} {
		text, err := packerSays(t, env, "validate", template)
		require.NoError(t, err, text)

		if !strings.HasSuffix(template, ".json") {
			text, err = packerSays(t, env, "fmt", "-check", template)
			require.NoError(t, err, text)
		}
	}

	for _, release := range builder.Releases() {
		text, err := packerSays(t, env, "validate", "-var", "release="+release, "images/rootfs")
		require.NoError(t, err, text)
	}

	text, err := packerSays(t, env, "fmt", "-check", "images/rootfs")
	require.NoError(t, err, text)
}

const wrongTemplate = `
data "hornero-image" "wrong" {
  digest = "abc"
  region = "New York"
}
source "hornero-droplet" "tiny" {
  role             = "tinny"
  release          = "debian-7"
  bootstrap_binary = "nothing"
  region           = "New York"
  size             = "big one"
  vpc_uuid         = "mine"
  droplet_name     = "under_score"
  snapshot_regions = ["Amsterdam"]
  tags             = ["two words"]
  snapshot_tags    = [""]
  user_data_file   = "/nowhere/x"
  ssh_key_ids      = ["me@home"]
  state_timeout    = "-5m"
  http_retry_max   = -1
  image_filter {
    name_regex = "("
    type       = "mine"
  }
}
build {
  sources = ["source.hornero-droplet.tiny"]
  provisioner "hornero-role" {
    role             = "tinny"
    bootstrap_binary = "nothing"
  }
  post-processor "hornero-prune" {
    keep = 0
  }
}
`

func TestPackerNamesEachWrongOption(t *testing.T) {
	env := append(
		packerEnvironment(t),
		"DIGITALOCEAN_ACCESS_TOKEN=",
		"DIGITALOCEAN_TOKEN=",
		"DIGITALOCEAN_API_URL=",
	)

	template := filepath.Join(t.TempDir(), "wrong.pkr.hcl")
	source := wrongTemplate[strings.Index(wrongTemplate, "source"):]
	writeFile(t, template, source)

	text, err := packerSays(t, env, "validate", template)
	require.Error(t, err)

	for _, option := range []string{
		"role", "release", "bootstrap_binary", "region", "size", "vpc_uuid", "droplet_name", "snapshot_regions",
		"tags", "snapshot_tags", "user_data_file", "ssh_key_ids", "state_timeout", "http_retry_max",
		"image_filter.name_regex", "image_filter.type", "api_token",
	} {
		require.Contains(t, text, " "+option+": wrong configuration: ", option)
	}

	require.Contains(t, text, "set DIGITALOCEAN_ACCESS_TOKEN or api_token")

	misspelt := strings.Replace(source, "region  ", "regoin = 1\n  sise = 2\n  region  ", 1)
	writeFile(t, template, misspelt)

	text, err = packerSays(t, env, "validate", template)
	require.Error(t, err)
	require.Contains(t, text, `An argument named "regoin" is not expected here`)
	require.Contains(t, text, `An argument named "sise" is not expected here`)

	writeFile(t, template, wrongTemplate)

	text, err = packerSays(t, env, "validate", "-evaluate-datasources", template)
	require.Error(t, err)

	for _, option := range []string{"digest", "region"} {
		require.Contains(t, text, option+": wrong configuration: ", option)
	}
}

func TestPackerTellsWhatToDoAboutARefusedToken(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusUnauthorized, "Unable to authenticate you")
	}))
	t.Cleanup(refusing.Close)
	made(t, "bin/hornero-bootstrap")

	env := append(
		packerEnvironment(t),
		"DIGITALOCEAN_ACCESS_TOKEN=stale",
		"DIGITALOCEAN_API_URL="+refusing.URL,
	)

	text, err := packerSays(t, env, "build", "-color=false", "-only=common.*", "images")
	require.Error(t, err)

	require.Contains(t,
		text,
		"the API refused the token: set DIGITALOCEAN_ACCESS_TOKEN or api_token to one that is valid",
	)

	require.NotContains(t, text, "stale")
}
