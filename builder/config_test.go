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
		"region":            {object{"region": "New York"}, "region: wrong configuration: must be a slug"},
		"size":              {object{"size": "big one"}, "size: wrong configuration: must be a slug"},
		"snapshot regions":  {object{"snapshot_regions": []string{"nyc3", "New York"}}, `snapshot_regions: wrong configuration: must be a slug, as in "nyc3" or "s-1vcpu-1gb", got "New York"`},
		"vpc":               {object{"vpc_uuid": "mine"}, "vpc_uuid: wrong configuration: must be a UUID"},
		"snapshot name":     {object{"snapshot_name": "two\nlines"}, "snapshot_name: wrong configuration: must be one line"},
		"transfer timeout":  {object{"transfer_timeout": "-1s"}, "transfer_timeout: wrong configuration"},
		"key":               {object{"ssh_key_id": -1}, "ssh_key_id: wrong configuration"},
		"keys":              {object{"ssh_key_ids": []string{"12", "me@home"}}, `ssh_key_ids: wrong configuration: must be ids or MD5 fingerprints of keys of the account, got "me@home"`},
		"retries":           {object{"http_retry_max": -1}, "http_retry_max: wrong configuration: must be 0 or more, got -1"},
		"retry wait":        {object{"http_retry_wait_min": -0.5}, "http_retry_wait_min: wrong configuration"},
		"retry waits":       {object{"http_retry_wait_max": 0.1}, "http_retry_wait_max: wrong configuration: must be at least http_retry_wait_min, 500ms, got 100ms"},
		"no user-data file": {object{"user_data_file": "/nowhere/x"}, "user_data_file: wrong configuration: open /nowhere/x"},
		"two user-datas":    {object{"user_data_file": "config_test.go", "user_data": "x"}, "user_data_file: wrong configuration: must not stand beside user_data"},
		"two images":        {object{"image": "debian-13-x64", "image_filter": object{"name": "x"}}, "image_filter: wrong configuration: must not stand beside image"},
		"empty filter":      {object{"image_filter": object{"most_recent": true}}, "image_filter: wrong configuration: must have a name, a name_regex or tags"},
		"filter's type":     {object{"image_filter": object{"name": "x", "type": "mine"}}, "image_filter.type: wrong configuration"},
		"filter's regex":    {object{"image_filter": object{"name_regex": "("}}, "image_filter.name_regex: wrong configuration: error parsing regexp"},
		"filter's tag":      {object{"image_filter": object{"tags": []string{"two words"}}}, "image_filter.tags: wrong configuration"},
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
	_, _, err := new(builder.Builder).Prepare(newCloud(t).options(t, object{"api_token": "", "release": "x", "role": "x", "bootstrap_binary": "x", "droplet_name": "_", "regoin": "x"}))
	for _, option := range []string{"regoin", "api_token:", "release:", "role:", "bootstrap_binary:", "droplet_name:"} {
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
