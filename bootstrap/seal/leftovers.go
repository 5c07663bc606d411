package seal

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/roles"
)

// What to do about what should not be there.
const (
	cameBack = "it came back after sealing: find the service that wrote it and stop it in a bake command"
	takeOut  = "remove it in the role's last bake command"
)

// absent tells each path that matches a pattern.
func (n *inspection) absent(what, do string, patterns ...string) {
	for _, pattern := range patterns {
		for _, path := range n.glob(pattern) {
			n.fault(do, "%s %s is in the image", what, path)
		}
	}
}

// checkIdentity looks for what two Droplets must not share: keys, ids, seeds, who may log in, a node's document.
func (n *inspection) checkIdentity(context.Context) {
	n.absent("SSH host key", cameBack, "/etc/ssh/ssh_host_*")

	for _, folder := range []string{"/root", "/home", "/etc/ssh"} {
		n.walk(folder, func(name string, info fs.FileInfo) {
			if strings.HasPrefix(path.Base(name), "authorized_keys") && info.Mode().IsRegular() {
				n.fault(takeOut, "authorized keys %s are in the image", name)
			}
		})
	}

	// An absent one makes the next boot a first boot, which enables every unit.
	if info, err := os.Stat(n.at("/etc/machine-id")); err != nil || info.Size() != 0 {
		n.fault("leave it there, and empty", "/etc/machine-id holds an identity or is absent")
	}

	// Debian has a link to /etc/machine-id there. A file is an identity of its own.
	if info, err := os.Lstat(n.at("/var/lib/dbus/machine-id")); err == nil && info.Mode().IsRegular() {
		n.fault(cameBack, "machine id /var/lib/dbus/machine-id is in the image")
	}

	// Two machines that start with one seed could draw the same keys.
	n.absent("seed", cameBack, "/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret")

	noNode := "nothing of a node belongs into an image: " + takeOut
	n.absent("node document", noNode, "/etc/hornero/node.yaml", "/var/lib/hornero")
	n.absent("cloud-init state", cameBack, "/var/lib/cloud/*")
	n.checkPasswords()
}

func (n *inspection) checkPasswords() {
	data, err := os.ReadFile(n.at("/etc/shadow"))
	if err != nil {
		n.fault("a bake command must leave it", "/etc/shadow cannot be read: %v", err)
	}

	// A password that is set here would be the same on every Droplet of the image.
	for line := range strings.Lines(string(data)) {
		fields := strings.Split(line, ":")
		if len(fields) > 1 && !locked(fields[1]) {
			n.fault("lock it with passwd -l in a bake command",
				"user %s has a password, or an empty one", fields[0])
		}
	}
}

// locked tells whether no password fits the field of /etc/shadow.
func locked(password string) bool {
	return strings.HasPrefix(password, "*") || strings.HasPrefix(password, "!")
}

// secretForms are texts that only a secret looks like.
var secretForms = []struct {
	name string
	form *regexp.Regexp
}{
	{"private key", regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`)},
	{"age key", regexp.MustCompile(`AGE-SECRET-KEY-1[0-9A-Z]{20}`)},
	{"DigitalOcean token", regexp.MustCompile(`\bdo[oprs]_v1_[0-9a-f]{64}`)},
}

// secretSize is the largest file that is read for secrets: nobody keeps one in a larger file.
const secretSize = 64 << 10

// checkSecrets looks for secrets where Debian's packages have none of their own.
func (n *inspection) checkSecrets(ctx context.Context) {
	folders := []string{
		"/etc", "/root", "/home", "/opt", "/srv", "/usr/local", "/usr/lib/hornero",
		"/usr/share/hornero", "/var/lib", "/var/www",
	}

	for _, folder := range folders {
		n.walk(folder, func(name string, info fs.FileInfo) {
			if info.Mode().IsRegular() && info.Size() < secretSize {
				n.checkSecret(name)
			}
		})
	}

	for _, home := range []string{"/root", "/home/*"} {
		for _, name := range []string{
			".netrc", ".pgpass", ".my.cnf", ".git-credentials", ".aws/credentials",
			".config/doctl", ".docker/config.json",
		} {
			n.absent("credentials file", takeOut, path.Join(home, name))
		}

		n.absent("history", takeOut, path.Join(home, ".*_history"))
	}

	n.checkTemplateFiles(ctx)
}

func (n *inspection) checkSecret(name string) {
	data, err := os.ReadFile(n.at(name))
	if err != nil {
		return
	}

	for _, secret := range secretForms {
		if secret.form.Match(data) {
			n.fault("every Droplet would share it: "+takeOut, "%s in %s", secret.name, name)
		}
	}
}

var templateSecret = regexp.MustCompile(`\b(secret|pki) "`)

// checkTemplateFiles looks for files that only a node may have: those of templates that read secrets. What a package
// has in the template's place holds none.
func (n *inspection) checkTemplateFiles(ctx context.Context) {
	for _, manifest := range n.manifests {
		for _, template := range manifest.Templates {
			text, err := template.Text()
			if err != nil || !templateSecret.Match(text) {
				continue
			}

			if _, err := os.Lstat(n.at(template.Path)); err == nil && !n.packaged(ctx, template) {
				n.fault("a node writes it: "+takeOut,
					"%s, which is to hold secrets of a node, is in the image", template.Path)
			}
		}
	}
}

func (n *inspection) packaged(ctx context.Context, template roles.Template) bool {
	// dpkg-query fails for a path that no package has.
	_, err := command.Run(ctx, command.Command{
		Args: []string{"dpkg-query", "--admindir=" + n.at("/var/lib/dpkg"), "-S", template.Path},
	})

	return err == nil
}

// checkLeftovers looks for what the bake used, and what grows.
func (n *inspection) checkLeftovers(context.Context) {
	// policy-rc.d keeps packages from starting services in the bake. On a node it would do the same.
	n.absent("bake-time file", takeOut, "/usr/sbin/policy-rc.d")
	n.filesLeft("log", "/var/log", func(string) bool { return true })

	// apt leaves its lock files there; they hold nothing.
	n.filesLeft("package list", "/var/lib/apt/lists", func(name string) bool {
		return path.Base(name) != "lock"
	})
	n.filesLeft("package archive", "/var/cache/apt/archives", func(name string) bool {
		return path.Base(name) != "lock"
	})
	n.filesLeft("temporary file", "/var/tmp", func(string) bool { return true })

	// A line that is no comment and sets a proxy.
	proxy := regexp.MustCompile(`(?mi)^[^/#\n]*Proxy`)

	files := append(n.glob("/etc/apt/apt.conf"), n.glob("/etc/apt/apt.conf.d/*")...)

	for _, file := range files {
		if data, err := os.ReadFile(n.at(file)); err == nil && proxy.Match(bytes.TrimSpace(data)) {
			n.fault("it works on the bake's machine only: "+takeOut, "apt's proxy in %s", file)
		}
	}
}

// filesLeft tells the files below a folder in one fault, as there may be many.
func (n *inspection) filesLeft(what, folder string, ours func(string) bool) {
	var found []string
	n.walk(folder, func(name string, info fs.FileInfo) {
		if info.Mode().IsRegular() && ours(name) {
			found = append(found, name)
		}
	})

	if len(found) > 0 {
		n.fault(cameBack, "%s is in the image: %s", what, abbreviate(found))
	}
}

// openFolders are those that everybody may write to on purpose, and those that come with the machine's start.
var openFolders = []string{"/tmp", "/var/tmp", "/dev", "/proc", "/sys", "/run", "/var/lock"}

// checkPermissions looks for what everybody may write, and adds the image's size up on the way.
func (n *inspection) checkPermissions(context.Context) {
	var writable []string
	n.walk("/", func(name string, info fs.FileInfo) {
		n.report.Size += sizeOf(info)

		if info.Mode().Perm()&0o002 == 0 || openFolder(name) {
			return
		}

		// In a folder with the sticky bit nobody touches another's files.
		if info.Mode().IsRegular() || info.IsDir() && info.Mode()&fs.ModeSticky == 0 {
			writable = append(writable, fmt.Sprintf("%s (%04o)", name, info.Mode().Perm()))
		}
	})

	if len(writable) > 0 {
		n.fault("take the permission away with chmod o-w in a bake command",
			"everybody may write %s", abbreviate(writable))
	}
}

func openFolder(name string) bool {
	for _, folder := range openFolders {
		if name == folder || strings.HasPrefix(name, folder+"/") {
			return true
		}
	}

	return false
}
