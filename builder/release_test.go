package builder_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
	"github.com/hornero/hornero/internal/report"
)

func TestReleasesAreReadable(t *testing.T) {
	require.Equal(t, []string{"debian-9", "debian-12", "debian-13"}, builder.Releases())

	for _, name := range builder.Releases() {
		release, err := builder.LoadRelease(name)
		require.NoError(t, err)
		require.Equal(t, name == "debian-9", release.Base == "", "DigitalOcean has no Debian 9")
		require.Equal(t, name == "debian-9", release.Archive.Expired)

		for _, needed := range []string{"cloud-init", "openssh-server", "grub-pc-bin", "systemd-sysv"} {
			require.Contains(t, release.BootPackages, needed)
		}

		require.True(t, slices.ContainsFunc(release.BootPackages, func(name string) bool {
			return strings.HasPrefix(name, "linux-image-")
		}))
	}

	_, err := builder.LoadRelease("debian-8")
	require.EqualError(t,
		err,
		`unknown release "debian-8"; known are debian-9, debian-12, debian-13`,
	)
}

// The release file cannot name an image that is not there; the person who bakes is told what to do.
func TestARecipeNeedsABaseImage(t *testing.T) {
	config := builder.RecipeConfig{
		Role:            "tiny",
		Release:         "debian-9",
		RolesDir:        writeRoles(t),
		BootstrapBinary: writeProgram(t, nil),
	}

	_, err := config.Load()
	require.ErrorIs(t, err, builder.ErrConfig)
	require.ErrorContains(t, err, "image: ")
	require.ErrorContains(t, err, "IMAGE=123456 RELEASE=debian-9 make images")

	config.Image = "4711"
	require.Equal(t, "4711", load(t, config).Base)
}

const goodRelease = `name: debian-9
suite: stretch
components: [main, contrib]
security_suite: stretch/updates
keyring: /usr/share/keyrings/old.gpg
archive: {expired: true}
boot_packages: [linux-image-amd64]
`

func TestAReleaseIsReadStrictly(t *testing.T) {
	release, err := builder.ParseRelease("releases/debian-9.yaml", []byte(goodRelease))
	require.NoError(t, err)

	require.Equal(t, builder.Release{
		Name:          "debian-9",
		Suite:         "stretch",
		Components:    []string{"main", "contrib"},
		SecuritySuite: "stretch/updates",
		Keyring:       "/usr/share/keyrings/old.gpg",
		Archive:       builder.Archive{Expired: true},
		BootPackages:  []string{"linux-image-amd64"},
	}, release)

	text := "name: debian-8\nsuit: stretch\ncomponents: [main, Main, main]\nsecurity_suite: //x\nkeyring: " +
		"keys.gpg\narchive: {expired: perhaps}\n" +
		"base: Debian 9\nboot_packages: []\next4_features: [\"^has journal\"]\n"
	_, err = builder.ParseRelease("releases/debian-9.yaml", []byte(text))
	problems, ok := report.Of(err)
	require.True(t, ok)

	for _, want := range []string{
		`releases/debian-9.yaml:1:7: error: name: must be the file's name, "debian-9", got "debian-8"`,
		`releases/debian-9.yaml:2:1: error: suit: unknown key`,
		`error: suite: must be a suite's name`,
		`releases/debian-9.yaml:3:20: error: components[1]: must be a component, as in "main", got "Main"`,
		`releases/debian-9.yaml:3:26: error: components[2]: "main" is named twice`,
		`releases/debian-9.yaml:4:17: error: security_suite: `,
		`releases/debian-9.yaml:5:10: error: keyring: `,
		`releases/debian-9.yaml:6:20: error: archive.expired: `,
		`releases/debian-9.yaml:7:7: error: base: `,
		`releases/debian-9.yaml:8:16: error: boot_packages: `,
		`releases/debian-9.yaml:9:17: error: ext4_features[0]: `,
	} {
		require.ErrorContains(t, err, want)
	}

	require.Len(t, problems, 11)
}
