package seal_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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
secrets: [shop.password]
settings: [shop.limit]
samples: {shop.limit: "12"}
watches: [db]
health: {url: 'http://{{.Address}}:8080/'}
`
	shopConf = "listen {{.Address}}\nlimit {{setting \"shop.limit\"}}\npassword {{secret " +
		"\"shop.password\"}}\n{{range slots \"db\"}}peer {{.Name}}\n{{end}}{{pki \"key\"}}"
	shopUnit = "[Service]\nExecStartPre=-/usr/sbin/shopd --check\nExecStart=/usr/sbin/shopd --conf " +
		"\"/etc/shop/shop.conf\"\nExecReload=/bin/kill -HUP $MAINPID\n"
)

func installed(name, version, status string) string {
	return fmt.Sprintf(
		"Package: %s\nStatus: %s\nMaintainer: Debian\nArchitecture: amd64\nSource: src-%s (1.0)\nVersion: "+
			"%s\nDescription: x\n\n",
		name,
		status,
		name,
		version,
	)
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
		"/usr/lib/hornero/roles/shop/role.yaml": fmt.Sprintf(
			shopManifest,
			me.Username+":"+group.Name,
		),
		"/usr/lib/hornero/roles/shop/motd":      "welcome\n",
		"/usr/lib/hornero/roles/shop/shop.conf": shopConf,
		"/etc/motd":                             "welcome\n",
		"/etc/machine-id":                       "",
		"/etc/shadow":                           "root:*:1::::::\nnobody:!:1::::::\n",
		"/usr/bin/hornero-bootstrap":            "a program",
		"/usr/sbin/shopd":                       "another program",
		"/bin/kill":                             "a third",
		"/usr/lib/systemd/system/shopd.service": shopUnit,
		"/usr/share/doc/key.txt":                "-----BEGIN PRIVATE KEY-----\n", // a package's example
		"/proc/net/tcp": listening(
			"00000000:0016",
			"0A",
			"1",
		) + listening("0100007F:0CEA", "0A", "2") +
			listening("0501A8C0:9C40", "01", "3"),
		"/proc/net/udp": listening("00000000:0044", "07", "4") +
			listening("00000000:C350", "07", "5"),
		"/var/lib/dpkg/status": installed(
			"openssh-server",
			"1:10.0p1-7",
			"install ok installed",
		) + installed("shopd", "2.0+b1", "install ok installed") +
			installed(
				"libstdc++6",
				"14.2",
				"hold ok installed",
			) + installed("old", "1", "deinstall ok config-files"),
	} {
		r.write(path, text)
	}

	require.NoError(t, os.Chmod(r.at("/etc/motd"), 0o640))

	return r
}

// listening is a line of /proc/net/tcp or udp.
func listening(address, state, inode string) string {
	return "   0: " + address + " 00000000:0000 " + state + " 00000000:00000000 00:00000000 00000000     0 " +
		"       0 " + inode +
		" 1 0 100 0 0 10 0\n"
}

func (r root) at(path string) string {
	return filepath.Join(r.dir, path)
}

func (r root) write(path, text string) {
	r.Helper()
	require.NoError(r, os.MkdirAll(filepath.Dir(r.at(path)), 0o755))

	require.NoError(r, os.WriteFile(
		r.at(path),
		[]byte(text),
		0o644,
	))
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

	for _, path := range []string{"/etc/motd", "/usr/bin/hornero-bootstrap", "/usr/lib/hornero/roles/shop/shop.conf"} {
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

	require.False(r,
		slices.ContainsFunc(packages, func(found record.Package) bool {
			return found.Name == "old"
		}),
		"it is removed but for its configuration",
	)

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

func TestAGoodImagePasses(t *testing.T) {
	r := newRoot(t)
	r.bake()

	result := r.verify()
	require.Empty(t, result.Faults)
	require.Len(t, result.Passed, 10)

	require.Equal(t,
		map[string]string{
			"openssh-server": "1:10.0p1-7",
			"shopd":          "2.0+b1",
			"libstdc++6":     "14.2",
		},
		result.Packages,
	)

	require.Equal(t, 3, result.Files)
	require.Positive(t, result.Size)
}

// Each damage is one line that says what and what to do.
func TestEveryFaultIsTold(t *testing.T) {
	write := func(path, text string) func(root) {
		return func(r root) { r.write(path, text) }
	}

	edit := func(path, from, to string) func(root) {
		return func(r root) {
			r.edit(path, from, to)
		}
	}

	const manifest, template = "/usr/lib/hornero/roles/shop/role.yaml", "/usr/lib/hornero/roles/shop/shop.conf"
	key := "-----BEGIN OPENSSH PRIVATE KEY-----\n"
	for _, c := range []struct {
		name   string
		damage func(root)
		want   string
	}{
		{
			name:   "no such package",
			damage: edit(manifest, "[shopd]", "[shopd, no-such]"),
			want:   "packages: fault: package no-such of role shop is not installed: name the package",
		},
		{
			name:   "package removed",
			damage: edit("/var/lib/dpkg/status", "hold ok installed", "deinstall ok config-files"),
			want:   "packages: fault: package libstdc++6 of role shop is not installed: ",
		},
		{
			name:   "half installed",
			damage: edit("/var/lib/dpkg/status", "hold ok installed", "install ok half-configured"),
			want:   "packages: fault: package libstdc++6 is installed halfway",
		},
		{
			name:   "no package list",
			damage: write("/var/lib/dpkg/status", "nonsense"),
			want:   "packages: fault: packages cannot be listed: ",
		},
		{
			name:   "file changed",
			damage: write("/etc/motd", "welcome to you\n"),
			want:   "files: fault: /etc/motd is not as the role has it: ",
		},
		{
			name: "file's mode",
			damage: func(r root) {
				require.NoError(r, os.Chmod(r.at("/etc/motd"), 0o600))
			},
			want: "files: fault: /etc/motd has mode and owner 0600 ",
		},
		{
			name: "baked file's checker",
			damage: func(r root) {
				r.edit(manifest, "welcome,", "goodbye,")
			},
			want: "texts: fault: /etc/motd is refused by grep for a node of a whole stack: ",
		},
		{
			name:   "unknown unit",
			damage: edit(manifest, "reload: [shopd.service]", "reload: [shop.service]"),
			want:   "units: fault: unit shop.service is unknown to systemd: correct its name",
		},
		{
			name:   "unknown service",
			damage: edit(manifest, "unit: shopd.service", "unit: shoppd.service"),
			want:   "units: fault: unit shoppd.service is unknown to systemd: ",
		},
		{
			name: "unit's program",
			damage: func(r root) {
				require.NoError(r, os.Remove(r.at("/bin/kill")))
			},
			want: "units: fault: unit shopd.service runs /bin/kill, which is not in the image: ",
		},
		{
			name:   "service enabled",
			damage: write("/run/enabled/shopd.service", ""),
			want:   "units: fault: unit shopd.service is enabled: ",
		},
		{
			name:   "service masked",
			damage: write("/run/masked/shopd.service", ""),
			want:   "units: fault: unit shopd.service is masked: ",
		},
		{
			name:   "bootstrap not enabled",
			damage: write("/run/disabled/hornero-bootstrap.service", ""),
			want:   "units: fault: unit hornero-bootstrap.service is not enabled: ",
		},
		{
			name:   "template lacks a secret",
			damage: edit(manifest, "[shop.password]", "[shop.pass]"),
			want: "texts: fault: /etc/shop/shop.conf does not render for a node of a whole stack: render " +
				"template of role shop: template: shop.conf:3:",
		},
		{
			name: "template not for a lone node",
			damage: write(
				template,
				"listen {{(index (peers \"db\") 0).Name}} {{secret \"shop.password\"}}",
			),
			want: "texts: fault: /etc/shop/shop.conf does not render for the first node of a stack: ",
		},
		{
			name:   "template refused",
			damage: edit(manifest, "-q, listen", "-q, bind"),
			want:   "texts: fault: /etc/shop/shop.conf is refused by grep for a node of a whole stack: ",
		},
		{
			name: "template refused, with noise",
			damage: edit(
				manifest,
				"[grep, -q, listen, \"{file}\"]",
				`[sh, -c, "echo all well; echo 1 ERROR in {file}; exit 3"]`,
			),
			want: "texts: fault: /etc/shop/shop.conf is refused by sh for a node of a whole stack: exit " +
				"status 3: 1 ERROR in /etc/shop/shop.conf: ",
		},
		{
			name:   "checker is not there",
			damage: edit(manifest, "[grep, -q, listen", "[no-such-checker, -q, listen"),
			want:   "texts: fault: /etc/shop/shop.conf is refused by no-such-checker for ",
		},
		{
			name: "template's owner",
			damage: edit(
				manifest,
				"path: /etc/shop/shop.conf,",
				"path: /etc/shop/shop.conf, owner: no-such-user,",
			),
			want: "texts: fault: /etc/shop/shop.conf cannot be written: ",
		},
		{
			name:   "health",
			damage: edit(manifest, "{{.Address}}:8080", "{{.Adress}}:8080"),
			want:   "texts: fault: health.url of role shop does not render for ",
		},
		{
			name:   "package after the record",
			damage: edit("/var/lib/dpkg/status", "Version: 14.2", "Version: 14.3"),
			want:   `record: fault: the record has package libstdc++6 at version "14.2", dpkg has "14.3": `,
		},
		{
			name:   "daemon after the record",
			damage: write("/usr/sbin/shopd", "changed"),
			want:   "record: fault: /usr/sbin/shopd is not as the record has it: ",
		},
		{
			name:   "no bill of materials",
			damage: write("/usr/lib/hornero/sbom.cdx.json", "{}"),
			want:   "record: fault: the bill of materials /usr/lib/hornero/sbom.cdx.json cannot be used: ",
		},
		{
			name:   "host key",
			damage: write("/etc/ssh/ssh_host_rsa_key.pub", "x"),
			want:   "identity: fault: SSH host key /etc/ssh/ssh_host_rsa_key.pub is in the image: it came back",
		},
		{
			name:   "authorized keys",
			damage: write("/home/guest/.ssh-old/authorized_keys2", "x"),
			want:   "identity: fault: authorized keys /home/guest/.ssh-old/authorized_keys2 are in the image: ",
		},
		{
			name:   "machine id",
			damage: write("/etc/machine-id", "0123\n"),
			want:   "identity: fault: /etc/machine-id holds an identity or is absent: ",
		},
		{
			name: "no machine id",
			damage: func(r root) {
				require.NoError(r, os.Remove(r.at("/etc/machine-id")))
			},
			want: "identity: fault: /etc/machine-id holds an identity or is absent: ",
		},
		{
			name:   "D-Bus' machine id",
			damage: write("/var/lib/dbus/machine-id", "0123\n"),
			want:   "identity: fault: machine id /var/lib/dbus/machine-id ",
		},
		{
			name:   "seed",
			damage: write("/var/lib/systemd/random-seed", "x"),
			want:   "identity: fault: seed /var/lib/systemd/random-seed ",
		},
		{
			name:   "node document",
			damage: write("/etc/hornero/node.yaml", "x"),
			want:   "identity: fault: node document /etc/hornero/node.yaml ",
		},
		{
			name:   "cloud-init instance",
			damage: write("/var/lib/cloud/instances/1/user-data.txt", "x"),
			want:   "identity: fault: cloud-init state /var/lib/cloud/instances ",
		},
		{
			name:   "password",
			damage: write("/etc/shadow", "root::1:\n"),
			want:   "identity: fault: user root has a password, or an empty one: ",
		},
		{
			name:   "private key",
			damage: write("/etc/left.key", key),
			want:   "secrets: fault: private key in /etc/left.key: every Droplet would share it: remove it",
		},
		{
			name:   "private key in a role",
			damage: write("/usr/lib/hornero/roles/shop/x.pem", key),
			want:   "secrets: fault: private key in /usr/lib/hornero/roles/shop/x.pem: ",
		},
		{
			name:   "token",
			damage: write("/opt/env", "T=dop_v1_"+strings.Repeat("0f", 32)),
			want:   "secrets: fault: DigitalOcean token in /opt/env: ",
		},
		{
			name:   "age key",
			damage: write("/root/key.txt", "AGE-SECRET-KEY-1"+strings.Repeat("Q", 58)),
			want:   "secrets: fault: age key in /root/key.txt: ",
		},
		{
			name:   "credentials",
			damage: write("/root/.aws/credentials", "x"),
			want:   "secrets: fault: credentials file /root/.aws/credentials is in the image: ",
		},
		{
			name:   "history",
			damage: write("/root/.mariadb_history", "x"),
			want:   "secrets: fault: history /root/.mariadb_history is in the image: ",
		},
		{
			name:   "a node's file",
			damage: write("/etc/shop/shop.conf", "password x"),
			want:   "secrets: fault: /etc/shop/shop.conf, which is to hold secrets of a node, is in the image: ",
		},
		{
			name:   "policy",
			damage: write("/usr/sbin/policy-rc.d", "x"),
			want:   "leftovers: fault: bake-time file /usr/sbin/policy-rc.d is in the image: ",
		},
		{
			name:   "log",
			damage: write("/var/log/shop/log.1", ""),
			want:   "leftovers: fault: log is in the image: /var/log/shop/log.1: ",
		},
		{
			name:   "package list",
			damage: write("/var/lib/apt/lists/debian_Packages", "x"),
			want:   "leftovers: fault: package list is in the image: /var/lib/apt/lists/debian_Packages: ",
		},
		{
			name: "apt's proxy",
			damage: write(
				"/etc/apt/apt.conf.d/01proxy",
				"// ok\nAcquire::http::Proxy \"http://10.0.0.1:1\";\n",
			),
			want: "leftovers: fault: apt's proxy in /etc/apt/apt.conf.d/01proxy: ",
		},
		{
			name: "writable file",
			damage: func(r root) {
				r.write("/usr/share/x", "")
				require.NoError(r, os.Chmod(r.at("/usr/share/x"), 0o666))
			},
			want: "permissions: fault: everybody may write /usr/share/x (0666): ",
		},
		{
			name: "writable folder",
			damage: func(r root) {
				r.write("/srv/x/y", "")
				require.NoError(r, os.Chmod(r.at("/srv/x"), 0o777))
			},
			want: "permissions: fault: everybody may write /srv/x (0777): ",
		},
		{
			name: "sticky folder",
			damage: func(r root) {
				r.write("/srv/x/y", "")
				require.NoError(r, os.Chmod(r.at("/srv/x"), 0o777|fs.ModeSticky))
			},
			want: "",
		},
		{
			name: "temporary folder",
			damage: func(r root) {
				r.write("/tmp/x", "")
				require.NoError(r, os.Chmod(r.at("/tmp/x"), 0o666))
			},
			want: "",
		},
		{
			name: "TCP port",
			damage: write("/proc/net/tcp6", listening(
				"00000000000000000000000000000000:0CEA",
				"0A",
				"77",
			)),
			want: "ports: fault: a process listens on tcp port 3306, which no manifest names: ",
		},
		{
			name: "loopback by IPv6",
			damage: write("/proc/net/tcp6", listening(
				"00000000000000000000000001000000:0CEA",
				"0A",
				"77",
			)),
			want: "",
		},
		{
			name: "loopback, mapped",
			damage: write("/proc/net/tcp6", listening(
				"0000000000000000FFFF00000100007F:0CEA",
				"0A",
				"77",
			)),
			want: "",
		},
		{
			name: "named port",
			damage: write("/proc/net/tcp6", listening(
				"00000000000000000000000000000000:1F90",
				"0A",
				"77",
			)),
			want: "",
		},
		{
			name: "sshd's other port",
			damage: func(r root) {
				r.write("/proc/net/tcp6", listening(
					"00000000000000000000000000000000:08AE",
					"0A",
					"77",
				))

				r.write("/proc/12/comm", "sshd\n")
				require.NoError(r, os.MkdirAll(r.at("/proc/12/fd"), 0o755))
				require.NoError(r, os.Symlink("socket:[77]", r.at("/proc/12/fd/3")))
			},
			want: "",
		},
		{
			name: "UDP port",
			damage: func(r root) {
				r.write("/proc/net/udp6", listening(
					"00000000000000000000000000000000:14EB",
					"07",
					"88",
				))

				r.write("/proc/13/comm", "systemd-resolve\n")
				require.NoError(r, os.MkdirAll(r.at("/proc/13/fd"), 0o755))
				require.NoError(r, os.Symlink("socket:[88]", r.at("/proc/13/fd/3")))
			},
			want: "ports: fault: systemd-resolve listens on udp port 5355, which no manifest names: ",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoot(t)
			r.bake()
			c.damage(r)

			lines := []string{}

			for _, fault := range r.verify().Faults {
				lines = append(lines, fault.Check+": "+fault.String())
				require.NotContains(t, fault.String(), "\n")
				require.NotEmpty(t, fault.Do)
			}

			if c.want == "" {
				require.Empty(t, lines)
				return
			}

			require.Contains(t, strings.Join(lines, "\n"), c.want)
		})
	}
}

func TestAllFaultsComeInOneRun(t *testing.T) {
	r := newRoot(t)
	r.bake()

	for i := range 9 {
		r.write(fmt.Sprintf("/var/log/%d", i), "")
	}

	r.write("/etc/left.key", "-----BEGIN PRIVATE KEY-----\n")
	r.write("/usr/lib/hornero/roles/shop/shop.conf", "{{nonsense")

	result := r.verify()
	said := map[string]string{}

	for _, fault := range result.Faults {
		said[fault.Check] += fault.What + "\n"
	}

	require.Len(t, said, 4, said)

	require.Equal(t,
		"/usr/lib/hornero/roles/shop/shop.conf is not as the role has it\n",
		said["files"],
	)

	require.Equal(t,
		"log is in the image: /var/log/0, /var/log/1, /var/log/2 and 6 more\n",
		said["leftovers"],
	)

	require.Equal(t, "private key in /etc/left.key\n", said["secrets"])
	require.Contains(t, said["texts"], `function "nonsense" not defined`)

	require.Equal(t,
		[]string{"packages", "units", "record", "identity", "permissions", "ports"},
		result.Passed,
	)
}

func TestAPackagesOwnFileInATemplatesPlaceIsNoLeftover(t *testing.T) {
	r := newRoot(t)
	r.bake()
	r.write("/etc/shop/shop.conf", "as packaged")
	r.write("/var/lib/dpkg/info/shopd.list", "/.\n/etc\n/etc/shop\n/etc/shop/shop.conf\n")
	require.Empty(t, r.verify().Faults)
}

func TestAnExcludedPackageIsTold(t *testing.T) {
	r := newRoot(t)
	r.edit(
		"/var/lib/dpkg/status",
		"Package: old\nStatus: deinstall ok config-files",
		"Package: apache2\nStatus: install ok installed",
	)

	r.bake()

	require.Equal(t,
		"package apache2 is installed though role shop excludes it",
		r.verify().Faults[0].What,
	)
}

func TestAnImageWithoutARecordCannotBeTested(t *testing.T) {
	_, err := newRoot(t).image().Verify(t.Context())
	require.ErrorContains(t, err, "read the image's record: ")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestTheRecordTellsAllThatTheImageIsMadeOf(t *testing.T) {
	r := newRoot(t)
	require.NoError(t, os.Rename(
		r.at("/usr/sbin/shopd"),
		r.at("/usr/sbin/shopd-2.0"),
	))

	require.NoError(t, os.Symlink("shopd-2.0", r.at("/usr/sbin/shopd")))
	require.NoError(t, os.Chmod(r.at("/usr/share/doc/key.txt"), 0o600))

	r.write(
		"/var/lib/dpkg/info/shopd.md5sums",
		strings.Repeat("0", 32)+"  usr/share/doc/key.txt\n"+strings.Repeat("0", 32)+"  usr/share/doc/left-out\n",
	)

	r.bake()

	data, err := os.ReadFile(r.at(record.Path))
	require.NoError(t, err)
	var image record.Image
	require.NoError(t, json.Unmarshal(data, &image))

	require.Equal(t,
		map[string]string{
			"openssh-server": "1:10.0p1-7",
			"shopd":          "2.0+b1",
			"libstdc++6":     "14.2",
		},
		image.Packages,
	)

	require.Equal(t,
		map[string]string{"packer-plugin-hornero": "0.1.0", "hornero-bootstrap": "0.2.0"},
		image.Programs,
	)

	require.Equal(t, map[string]string{"role": "cd"}, image.Inputs)

	digest := func(text string) string {
		return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
	}
	require.Equal(t, map[string]string{
		"/bin/kill":                             digest("a third"),
		"/usr/lib/systemd/system/shopd.service": digest(shopUnit),
		"/usr/sbin/shopd":                       digest("another program"),
		"/usr/sbin/shopd-2.0":                   digest("another program"),
	}, image.Daemons)

	require.Equal(t, "link shopd-2.0", image.Standing["/usr/sbin/shopd"])
	require.Equal(t, "absent", image.Standing["/usr/share/doc/left-out"])

	require.Regexp(t,
		"^0600 [0-9]+:[0-9]+ sha256:"+digest("-----BEGIN PRIVATE KEY-----\n")+"$",
		image.Standing["/usr/share/doc/key.txt"],
		"the image's bytes, not the package's",
	)
}

func TestTheListOfFilesIsOfAll(t *testing.T) {
	r := newRoot(t)
	require.NoError(t, os.Symlink("../motd", r.at("/etc/shop-link")))

	image := &seal.Image{Root: r.dir}
	read := func() record.Contents {
		require.NoError(t, image.WriteContents())
		data, err := os.ReadFile(r.at(record.ContentsPath))
		require.NoError(t, err)

		contents, err := record.UnpackContents(data)
		require.NoError(t, err)

		return contents
	}

	first := read()
	who := fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())
	require.Equal(t,
		fmt.Sprintf("%x 0640 %s", sha256.Sum256([]byte("welcome\n")), who),
		first["/etc/motd"],
	)

	require.Equal(t, "-> ../motd 0777 "+who, first["/etc/shop-link"])
	require.Equal(t, "folder 0755 "+who, first["/etc"])
	require.NotContains(t, first, record.ContentsPath)
	require.Equal(t, first, read(), "times are not in it")

	r.write("/etc/new", "x")
	require.NoError(t, os.Chmod(r.at("/etc/motd"), 0o644))

	differ, _ := record.DiffContents(record.Image{}, record.Image{}, first, read())
	names := []string{}

	for _, change := range differ {
		names = append(names, change.Name)
	}

	require.Equal(t, []string{"/etc/motd", "/etc/new"}, names)
}
