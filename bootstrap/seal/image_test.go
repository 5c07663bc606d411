package seal_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/seal"
	"github.com/hornero/hornero/internal/record"
)

const (
	commonManifest = `version: 1
name: common
summary: all
abstract: true
packages: {all: [openssh-server]}
ports: [{port: 22, name: ssh, from: [operator]}]
`
	shopManifest = `version: 1
name: shop
summary: sells
peers: client
packages: {all: [shopd], debian-13: [libstdc++6]}
excluded: {all: [apache2]}
variables: {all: {unit: shopd.service}}
files: [{source: motd, path: /etc/motd, mode: "0640", owner: "%s", check: [grep, -q, welcome, "{file}"]}]
templates:
  - {source: shop.conf, path: /etc/shop/shop.conf, check: [grep, -q, listen, "{file}"], reload: [shopd.service]}
services: [{unit: '{{var "unit"}}'}]
ports: [{port: 8080, name: http, from: [load_balancer]}]
secrets: {shop.password: {}}
settings: {limit: {type: number, sample: "12"}, title: {type: text, required: true}}
watches: {store: db}
serves: [{name: http, port: 8080, url: 'http://{{.Address}}:8080/', health: {path: /health}}]
includes: [greeting]
`
	greetingManifest = `version: 1
name: greeting
summary: says hello
abstract: true
templates: [{source: greeting.conf, path: /etc/shop/greeting.conf, check: [grep, -q, hello, "{file}"]}]
settings: {greeting: {type: text, default: hello}}
`
	shopConf = `listen {{.Address}}
limit {{setting "limit"}} of {{setting "title"}}
password {{secret "shop.password"}}
{{range slots "store"}}peer {{.Name}}
{{end}}{{pki "key"}}`
	shopUnit = `[Service]
ExecStartPre=-/usr/sbin/shopd --check
ExecStart=/usr/sbin/shopd --conf "/etc/shop/shop.conf"
ExecReload=/bin/kill -HUP $MAINPID
`
)

// installed is a package's paragraph in dpkg's status.
func installed(name, version, status string) string {
	return fmt.Sprintf(`Package: %s
Status: %s
Maintainer: Debian
Architecture: amd64
Source: src-%s (1.0)
Version: %s
Description: x

`, name, status, name, version)
}

// root is a folder that looks like a baked and sealed image.
type root struct {
	*testing.T
	dir string
}

func newRoot(t *testing.T) root {
	r := root{t, t.TempDir()}
	me, err := user.Current()
	require.NoError(t, err)

	group, err := user.LookupGroupId(me.Gid)
	require.NoError(t, err)

	for path, text := range map[string]string{
		"/usr/lib/hornero/roles/common/role.yaml": commonManifest,
		"/usr/lib/hornero/roles/shop/role.yaml":   fmt.Sprintf(shopManifest, me.Username+":"+group.Name),
		"/usr/lib/hornero/roles/shop/motd":        "welcome\n",
		greetingRole:                              greetingManifest,
		greetingTemplate:                          "{{setting \"greeting\"}}\n",
		"/usr/lib/hornero/roles/shop/shop.conf":   shopConf,
		"/etc/motd":                               "welcome\n",
		"/etc/machine-id":                         "",
		"/etc/shadow":                             "root:*:1::::::\nnobody:!:1::::::\n",
		"/usr/bin/hornero-bootstrap":              "a program",
		"/usr/sbin/shopd":                         "another program",
		"/bin/kill":                               "a third",
		"/usr/lib/systemd/system/shopd.service":   shopUnit,
		"/usr/share/doc/key.txt":                  "-----BEGIN PRIVATE KEY-----\n", // a package's example
		"/proc/net/tcp": listening("00000000:0016", "0A", "1") +
			listening("0100007F:0CEA", "0A", "2") +
			listening("0501A8C0:9C40", "01", "3"),
		"/proc/net/udp": listening("00000000:0044", "07", "4") +
			listening("00000000:C350", "07", "5"),
		"/var/lib/dpkg/status": installed("openssh-server", "1:10.0p1-7", "install ok installed") +
			installed("shopd", "2.0+b1", "install ok installed") +
			installed("libstdc++6", "14.2", "hold ok installed") +
			installed("old", "1", "deinstall ok config-files"),
	} {
		r.write(path, text)
	}

	require.NoError(t, os.Chmod(r.at("/etc/motd"), 0o640))

	return r
}

// listening is a line of /proc/net/tcp or udp.
func listening(address, state, inode string) string {
	return fmt.Sprintf("   0: %s 00000000:0000 %s 00000000:00000000 00:00000000 00000000     0 "+
		"       0 %s 1 0 100 0 0 10 0\n", address, state, inode)
}

func (r root) at(path string) string {
	return filepath.Join(r.dir, path)
}

func (r root) write(path, text string) {
	r.Helper()
	require.NoError(r, os.MkdirAll(filepath.Dir(r.at(path)), 0o755))
	require.NoError(r, os.WriteFile(r.at(path), []byte(text), 0o644))
}

func (r root) edit(path, from, to string) {
	r.Helper()

	data, err := os.ReadFile(r.at(path))
	require.NoError(r, err)
	require.Contains(r, string(data), from)

	r.write(path, strings.ReplaceAll(string(data), from, to))
}

// systemctl answers from the unit files in the root; a link in "enabled" or "masked" is a unit's state.
func (r root) systemctl(_ context.Context, args ...string) (string, error) {
	unit := args[len(args)-1]

	if args[0] == "is-enabled" {
		for _, state := range []string{"enabled", "masked", "disabled"} {
			if _, err := os.Stat(r.at(filepath.Join("/run/"+state, unit))); err == nil {
				return state + "\n", nil
			}
		}

		return "enabled\n", nil
	}

	require.Equal(r, []string{"--no-pager", "cat", unit}, args)

	text, err := os.ReadFile(r.at("/usr/lib/systemd/system/" + unit))
	if err != nil {
		return "", errors.New("no files found for " + unit)
	}

	return "# /usr/lib/systemd/system/" + unit + "\n" + string(text), nil
}

func (r root) image() *seal.Image {
	return &seal.Image{
		Root:      r.dir,
		Scratch:   r.TempDir(),
		Systemctl: r.systemctl,
	}
}

// bake writes the record as the builder and the bootstrap do.
func (r root) bake() {
	r.Helper()

	begun := record.Image{
		Version:  1,
		Name:     "hornero-shop",
		Role:     "shop",
		Release:  "debian-13",
		Base:     "debian-13-x64",
		Digest:   strings.Repeat("ab", 32),
		Inputs:   map[string]string{"role": "cd"},
		BuiltAt:  "2026-01-02T03:04:05Z",
		Programs: map[string]string{"packer-plugin-hornero": "0.1.0"},
		Files:    map[string]string{},
	}

	for _, path := range []string{
		"/etc/motd",
		"/usr/bin/hornero-bootstrap",
		"/usr/lib/hornero/roles/shop/shop.conf",
	} {
		data, err := os.ReadFile(r.at(path))
		require.NoError(r, err)

		begun.Files[path] = fmt.Sprintf("%x", sha256.Sum256(data))
	}

	data, err := json.Marshal(begun)
	require.NoError(r, err)

	packages, err := r.image().Write(r.Context(), strings.NewReader(string(data)), "0.2.0")
	require.NoError(r, err)

	shopd := slices.IndexFunc(packages, func(found record.Package) bool {
		return found.Name == "shopd"
	})
	require.Equal(r,
		record.Package{
			Name:          "shopd",
			Version:       "2.0+b1",
			Architecture:  "amd64",
			Source:        "src-shopd",
			SourceVersion: "1.0",
			Maintainer:    packages[0].Maintainer,
		},
		packages[shopd],
	)

	old := slices.ContainsFunc(packages, func(found record.Package) bool {
		return found.Name == "old"
	})
	require.False(r, old, "it is removed but for its configuration")

	r.write(record.SBOMPath, `{"serialNumber": "`+begun.Serial()+`"}`)
}

func (r root) verify() record.Report {
	r.Helper()

	// The fixtures' services are disabled in this root, as apply.sh leaves them.
	r.write("/run/disabled/shopd.service", "")

	image := r.image()
	result, err := image.Verify(r.Context())
	require.NoError(r, err)

	left, err := os.ReadDir(image.Scratch)
	require.NoError(r, err)
	require.Empty(r, left, "sample texts are left")

	return result
}
