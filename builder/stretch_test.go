package builder_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
)

// apt is a private apt: its own sources, lists, keys and idea of what is installed, which is nothing.
type apt struct {
	*testing.T
	options []string
	config  string // instead of this machine's, which may have rules of its own
}

// newApt sets one up as the release file says, for an archive at this address.
func newApt(t *testing.T, release builder.Release, address, keyring, preferences string) apt {
	t.Helper()
	dir := t.TempDir()

	for _, folder := range []string{
		"etc/apt/preferences.d",
		"state/lists/partial",
		"cache/archives/partial",
		"etc/apt/trusted.gpg.d",
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, folder), 0o755))
	}

	mirrors := builder.Mirrors{
		Main:     address + "/debian",
		Security: address + "/debian-security",
	}

	writeFile(t, filepath.Join(dir, "etc/apt/sources.list"), release.Sources(mirrors, keyring))
	writeFile(t, filepath.Join(dir, "etc/apt/preferences"), preferences)
	writeFile(t, filepath.Join(dir, "status"), "")

	a := apt{
		T:      t,
		config: filepath.Join(dir, "apt.conf"),
	}
	writeFile(t, a.config, "Dir::Etc::main \"/dev/null\";\nDir::Etc::parts \"/dev/null\";\n")

	for _, option := range append(
		release.AptOptions(),
		"Dir::Etc="+dir+"/etc/apt",
		"Dir::State="+dir+"/state",
		"Dir::State::status="+dir+"/status",
		"Dir::Cache="+dir+"/cache",
		"Dir::Log="+dir,
		"APT::Architecture=amd64",
		"APT::Architectures=amd64",
		"APT::Sandbox::User=",
		"Acquire::http::Proxy=false",
		"Acquire::Retries=0",
		"APT::Install-Recommends=false",
		"APT::Update::Error-Mode=any",
		"Debug::NoLocking=true",
	) {
		a.options = append(a.options, "-o", option)
	}

	return a
}

func (a apt) run(args ...string) (string, error) {
	a.Helper()
	command := exec.Command("apt-get", append(a.options, args...)...)
	command.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "APT_CONFIG="+a.config)
	command.Dir = a.TempDir()
	out, err := command.CombinedOutput()

	return string(out), err
}

func (a apt) ok(args ...string) string {
	a.Helper()
	out, err := a.run(args...)
	require.NoError(a, err, out)

	return out
}

func (a *stretchArchive) serve() string {
	server := httptest.NewServer(http.FileServer(http.Dir(a.dir)))
	a.Cleanup(server.Close)
	return server.URL
}

// stretchRecipe is what a bake of a role on Debian 9 sends to the machine.
func stretchRecipe(t *testing.T, role string) (packages []string, preferences string) {
	t.Helper()

	recipe := load(t, builder.RecipeConfig{
		Role:            role,
		Release:         "debian-9",
		Image:           "4711",
		BootstrapBinary: writeProgram(t, nil),
	})

	sent := applied(t, object{
		"role":      role,
		"roles_dir": "../roles",
		"release":   "debian-9",
		"image":     "4711",
	})

	require.Equal(t,
		"Acquire::Check-Valid-Until=false",
		slices.MaxFunc(strings.Fields(sent.files["apt-options"]), strings.Compare),
	)

	require.Empty(t,
		sent.files["sources.list"],
		"without a mirror, the image's own sources are used",
	)

	return recipe.Packages(), sent.files["preferences"]
}

func loadStretch(t *testing.T) builder.Release {
	t.Helper()
	release, err := builder.LoadRelease("debian-9")
	require.NoError(t, err)

	return release
}

// The packages of every role, and those that make a disk boot, come from the archive at Debian 9's versions; a
// security update goes before the release; a package that must not be drawn in is not, although it is the first
// alternative.
func TestDebian9sPackagesComeFromItsArchive(t *testing.T) {
	release := loadStretch(t)
	wanted := map[string]bool{}
	var preferences string

	for _, role := range []string{"db", "proxy", "web"} {
		packages, pinned := stretchRecipe(t, role)
		for _, name := range append(packages, release.BootPackages...) {
			wanted[name] = true
		}

		preferences += pinned
	}

	names := slices.Sorted(maps.Keys(wanted))
	packages := standIns(names)
	for i := range packages {
		if packages[i].name == "php-fpm" {
			packages[i].depends = "libapache2-mod-php7.0 | php7.0-fpm"
		}
	}

	packages = append(packages, standIns([]string{"libapache2-mod-php7.0", "php7.0-fpm"})...)
	archive := newStretchArchive(t, packages...)
	archive.publish(
		"debian-security/dists/stretch/updates",
		"stretch",
		"updates/main",
		[]deb{{name: "openssh-server", version: "9+deb9u1"}},
	)

	a := newApt(t, release, archive.serve(), archive.keyring, preferences)
	a.ok("update")

	simulated := a.ok(append([]string{"--simulate", "install"}, names...)...)

	for _, name := range names {
		version := "9"

		if known, ok := stretchVersions[name]; ok {
			version = known
		}
		if name == "openssh-server" {
			version = "9+deb9u1"
		}

		require.Contains(t, simulated, fmt.Sprintf("Inst %s (%s ", name, version))
	}

	require.Contains(t, simulated, "Inst php7.0-fpm (7.0.33-0+deb9u12 ")
	require.NotContains(t, simulated, "libapache2-mod-php7.0")

	// fetched, and held to the signed sums
	a.ok("--download-only", "-y", "install", "haproxy", "mariadb-server")
}

// An archive that nobody renews is taken by the release file's rule only, and by no rule without a good signature.
func TestDebian9sArchiveIsExpiredAndSigned(t *testing.T) {
	release, suite := loadStretch(t), "debian/dists/stretch"
	archive := newStretchArchive(t, standIns([]string{"haproxy"})...)
	address := archive.serve()
	stranger, strangers := newKey(t, "stranger")
	update := func(release builder.Release, keyring string) (string, error) {
		return newApt(t, release, address, keyring, "").run("update")
	}
	out, err := update(release, archive.keyring)
	require.NoError(t, err, out)
	require.NotContains(t, out, "InRelease [", "there is none")

	today := release
	today.Archive.Expired = false
	out, err = update(today, archive.keyring)
	require.Error(t, err)
	require.Contains(t, out, "Release file for "+address+"/debian/dists/stretch/Release is expired")

	out, err = update(release, strangers)
	require.Error(t, err, "the machine trusts another key")
	require.Regexp(t, "NO_PUBKEY|[Mm]issing key", out)

	archive.sign(suite, stranger)

	out, err = update(release, archive.keyring)
	require.Error(t, err, "another key signed")
	require.Regexp(t, "NO_PUBKEY|[Mm]issing key", out)

	require.NoError(t, os.Remove(filepath.Join(archive.dir, suite, "Release.gpg")))

	out, err = update(release, archive.keyring)
	require.Error(t, err, "nobody signed")
	require.Regexp(t, "is not signed", out)

	archive.sign(suite, archive.home)

	writeFile(t,
		filepath.Join(archive.dir, suite, "main/binary-amd64/Packages.gz"),
		zipped(t, "Package: haproxy\nVersion: 666\n"),
	)

	writeFile(t,
		filepath.Join(archive.dir, suite, "main/binary-amd64/Packages"),
		"Package: haproxy\nVersion: 666\n",
	)

	out, err = update(release, archive.keyring)
	require.Error(t, err, "the list is not the one that was signed")
	require.Regexp(t, "unexpected size|Hash Sum mismatch", out)
}

// Debian 9's own keys expired in 2025. An archive that a key signed while it was good is refused once the key
// is not, and taken when a second key, which still is, signed, too.
func TestAnExpiredKeyAloneIsRefused(t *testing.T) {
	release, suite := loadStretch(t), "debian/dists/stretch"
	archive := newStretchArchive(t, standIns([]string{"haproxy"})...)
	address := archive.serve()

	old := func(args ...string) []byte {
		return gpg(t,
			archive.home,
			append([]string{"--faked-system-time", "20200718T100000!"}, args...)...,
		)
	}
	old("--quick-gen-key", "old <old@example.org>", "ed25519", "sign", "1y")
	old("--quick-gen-key", "young <young@example.org>", "ed25519", "sign", "never")

	both := filepath.Join(t.TempDir(), "both.gpg")
	require.NoError(t, os.WriteFile(both, old("--export"), 0o644))

	file := filepath.Join(archive.dir, suite, "Release")
	writeFile(t,
		file+".gpg",
		string(old(
			"--armor",
			"--local-user",
			"old@example.org",
			"--detach-sign",
			"--output",
			"-",
			file,
		)),
	)

	out, err := newApt(t, release, address, both, "").run("update")
	require.Error(t, err, out)
	require.Regexp(t, "EXPKEYSIG|[Ee]xpired", out)

	writeFile(t,
		file+".gpg",
		string(old(
			"--armor",
			"--local-user",
			"old@example.org",
			"--local-user",
			"young@example.org",
			"--detach-sign",
			"--output",
			"-",
			file,
		)),
	)

	newApt(t, release, address, both, "").ok("update")
}

// What a release does not need is no empty command, which a shell would not take; what it needs is one that a
// shell can read.
func TestBakeCommandsOfEveryReleaseAreShell(t *testing.T) {
	for _, release := range builder.Releases() {
		for _, role := range []string{"db", "proxy", "web"} {
			sent := applied(t, object{
				"role":      role,
				"roles_dir": "../roles",
				"release":   release,
				"image":     "4711",
			})

			path := filepath.Join(t.TempDir(), "commands.sh")
			writeFile(t, path, sent.files["commands.sh"])

			out, err := exec.Command("sh", "-n", path).CombinedOutput()
			require.NoError(t, err, "%s on %s: %s", role, release, out)

			require.Equal(t,
				release == "debian-9" && role == "db",
				strings.Contains(sent.files["commands.sh"], "ln -sf mysqld"),
			)
		}
	}
}

func TestSourcesAreWrittenFromTheReleaseFile(t *testing.T) {
	mirrors := builder.Mirrors{Main: "http://mirror.example/debian", Security: "http://mirror.example/debian-security"}
	require.Equal(t, "deb [signed-by=/k.gpg] http://mirror.example/debian stretch main\ndeb [signed-by=/k.gpg] "+
		"http://mirror.example/debian-security stretch/updates main\n",
		loadStretch(t).Sources(mirrors, "/k.gpg"))

	release, err := builder.LoadRelease("debian-13")
	require.NoError(t, err)
	require.Equal(t, "deb http://mirror.example/debian trixie main\ndeb http://mirror.example/debian "+
		"trixie-updates main\ndeb http://mirror.example/debian-security trixie-security main\n",
		release.Sources(mirrors, ""))
	require.NotContains(t, release.AptOptions(), "Acquire::Check-Valid-Until=false")

	for _, name := range builder.Releases() {
		release, err := builder.LoadRelease(name)
		require.NoError(t, err)
		require.Contains(t, release.AptOptions(), "APT::Get::AllowUnauthenticated=false")
		require.Contains(t, release.AptOptions(), "Acquire::AllowInsecureRepositories=false")
	}
}

func TestAMirrorIsOfTheBakeOnly(t *testing.T) {
	config := builder.RecipeConfig{
		Role:            "tiny",
		Release:         "debian-13",
		RolesDir:        writeRoles(t),
		BootstrapBinary: writeProgram(t, nil),
	}

	plain := load(t, config)
	config.Mirror, config.SecurityMirror = "http://mirror.example/debian", "file:/srv/security"
	require.Equal(t, plain.Digest, load(t, config).Digest)

	for mirror, security := range map[string]string{
		"mirror.example/debian": "",
		"http://a b/":           "",
		"":                      "http://mirror.example/security",
	} {
		config.Mirror, config.SecurityMirror = mirror, security
		_, err := config.Load()
		require.ErrorIs(t, err, builder.ErrConfig)
		require.ErrorContains(t, err, "mirror: ")
	}

	sent := applied(t, object{"mirror": "http://mirror.example/debian"})
	require.Equal(t,
		"deb http://mirror.example/debian trixie main\ndeb http://mirror.example/debian trixie-updates main\n",
		sent.files["sources.list"],
	)
}
