package machine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/file"
)

// recipeVersion changes when the code below makes another base image of the same recipe.
const recipeVersion = "1"

// suites are the releases that a base image can be made of, and what Debian calls them.
func suites() map[string]string {
	return map[string]string{"debian-12": "bookworm", "debian-13": "trixie"}
}

// basePackages are on a base image: what a Debian image of DigitalOcean has and this lab's Droplets can use. Without
// locales and ssh-keygen cloud-init ends with errors.
func basePackages() []string {
	return []string{
		"adduser", "bash-completion", "ca-certificates", "cloud-init", "curl", "dbus", "gnupg", "ifupdown", "iproute2",
		"iputils-ping", "kmod", "less", "libnss-myhostname", "libpam-systemd", "locales", "netbase", "nftables",
		"openssh-server", "procps", "rsync", "sudo", "systemd", "systemd-sysv", "vim-tiny",
	}
}

// baseFiles are written over what the packages brought: the network is the lab's, root logs in by key, and cloud-init
// asks no data source that is not there.
func baseFiles() map[string]string {
	return map[string]string{
		"etc/cloud/cloud.cfg.d/90_datasources.cfg": "datasource_list: [ConfigDrive, NoCloud, None]\n",
		"etc/cloud/cloud.cfg.d/99_droplet.cfg": "disable_root: false\nusers: []\nmanage_etc_hosts: " +
			"true\nlocale: C.UTF-8\n" +
			"network: {config: disabled}\n",
		"etc/network/interfaces": "# eth0 and eth1 are configured before the Droplet boots.\nauto lo\niface lo " +
			"inet loopback\n",
		"etc/hosts":      "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
		"etc/machine-id": "",
		// systemd rebuilds its caches at a boot for which /usr is newer than these; the packages just made them.
		"etc/.updated": "", "var/.updated": "",
	}
}

// baseLeftovers are what an image must not carry: it would be the same on each Droplet, or this computer's.
func baseLeftovers() []string {
	return []string{
		"etc/ssh/ssh_host_*", "etc/hostname", "etc/resolv.conf", "etc/apt/apt.conf.d/99mmdebstrap",
		"var/lib/dbus/machine-id", "var/lib/systemd/random-seed", "var/lib/apt/lists/*",
		"var/cache/apt/*.bin", "var/cache/apt/archives/*.deb",
		"var/log/*.log", "var/log/apt/*", "var/cache/ldconfig/*", "tmp/*", "run/*",
	}
}

// Base makes a Debian base image, or finds it in the cache, where it is known by all that goes into it. Whoever comes
// while it is being made waits for it. What mmdebstrap says goes to progress, which may be nil.
func (h *Host) Base(ctx context.Context, release string, progress io.Writer) (Image, error) {
	suite, ok := suites()[release]
	if !ok {
		return Image{}, fmt.Errorf("base image %s: %w", release, ErrNoImage)
	}

	name := release + "-" + recipeDigest(suite)
	layer := filepath.Join(h.Cache, "base", name)

	// Labs share the cache: only one of them makes an image, the others wait and find it.
	unlock, err := lockFile(ctx, layer+".lock")
	if err != nil {
		return Image{}, fmt.Errorf("base image %s: %w", release, err)
	}
	defer unlock()

	if _, err := os.Stat(layer); errors.Is(err, fs.ErrNotExist) {
		if err := h.makeBase(ctx, release, layer, progress); err != nil {
			return Image{}, fmt.Errorf("base image %s: %w", release, err)
		}
	}

	size, err := layerSize(layer)

	return Image{
		Layers: []string{layer},
		Bytes:  size,
	}, err
}

func (h *Host) makeBase(ctx context.Context, release, layer string, progress io.Writer) error {
	start := time.Now()
	temporary := layer + ".part"

	if err := os.RemoveAll(temporary); err != nil { // of one that was cut short; the lock is ours
		return err
	}

	// The image appears under its name by rename only, so that a crash leaves no half image in the cache.
	args := []string{"mmdebstrap", "--mode=root", "--variant=minbase", "--include=" +
		strings.Join(basePackages(), ","),
		suites()[release], temporary}
	environment := []string{"DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"}

	if _, err := command.Run(ctx, command.Command{
		Args:   args,
		Dir:    "/",
		Env:    environment,
		Output: progress,
	}); err != nil {
		return errors.Join(err, os.RemoveAll(temporary))
	}

	// The size is written before the rename: whoever finds the layer finds its size as well.
	if err := errors.Join(finishBase(temporary), rememberSize(temporary, layer)); err != nil {
		return errors.Join(err, os.RemoveAll(temporary))
	}

	if err := os.Rename(temporary, layer); err != nil {
		return err
	}

	h.Logger.Info("base image made",
		"release", release,
		"layer", layer,
		"duration", time.Since(start).Round(time.Millisecond),
	)

	return nil
}

func rememberSize(folder, layer string) error {
	size, err := diskUsage(folder)
	if err != nil {
		return err
	}

	return writeJSON(layer+".size", size)
}

// finishBase makes a fresh root file system a base image.
func finishBase(root string) error {
	for _, pattern := range baseLeftovers() {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return err
		}

		for _, path := range paths {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}

	for path, text := range baseFiles() {
		if _, err := file.Write(
			filepath.Join(root, path),
			[]byte(text),
			file.Options{Mode: 0o644},
		); err != nil {
			return err
		}
	}

	return nil
}

// recipeDigest is the digest of all that makes a base image what it is, but for the packages' versions of the day.
func recipeDigest(suite string) string {
	files := baseFiles()
	names := make([]string, 0, len(files))

	for name := range files {
		names = append(names, name)
	}

	// Map order would make another digest, and so another base image, at each start.
	slices.Sort(names)

	hash := sha256.New()
	fmt.Fprintln(hash, recipeVersion, suite, basePackages(), baseLeftovers())

	for _, name := range names {
		fmt.Fprintf(hash, "%s %q\n", name, files[name])
	}

	return hex.EncodeToString(hash.Sum(nil))[:12]
}

// Sources returns the hosts that the base image's own apt asks for packages.
func Sources(image Image) ([]string, error) {
	var hosts []string
	patterns := []string{"etc/apt/sources.list", "etc/apt/sources.list.d/*.list", "etc/apt/sources.list.d/*.sources"}
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(image.Layers[0], pattern))
		if err != nil {
			return nil, err
		}

		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("read the image's package sources: %w", err)
			}

			hosts = append(hosts, sourceHosts(string(text))...)
		}
	}

	slices.Sort(hosts)

	return slices.Compact(hosts), nil
}

// sourceHosts finds the hosts of plain HTTP sources in either of apt's formats.
func sourceHosts(text string) []string {
	var hosts []string
	for field := range strings.FieldsSeq(text) {
		if rest, ok := strings.CutPrefix(field, "http://"); ok {
			host, _, _ := strings.Cut(rest, "/")
			hosts = append(hosts, host)
		}
	}

	return hosts
}
