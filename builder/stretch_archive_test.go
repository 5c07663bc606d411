package builder_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The archive of Debian 9 cannot be reached from here. This one is made in its likeness: the suites stretch and
// stretch/updates, a Release that expired long ago beside its detached signature and no InRelease, Debian 9's
// package names and versions, and packages that apt and dpkg take for real. What is in them is not Debian's.

// stretchVersions are the last versions known of Debian 9; the packages of the manifests that are not here have
// version "9".
var stretchVersions = map[string]string{
	"mariadb-server":    "10.1.48-0+deb9u2",
	"galera-3":          "25.3.19-2",
	"haproxy":           "1.7.5-2+deb9u1",
	"nginx-light":       "1.10.3-1+deb9u5",
	"php-fpm":           "1:7.0+49",
	"php7.0-fpm":        "7.0.33-0+deb9u12",
	"wordpress":         "4.7.23+dfsg-0+deb9u1",
	"cloud-init":        "0.7.9-2+deb9u1",
	"socat":             "1.7.3.1-2+deb9u1",
	"linux-image-amd64": "4.9+80+deb9u17",
}

// deb is a package of the archive.
type deb struct {
	name, version, depends string
	files                  map[string]string // programs: mode 0755
}

// stretchArchive is a folder that holds the archive, and the key that signs it.
type stretchArchive struct {
	*testing.T
	dir     string // "debian" and "debian-security" are below it
	keyring string
	home    string // gpg's
}

func newStretchArchive(t *testing.T, packages ...deb) *stretchArchive {
	t.Helper()

	a := &stretchArchive{
		T:   t,
		dir: t.TempDir(),
	}

	a.home, a.keyring = newKey(t, "archive")
	a.publish("debian/dists/stretch", "stretch", "main", packages)
	a.publish("debian-security/dists/stretch/updates", "stretch", "updates/main", nil)

	return a
}

// newKey makes a signing key, and the keyring that an apt would trust it by.
func newKey(t *testing.T, name string) (home, keyring string) {
	t.Helper()
	home, err := os.MkdirTemp("", "gpg-") // gpg's agent listens here: a path that is short enough for a socket
	require.NoError(t, err)

	t.Cleanup(func() {
		// its folder goes in any case
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		require.NoError(t, os.RemoveAll(home))
	})

	gpg(t, home, "--quick-gen-key", name+" <"+name+"@example.org>", "ed25519", "sign", "never")

	keyring = filepath.Join(t.TempDir(), name+".gpg")
	require.NoError(t, os.WriteFile(keyring, gpg(t, home, "--export"), 0o644))

	return home, keyring
}

func gpg(t *testing.T, home string, args ...string) []byte {
	t.Helper()

	quietly := []string{
		"--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase",
		"",
	}
	command := exec.Command("gpg", append(quietly, args...)...)
	var said bytes.Buffer
	command.Stderr = &said
	out, err := command.Output()
	require.NoError(t, err, said.String())

	return out
}

// publish builds the packages and writes one suite's lists, Release and signature.
func (a *stretchArchive) publish(suite, codename, component string, packages []deb) {
	a.Helper()
	root, _, _ := strings.Cut(suite, "/")
	var index strings.Builder

	for _, item := range packages {
		index.WriteString(a.build(root, item))
	}

	// The component is "updates/main" in the security suite's Release, but its lists lie under main.
	where := filepath.Join(filepath.Base(component), "binary-amd64")
	lists := map[string]string{
		where + "/Packages":    index.String(),
		where + "/Packages.gz": zipped(a.T, index.String()),
	}

	var sums strings.Builder

	for _, name := range slices.Sorted(maps.Keys(lists)) {
		writeFile(a.T, filepath.Join(a.dir, suite, name), lists[name])

		fmt.Fprintf(
			&sums,
			" %x %d %s\n",
			sha256.Sum256([]byte(lists[name])),
			len(lists[name]),
			name,
		)
	}

	date := time.Date(2020, time.July, 18, 9, 0, 0, 0, time.UTC)
	expires := date.AddDate(0, 0, 7)
	a.write(suite, fmt.Sprintf("Origin: Debian\nLabel: Debian\nSuite: oldoldstable\nVersion: 9.13\n"+
		"Codename: %s\nDate: %s\nValid-Until: %s\nArchitectures: amd64\nComponents: %s\nSHA256:\n%s",
		codename, date.Format(time.RFC1123), expires.Format(time.RFC1123), component, sums.String()))
	a.sign(suite, a.home)
}

func (a *stretchArchive) write(suite, release string) {
	a.Helper()
	writeFile(a.T, filepath.Join(a.dir, suite, "Release"), release)
}

func (a *stretchArchive) sign(suite, home string) {
	a.Helper()

	release := filepath.Join(a.dir, suite, "Release")
	signature := gpg(a.T, home, "--armor", "--detach-sign", "--output", "-", release)
	writeFile(a.T, release+".gpg", string(signature))
}

// build makes one package and returns its part of the list.
func (a *stretchArchive) build(root string, item deb) string {
	a.Helper()
	tree := filepath.Join(a.TempDir(), item.name)

	control := fmt.Sprintf(
		"Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: Test <test@example.org>\nSection: "+
			"admin\nPriority: optional\n",
		item.name,
		item.version,
	)
	if item.depends != "" {
		control += "Depends: " + item.depends + "\n"
	}

	control += "Description: stands in for " + item.name + " of Debian 9\n"
	writeFile(a.T, filepath.Join(tree, "DEBIAN/control"), control)

	for path, text := range item.files {
		writeFile(a.T, filepath.Join(tree, path), text)
		require.NoError(a.T, os.Chmod(filepath.Join(tree, path), 0o755))
	}

	_, version, _ := strings.Cut(":"+item.version, ":")
	name := fmt.Sprintf("pool/%s_%s_amd64.deb", item.name, strings.TrimPrefix(version, ":"))
	path := filepath.Join(a.dir, root, name)
	require.NoError(a.T, os.MkdirAll(filepath.Dir(path), 0o755))

	// stretch's dpkg knows gzip
	pack := []string{"--root-owner-group", "-Zgzip", "-z1", "--build", tree, path}
	out, err := exec.Command("dpkg-deb", pack...).CombinedOutput()
	require.NoError(a.T, err, string(out))

	data, err := os.ReadFile(path)
	require.NoError(a.T, err)

	return fmt.Sprintf(
		"%sFilename: %s\nSize: %d\nSHA256: %x\n\n",
		control,
		name,
		len(data),
		sha256.Sum256(data),
	)
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	_, err := writer.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, writer.Close())

	return out.String()
}

// standIns are packages of these names at Debian 9's versions, with what they need in between.
func standIns(names []string) []deb {
	var list []deb
	for _, name := range names {
		item := deb{name: name, version: "9"}
		if version, known := stretchVersions[name]; known {
			item.version = version
		}

		list = append(list, item)
	}

	return list
}
