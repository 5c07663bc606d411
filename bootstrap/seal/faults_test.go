package seal_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	shopRole         = "/usr/lib/hornero/roles/shop/role.yaml"
	shopTemplate     = "/usr/lib/hornero/roles/shop/shop.conf"
	greetingRole     = "/usr/lib/hornero/roles/greeting/role.yaml"
	greetingTemplate = "/usr/lib/hornero/roles/greeting/greeting.conf"
	privateKey       = "-----BEGIN OPENSSH PRIVATE KEY-----\n"
)

func write(path, text string) func(root) {
	return func(r root) { r.write(path, text) }
}

func edit(path, from, to string) func(root) {
	return func(r root) { r.edit(path, from, to) }
}

// damages are what may be wrong with an image, and what is said then; "" when nothing is.
var damages = []struct {
	name   string
	damage func(root)
	want   string
}{
	{
		name:   "no such package",
		damage: edit(shopRole, "[shopd]", "[shopd, no-such]"),
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
			r.edit(shopRole, "welcome,", "goodbye,")
		},
		want: "texts: fault: /etc/motd is refused by grep for a node of a whole stack: ",
	},
	{
		name:   "unknown unit",
		damage: edit(shopRole, "reload: [shopd.service]", "reload: [shop.service]"),
		want:   "units: fault: unit shop.service is unknown to systemd: correct its name",
	},
	{
		name:   "unknown service",
		damage: edit(shopRole, "unit: shopd.service", "unit: shoppd.service"),
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
		name: "template lacks a secret",
		damage: edit(
			shopTemplate,
			"{{secret \"shop.password\"}}",
			"{{secret (print \"shop.\" \"pass\")}}",
		),
		want: "texts: fault: /etc/shop/shop.conf does not render for a node of a whole stack: render " +
			"template of role shop: template: shop/shop.conf:3:",
	},
	{
		name: "template not for a lone node",
		damage: write(
			shopTemplate,
			"listen {{(index (peers \"store\") 0).Name}} {{secret \"shop.password\"}}",
		),
		want: "texts: fault: /etc/shop/shop.conf does not render for the first node of a stack: ",
	},
	{
		name:   "template refused",
		damage: edit(shopRole, "-q, listen", "-q, bind"),
		want:   "texts: fault: /etc/shop/shop.conf is refused by grep for a node of a whole stack: ",
	},
	{
		name: "template refused, with noise",
		damage: edit(
			shopRole,
			"[grep, -q, listen, \"{file}\"]",
			`[sh, -c, "echo all well; echo 1 ERROR in {file}; exit 3"]`,
		),
		want: "texts: fault: /etc/shop/shop.conf is refused by sh for a node of a whole stack: exit " +
			"status 3: 1 ERROR in /etc/shop/shop.conf: ",
	},
	{
		name:   "checker is not there",
		damage: edit(shopRole, "[grep, -q, listen", "[no-such-checker, -q, listen"),
		want:   "texts: fault: /etc/shop/shop.conf is refused by no-such-checker for ",
	},
	{
		name: "template's owner",
		damage: edit(
			shopRole,
			"path: /etc/shop/shop.conf,",
			"path: /etc/shop/shop.conf, owner: no-such-user,",
		),
		want: "texts: fault: /etc/shop/shop.conf cannot be written: ",
	},
	{
		name:   "what is served",
		damage: edit(shopRole, "{{.Address}}:8080", "{{.Adress}}:8080"),
		want:   "texts: fault: url of http of role shop does not render for ",
	},
	{
		name:   "a piece's template",
		damage: write(greetingTemplate, "hello {{.Nobody}}"),
		want: "texts: fault: /etc/shop/greeting.conf does not render for a node of a whole stack: render " +
			"template of role shop: template: greeting/greeting.conf:1:8: ",
	},
	{
		name:   "a piece's template, where to mend it",
		damage: write(greetingTemplate, "hello {{.Nobody}}"),
		want:   ": correct roles/greeting/greeting.conf, or ",
	},
	{
		name:   "a piece's template is refused",
		damage: edit(greetingRole, "default: hello", "default: good day"),
		want:   "texts: fault: /etc/shop/greeting.conf is refused by grep for a node of a whole stack: ",
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
		damage: write("/etc/left.key", privateKey),
		want:   "secrets: fault: private key in /etc/left.key: every Droplet would share it: remove it",
	},
	{
		name:   "private key in a role",
		damage: write("/usr/lib/hornero/roles/shop/x.pem", privateKey),
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
			r.write("/proc/net/tcp6", listening("00000000000000000000000000000000:08AE", "0A", "77"))
			r.write("/proc/12/comm", "sshd\n")
			require.NoError(r, os.MkdirAll(r.at("/proc/12/fd"), 0o755))
			require.NoError(r, os.Symlink("socket:[77]", r.at("/proc/12/fd/3")))
		},
		want: "",
	},
	{
		name: "UDP port",
		damage: func(r root) {
			r.write("/proc/net/udp6", listening("00000000000000000000000000000000:14EB", "07", "88"))
			r.write("/proc/13/comm", "systemd-resolve\n")
			require.NoError(r, os.MkdirAll(r.at("/proc/13/fd"), 0o755))
			require.NoError(r, os.Symlink("socket:[88]", r.at("/proc/13/fd/3")))
		},
		want: "ports: fault: systemd-resolve listens on udp port 5355, which no manifest names: ",
	},
}

// Each damage is one line that says what and what to do.
func TestEveryFaultIsTold(t *testing.T) {
	for _, c := range damages {
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
