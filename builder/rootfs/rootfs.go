// Package rootfs owns the making of a Debian system in a folder, and of a disk that boots it: mmdebstrap makes
// the folder, systemd-nspawn boots it so that commands run in it as on a Droplet, and mke2fs and GRUB's own
// files make it a disk, with no loop device. All that it starts ends with the process that started it, and all
// that it mounts is seen by nobody else. It must not know Packer, the API, roles or recipes.
package rootfs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hornero/hornero/internal/file"
)

// Sentinels of this package.
var (
	ErrNotRoot   = errors.New("root is needed")
	ErrNoProgram = errors.New("programs are missing")
	ErrNoSource  = errors.New("no source of packages")
	ErrNoBoot    = errors.New("the system did not come up")
	ErrTooSmall  = errors.New("the disk is too small")
)

// version is part of a system's name: raise it when another system would come out of the same Spec, for a reason that
// Files does not show.
const version = "1"

// Spec is what a system is made of.
type Spec struct {
	Suite      string
	Components []string
	Packages   []string // besides mmdebstrap's variant minbase
	Sources    []string // lines of sources.list(5)
	Keyring    string   // file or folder that the archive is checked with; empty: what this machine's apt trusts
	AptOptions []string // for apt.conf(5), and kept in the system
	UUID       string   // of the file system that it will lie on
}

// Name tells the system by all that it is made of, but for where its packages come from.
func (s Spec) Name() string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s %q %q %q %q\n", version, s.Suite, s.Components, s.Packages, s.AptOptions)

	// Without the UUID: it comes from the image's digest, which covers this name.
	for _, one := range files("") {
		fmt.Fprintf(hash, "%q %q %q\n", one.path, one.text, one.link)
	}

	return fmt.Sprintf("rootfs-%s-%.12x", s.Suite, hash.Sum(nil))
}

// programs are what this package runs, and the Debian packages that have them.
var programs = map[string]string{
	"mmdebstrap":     "mmdebstrap",
	"systemd-nspawn": "systemd-container",
	"nsenter":        "util-linux",
	"unshare":        "util-linux",
	"mount":          "mount",
	"mke2fs":         "e2fsprogs",
	"sfdisk":         "fdisk",
	"qemu-img":       "qemu-utils",
	"chroot":         "coreutils",
}

// Check tells what is missing on this machine, and the command that mends it.
func Check() error {
	var missing []string
	for program, pkg := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, pkg)
		}
	}

	slices.Sort(missing)

	switch {
	case len(missing) > 0:
		packages := strings.Join(slices.Compact(missing), " ")
		return fmt.Errorf("%w: apt-get install %s", ErrNoProgram, packages)

	case os.Geteuid() != 0:
		return fmt.Errorf(
			"%w: a system is made with its own users and devices: run Packer as root, or bake on a Droplet with "+
				"hornero-droplet",
			ErrNotRoot,
		)
	}

	return nil
}

// Make makes the system in a folder that is not there yet. What mmdebstrap says goes to progress; temporary is
// for its files.
func (s Spec) Make(ctx context.Context, root, temporary string, progress io.Writer) error {
	if len(s.Sources) == 0 {
		return fmt.Errorf("make root: %w", ErrNoSource)
	}

	args := []string{
		"mmdebstrap",
		"--mode=root",
		"--variant=minbase",
		"--format=directory",
		"--architectures=amd64",
		"--components=" + strings.Join(s.Components, ","),
		"--include=" + strings.Join(s.Packages, ","),
	}
	if s.Keyring != "" {
		args = append(args, "--keyring="+s.Keyring)
	}

	for _, option := range s.AptOptions {
		args = append(args, "--aptopt="+option)
	}

	args = append(args, s.Suite, root)
	bootstrap := jail{
		args:        append(args, s.Sources...),
		environment: []string{"DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "TMPDIR=" + temporary},
		output:      progress,
	}

	if err := run(ctx, bootstrap); err != nil {
		return fmt.Errorf("make root: %w", err)
	}

	// After mmdebstrap, whose packages would write over the files.
	if err := s.prepare(root); err != nil {
		return fmt.Errorf("make root: %w", err)
	}

	return nil
}

// leftovers are what packages made for this one system, and what its first boot must find empty. SSH host keys
// stay for sshd to start with, as on a Droplet, until the image is sealed.
var leftovers = []string{"etc/hostname", "var/lib/dbus/machine-id", "run/*", "tmp/*", "var/lib/apt/lists/*_*"}

// prepare makes a fresh system one that boots on a Droplet.
func (s Spec) prepare(root string) error {
	for _, pattern := range leftovers {
		paths, _ := filepath.Glob(filepath.Join(root, pattern)) // fails only on a malformed pattern
		for _, path := range paths {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}

	for _, one := range files(s.UUID) {
		if err := one.write(root); err != nil {
			return err
		}
	}

	return copyModules(root)
}

func (t text) write(root string) error {
	path := filepath.Join(root, t.path)
	if t.link == "" {
		_, err := file.Write(path, []byte(t.text), file.Options{Mode: 0o644})
		return err
	}

	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}

	// A link cannot be made over what a package brought.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}

	return os.Symlink(t.link, path)
}
