package builder_test

import (
	"debug/elf"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
)

func TestEachWrongOptionIsNamed(t *testing.T) {
	for name, test := range map[string]struct {
		options object
		want    string
	}{
		"no token":          {object{"api_token": ""}, "api_token: wrong configuration: no API token: set DIGITALOCEAN_ACCESS_TOKEN or api_token"},
		"plain http":        {object{"api_url": "http://api.example.com"}, "api_url: wrong configuration"},
		"no such release":   {object{"release": "debian-7"}, `release: wrong configuration: unknown release "debian-7"; known are debian-9, debian-12, debian-13`},
		"no such role":      {object{"role": "tinny"}, "role: wrong configuration: read role tinny"},
		"no layer":          {object{"layer": "tiny"}, "layer: wrong configuration: must be \"common\" or left out, got \"tiny\""},
		"role from outside": {object{"role": "../tiny"}, "role: wrong configuration"},
		"no bootstrap":      {object{"bootstrap_binary": ""}, "bootstrap_binary: wrong configuration: must name the hornero-bootstrap program"},
		"a script":          {object{"bootstrap_binary": "config_test.go"}, "bootstrap_binary: wrong configuration: config_test.go: bad magic number"},
		"dynamic":           {object{"bootstrap_binary": writeProgram(t, []elf.ProgType{elf.PT_INTERP})}, "is linked dynamically"},
		"other machine":     {object{"bootstrap_binary": writeProgram(t, nil, elf.EM_AARCH64)}, "is for EM_AARCH64; Droplets want linux/amd64"},
		"tag":               {object{"tags": []string{"two words"}}, "tags: wrong configuration"},
		"snapshot tag":      {object{"snapshot_tags": []string{""}}, "snapshot_tags: wrong configuration"},
		"droplet name":      {object{"droplet_name": "under_score"}, "droplet_name: wrong configuration"},
		"duration":          {object{"state_timeout": "-5m"}, "state_timeout: wrong configuration"},
		"communicator":      {object{"communicator": "none"}, `communicator: wrong configuration: must be "ssh", got "none"`},
		"unknown option":    {object{"regoin": "nyc3"}, "regoin"},
		"wrong type":        {object{"tags": object{"a": "b"}}, "tags"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := new(builder.Builder).Prepare(newCloud(t).options(t, test.options))
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestAllWrongOptionsAreToldInOneRun(t *testing.T) {
	_, _, err := new(builder.Builder).Prepare(newCloud(t).options(t, object{"api_token": "", "release": "x", "role": "x", "bootstrap_binary": "x", "droplet_name": "_"}))
	for _, option := range []string{"api_token:", "release:", "role:", "bootstrap_binary:", "droplet_name:"} {
		require.ErrorContains(t, err, option)
	}
	require.ErrorIs(t, err, builder.ErrConfig)
}

func TestTokenComesFromTheEnvironment(t *testing.T) {
	options := newCloud(t).options(t, nil)
	delete(options, "api_token")
	t.Setenv("DIGITALOCEAN_TOKEN", "from the environment")
	_, _, err := new(builder.Builder).Prepare(options)
	require.NoError(t, err)
}
