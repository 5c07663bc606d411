package builder_test

import (
	"debug/elf"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
)

func TestEachWrongOptionIsNamed(t *testing.T) {
	tests := map[string]struct {
		options object
		want    string
	}{
		"no token": {
			options: object{"api_token": ""},
			want:    "api_token: wrong configuration: no API token: set DIGITALOCEAN_ACCESS_TOKEN or api_token",
		},
		"plain http": {
			options: object{"api_url": "http://api.example.com"},
			want:    "api_url: wrong configuration",
		},
		"no such release": {
			options: object{"release": "debian-7"},
			want: `release: wrong configuration: unknown release "debian-7"; ` +
				`known are debian-9, debian-12, debian-13`,
		},
		"no such role": {
			options: object{"role": "tinny"},
			want:    "role: wrong configuration: read role tinny",
		},
		"no layer": {
			options: object{"layer": "tiny"},
			want:    "layer: wrong configuration: must be \"common\" or left out, got \"tiny\"",
		},
		"role from outside": {
			options: object{"role": "../tiny"},
			want:    "role: wrong configuration",
		},
		"no bootstrap": {
			options: object{"bootstrap_binary": ""},
			want:    "bootstrap_binary: wrong configuration: must name the hornero-bootstrap program",
		},
		"a script": {
			options: object{"bootstrap_binary": "config_test.go"},
			want:    "bootstrap_binary: wrong configuration: config_test.go: bad magic number",
		},
		"dynamic": {
			options: object{"bootstrap_binary": writeProgram(t, []elf.ProgType{elf.PT_INTERP})},
			want:    "is linked dynamically",
		},
		"other machine": {
			options: object{"bootstrap_binary": writeProgram(t, nil, elf.EM_AARCH64)},
			want:    "is for EM_AARCH64; Droplets want linux/amd64",
		},
		"tag": {
			options: object{"tags": []string{"two words"}},
			want:    "tags: wrong configuration",
		},
		"snapshot tag": {
			options: object{"snapshot_tags": []string{""}},
			want:    "snapshot_tags: wrong configuration",
		},
		"droplet name": {
			options: object{"droplet_name": "under_score"},
			want:    "droplet_name: wrong configuration",
		},
		"duration": {
			options: object{"state_timeout": "-5m"},
			want:    "state_timeout: wrong configuration",
		},
		"communicator": {
			options: object{"communicator": "none"},
			want:    `communicator: wrong configuration: must be "ssh", got "none"`,
		},
		"region": {
			options: object{"region": "New York"},
			want:    "region: wrong configuration: must be a slug",
		},
		"size": {
			options: object{"size": "big one"},
			want:    "size: wrong configuration: must be a slug",
		},
		"snapshot regions": {
			options: object{"snapshot_regions": []string{"nyc3", "New York"}},
			want: `snapshot_regions: wrong configuration: must be a slug, ` +
				`as in "nyc3" or "s-1vcpu-1gb", got "New York"`,
		},
		"vpc": {
			options: object{"vpc_uuid": "mine"},
			want:    "vpc_uuid: wrong configuration: must be a UUID",
		},
		"snapshot name": {
			options: object{"snapshot_name": "two\nlines"},
			want:    "snapshot_name: wrong configuration: must be one line",
		},
		"transfer timeout": {
			options: object{"transfer_timeout": "-1s"},
			want:    "transfer_timeout: wrong configuration",
		},
		"key": {
			options: object{"ssh_key_id": -1},
			want:    "ssh_key_id: wrong configuration",
		},
		"keys": {
			options: object{"ssh_key_ids": []string{"12", "me@home"}},
			want: `ssh_key_ids: wrong configuration: must be ids or MD5 fingerprints of keys of the account, ` +
				`got "me@home"`,
		},
		"retries": {
			options: object{"http_retry_max": -1},
			want:    "http_retry_max: wrong configuration: must be 0 or more, got -1",
		},
		"retry wait": {
			options: object{"http_retry_wait_min": -0.5},
			want:    "http_retry_wait_min: wrong configuration",
		},
		"retry waits": {
			options: object{"http_retry_wait_max": 0.1},
			want: "http_retry_wait_max: wrong configuration: must be at least http_retry_wait_min, 500ms, " +
				"got 100ms",
		},
		"no user-data file": {
			options: object{"user_data_file": "/nowhere/x"},
			want:    "user_data_file: wrong configuration: open /nowhere/x",
		},
		"two user-datas": {
			options: object{"user_data_file": "config_test.go", "user_data": "x"},
			want:    "user_data_file: wrong configuration: must not stand beside user_data",
		},
		"two images": {
			options: object{
				"image":        "debian-13-x64",
				"image_filter": object{"name": "x"},
			},
			want: "image_filter: wrong configuration: must not stand beside image",
		},
		"empty filter": {
			options: object{"image_filter": object{"most_recent": true}},
			want:    "image_filter: wrong configuration: must have a name, a name_regex or tags",
		},
		"filter's type": {
			options: object{"image_filter": object{"name": "x", "type": "mine"}},
			want:    "image_filter.type: wrong configuration",
		},
		"filter's regex": {
			options: object{"image_filter": object{"name_regex": "("}},
			want:    "image_filter.name_regex: wrong configuration: error parsing regexp",
		},
		"filter's tag": {
			options: object{"image_filter": object{"tags": []string{"two words"}}},
			want:    "image_filter.tags: wrong configuration",
		},
		"unknown option": {object{"regoin": "nyc3"}, "regoin"},
		"wrong type": {
			options: object{"tags": object{"a": "b"}},
			want:    "tags",
		},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := new(builder.Builder).Prepare(newCloud(t).options(t, test.options))
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestAllWrongOptionsAreToldInOneRun(t *testing.T) {
	_, _, err := new(builder.Builder).Prepare(newCloud(t).options(t, object{
		"api_token":        "",
		"release":          "x",
		"role":             "x",
		"bootstrap_binary": "x",
		"droplet_name":     "_",
		"regoin":           "x",
	}))

	for _, option := range []string{
		"regoin", "api_token:", "release:", "role:", "bootstrap_binary:", "droplet_name:",
	} {
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
