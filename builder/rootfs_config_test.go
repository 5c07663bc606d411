package builder_test

import (
	"io/fs"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
	"github.com/hornero/hornero/images"
)

// rootOptions is a configuration of hornero-rootfs with nothing wrong in it, that imports.
func rootOptions(t *testing.T, more object) object {
	t.Helper()

	options := object{
		"role":              "tiny",
		"roles_dir":         writeRoles(t),
		"bootstrap_binary":  writeProgram(t, nil),
		"records_dir":       t.TempDir(),
		"packer_build_name": "tiny",
		"api_url":           "http://127.0.0.1:1",
		"api_token":         "token",
		"space_name":        "bakery",
		"spaces_key":        "key",
		"spaces_secret":     "secret",
		"work_dir":          t.TempDir(),
	}

	for name, value := range more {
		options[name] = value
	}

	return options
}

func TestEachWrongOptionOfRootfsIsNamed(t *testing.T) {
	tests := map[string]struct {
		options object
		want    string
	}{
		"format": {
			options: object{"format": "vmdk"},
			want:    `format: wrong configuration: must be "raw" or "qcow2", got "vmdk"`,
		},
		"size in words": {
			options: object{"size": "large"},
			want:    `size: wrong configuration: must be a size from 64M to 100G such as "3G" or "2500M", got "large"`,
		},
		"size too small": {object{"size": "1M"}, "size: wrong configuration"},
		"size too large": {object{"size": "101G"}, "size: wrong configuration"},
		"layer": {
			options: object{"layer": "common"},
			want:    "layer: wrong configuration: there is none beneath",
		},
		"image": {
			options: object{"image": "debian-13-x64"},
			want:    "image: wrong configuration: there is none beneath",
		},
		"work folder": {
			options: object{"work_dir": "tmp"},
			want:    `work_dir: wrong configuration: must be an absolute path, got "tmp"`,
		},
		"source": {
			options: object{"sources": []string{"mirror.example.com trixie"}},
			want:    `sources: wrong configuration: must be lines of sources.list`,
		},
		"trusted": {
			options: object{"sources": []string{"deb [arch=amd64 trusted=yes] http://127.0.0.1/debian " +
				"trixie main"}},
			want: "sources: wrong configuration: signatures are always checked",
		},
		"two lines": {
			options: object{"sources": []string{"deb http://127.0.0.1/debian trixie main\ndeb [trusted=yes] " +
				"http://127.0.0.1/debian x main"}},
			want: `sources: wrong configuration: must be lines of sources.list`,
		},
		"insecure": {
			options: object{"sources": []string{"deb [allow-insecure=yes] http://127.0.0.1/debian trixie main"}},
			want:    "sources: wrong configuration: signatures are always checked",
		},
		"unauthenticated": {
			options: object{"apt_options": []string{`APT::Get::AllowUnauthenticated "true";`}},
			want:    "apt_options: wrong configuration: signatures are always checked",
		},
		"mirror": {
			options: object{"mirror": "http://127.0.0.1/debian"},
			want: `mirror: wrong configuration: is of a base image's sources; ` +
				`here say sources = ["deb http://127.0.0.1/debian SUITE COMPONENT..."]`,
		},
		"security mirror": {
			options: object{"mirror": "http://127.0.0.1/debian", "security_mirror": "http://127.0.0.1/security"},
			want:    "security_mirror: wrong configuration: is of a base image's sources",
		},
		"no such release": {
			options: object{"release": "debian-7"},
			want:    `release: wrong configuration: unknown release "debian-7"`,
		},
		"no such role": {object{"role": "tinny"}, "role: wrong configuration: read role tinny"},
		"no bootstrap": {
			options: object{"bootstrap_binary": ""},
			want:    "bootstrap_binary: wrong configuration",
		},
		"space": {
			options: object{"space_name": "Big Bucket"},
			want:    `space_name: wrong configuration: must be a Space's name, got "Big Bucket"`,
		},
		"no key": {
			options: object{"spaces_key": ""},
			want:    "spaces_key: wrong configuration: no key of Spaces: set DIGITALOCEAN_SPACES_ACCESS_KEY",
		},
		"no secret": {
			options: object{"spaces_secret": ""},
			want: "spaces_secret: wrong configuration: no secret of the Spaces key: set " +
				"DIGITALOCEAN_SPACES_SECRET_KEY",
		},
		"no token": {
			options: object{"api_token": ""},
			want:    "api_token: wrong configuration: no API token: set DIGITALOCEAN_ACCESS_TOKEN",
		},
		"plain http": {
			options: object{"api_url": "http://api.example.com"},
			want:    "api_url: wrong configuration",
		},
		"no retries": {
			options: object{"http_retry_max": -1},
			want:    "http_retry_max: wrong configuration: must be 0 or more, got -1",
		},
		"spaces region": {
			options: object{"spaces_region": "New York"},
			want:    "spaces_region, image_regions: wrong configuration",
		},
		"image region": {
			options: object{"image_regions": []string{"nyc3", "../.."}},
			want:    `got "../.."`,
		},
		"spaces address": {
			options: object{"spaces_url": "ftp://127.0.0.1"},
			want:    "spaces_url: wrong configuration",
		},
		"with bucket": {
			options: object{"spaces_url": "http://127.0.0.1:9/bakery"},
			want:    "spaces_url: wrong configuration",
		},
		"tag": {
			options: object{"image_tags": []string{"two words"}},
			want:    "image_tags: wrong configuration",
		},
		"duration":       {object{"import_timeout": "-5m"}, "import_timeout: wrong configuration"},
		"unknown option": {object{"space_nmae": "bakery"}, "space_nmae"},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := new(builder.RootfsBuilder).Prepare(rootOptions(t, test.options))
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestAllWrongOptionsOfRootfsAreToldInOneRun(t *testing.T) {
	_, _, err := new(builder.RootfsBuilder).Prepare(rootOptions(t, object{
		"format":     "x",
		"size":       "x",
		"role":       "x",
		"spaces_key": "",
		"release":    "x",
	}))

	for _, option := range []string{"format:", "size:", "role:", "spaces_key:", "release:"} {
		require.ErrorContains(t, err, option)
	}

	require.ErrorIs(t, err, builder.ErrConfig)
}

// A disk that goes nowhere needs neither token nor key.
func TestADiskAloneNeedsNoCloud(t *testing.T) {
	variables, _, err := new(builder.RootfsBuilder).Prepare(rootOptions(t, object{
		"space_name":    "",
		"api_token":     "",
		"spaces_key":    "",
		"spaces_secret": "",
	}))
	require.NoError(t, err)
	require.Equal(t, []string{"HorneroDigest", "HorneroBase"}, variables)
}

func TestSourcesMayHaveOptions(t *testing.T) {
	_, _, err := new(builder.RootfsBuilder).Prepare(rootOptions(t, object{"sources": []string{
		"deb [arch=amd64 signed-by=/usr/share/keyrings/trusted=.gpg] http://127.0.0.1/trusted=yes trixie main"}}))
	require.NoError(t, err)
}

func TestEveryReleaseCanBeMadeFromNothing(t *testing.T) {
	for _, release := range builder.Releases() {
		_, _, err := new(builder.RootfsBuilder).Prepare(rootOptions(t, object{"release": release}))
		require.NoError(t, err, release)
	}
}

func TestKeysOfSpacesComeFromTheEnvironment(t *testing.T) {
	options := rootOptions(t, nil)
	for _, name := range []string{"spaces_key", "spaces_secret", "api_token"} {
		delete(options, name)
	}

	t.Setenv("DIGITALOCEAN_SPACES_ACCESS_KEY", "key")
	t.Setenv("DIGITALOCEAN_SPACES_SECRET_KEY", "secret")
	t.Setenv("DIGITALOCEAN_ACCESS_TOKEN", "token")

	_, _, err := new(builder.RootfsBuilder).Prepare(options)
	require.NoError(t, err)
}

func TestTheRootfsTemplateNamesOptionsThatExist(t *testing.T) {
	text, err := fs.ReadFile(images.FS(), "rootfs/rootfs.pkr.hcl")
	require.NoError(t, err)

	require.Equal(t,
		string(hclwrite.Format(text)),
		string(text),
		"packer fmt would change it",
	)

	file, problems := hclsyntax.ParseConfig(text, "rootfs.pkr.hcl", hcl.InitialPos)
	require.False(t, problems.HasErrors(), problems.Error())

	for _, block := range file.Body.(*hclsyntax.Body).Blocks {
		if block.Type != "source" {
			continue
		}

		for name := range block.Body.Attributes {
			require.Contains(t, new(builder.RootfsBuilder).ConfigSpec(), name)
		}
	}
}
