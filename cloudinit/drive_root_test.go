//go:build root

package cloudinit_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/cloudinit"
)

// The kernel of the machine that tests has not always the filesystems of config drives. Debian's User-Mode Linux has
// them, as modules, as the kernels of its cloud images do; this test's own binary is the first process in it.
const (
	umlMark    = "HORNERO_UML"
	umlModules = "/usr/lib/uml/modules"
	umlTimeout = 90 * time.Second
)

func TestMain(m *testing.M) {
	if os.Getpid() == 1 && os.Getenv(umlMark) != "" {
		inside()
	}

	os.Exit(m.Run())
}

// seen is what the process inside says, as the last line of its console.
type seen struct {
	Source, Data, Address, Problem string
	Tried                          []cloudinit.Attempt
	Mounts                         string
}

func inside() {
	var said seen

	if err := prepare(); err != nil {
		said.Problem = err.Error()
	} else {
		said = lookAround()
	}

	text, _ := json.Marshal(said)
	fmt.Printf("\n%s\n", text)

	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)

	select {}
}

func prepare() error {
	for folder, filesystem := range map[string]string{
		"/dev":  "devtmpfs",
		"/sys":  "sysfs",
		"/proc": "proc",
	} {
		if err := unix.Mount(
			filesystem,
			folder,
			filesystem,
			0,
			"",
		); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s: %w", folder, err)
		}
	}

	for _, name := range []string{
		"fs/nls/nls_cp437.ko", "fs/nls/nls_iso8859-1.ko", "fs/fat/fat.ko", "fs/fat/vfat.ko",
		"drivers/cdrom/cdrom.ko", "fs/isofs/isofs.ko",
	} {
		paths, err := filepath.Glob(filepath.Join(umlModules, "*/kernel", name))
		if err != nil || len(paths) == 0 {
			return fmt.Errorf("find module %s: %v", name, err)
		}

		module, err := os.Open(paths[0])
		if err != nil {
			return err
		}

		if err := unix.FinitModule(int(module.Fd()), "", 0); err != nil {
			return fmt.Errorf("load %s: %w", paths[0], err)
		}
	}

	return nil
}

func lookAround() seen {
	var said seen
	sources := cloudinit.Sources{} // those of a Droplet: there is no network, so that the service does not answer
	found, err := sources.Find(context.Background())
	if err != nil {
		said.Problem = err.Error()
	}

	droplet, err := sources.Describe(context.Background())
	if err == nil {
		said.Address, _ = droplet.VPCAddress()
	}

	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	said.Source, said.Data, said.Tried, said.Mounts = found.Source, string(found.Data), found.Tried, string(mounts)

	return said
}

func unpacked(t *testing.T, name string) string {
	packed, err := os.ReadFile(filepath.Join("testdata/drives", name+".gz"))
	require.NoError(t, err)

	reader, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)

	path := filepath.Join(t.TempDir(), name)
	file, err := os.Create(path)
	require.NoError(t, err)

	_, err = file.ReadFrom(reader)
	require.NoError(t, errors.Join(err, file.Close()))

	return path
}

func boot(t *testing.T, drives ...string) seen {
	uml, err := exec.LookPath("linux.uml")
	require.NoError(t, err, "apt-get install user-mode-linux")

	self, err := os.Executable()
	require.NoError(t, err)

	args := []string{
		"mem=256M",
		"root=/dev/root",
		"rootfstype=hostfs",
		"rootflags=/",
		"ro",
		"init=" + self,
		umlMark + "=1",
		"con=null",
		"con0=fd:0,fd:1",
		"quiet",
	}

	for i, drive := range drives {
		args = append(args, fmt.Sprintf("ubd%dr=%s", i, drive))
	}

	ctx, cancel := context.WithTimeout(t.Context(), umlTimeout)
	defer cancel()

	command := exec.CommandContext(ctx, uml, args...)
	command.Env = append(os.Environ(), "HOME="+t.TempDir()) // it keeps a folder of its own there
	command.WaitDelay = time.Second
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error {
		return syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	}
	out, err := command.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		var said seen
		if strings.HasPrefix(line, `{"Source"`) &&
			json.Unmarshal([]byte(strings.TrimSpace(line)), &said) == nil {
			return said
		}
	}

	require.FailNow(t, "the kernel said nothing", "%v: %s", err, out)

	return seen{}
}

func TestAConfigDriveIsReadByARealKernel(t *testing.T) {
	want, err := os.ReadFile("testdata/forms/plain.in")
	require.NoError(t, err)

	for _, c := range []struct {
		drives           []string
		source, address  string
		problem, mention string
	}{
		{
			drives:  []string{"openstack.iso"},
			source:  "config drive /dev/ubda",
			address: "10.0.0.7",
		},
		{
			drives:  []string{"openstack.vfat"},
			source:  "config drive /dev/ubda",
			address: "10.0.0.7",
		},
		{
			drives:  []string{"digitalocean.iso"},
			source:  "config drive /dev/ubda",
			address: "10.0.0.7",
		},
		{
			drives:  []string{"openstack.iso", "openstack.vfat"},
			source:  "config drive /dev/ubdb",
			address: "10.0.0.7",
		},
		{problem: "no user-data", mention: "no block device is labelled config-2"},
	} {
		t.Run(strings.Join(c.drives, "+"), func(t *testing.T) {
			var paths []string
			for _, drive := range c.drives {
				paths = append(paths, unpacked(t, drive))
			}

			said := boot(t, paths...)
			require.Contains(t, said.Problem, c.problem)
			require.Equal(t, c.source, said.Source, "%+v", said)
			require.Equal(t, c.address, said.Address)
			require.NotContains(t, said.Mounts, "/mnt", "nothing is left mounted")
			require.NotEmpty(t, said.Tried)
			require.Contains(t, said.Tried[0].Problem, "ask metadata service")

			if c.source != "" {
				require.Equal(t, string(want), said.Data)
			} else {
				require.Contains(t, said.Tried[1].Problem, c.mention)
			}
		})
	}
}

func TestNobodyElseSeesTheMount(t *testing.T) {
	folder, image := t.TempDir(), filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.WriteFile(
		filepath.Join(folder, "hello"),
		[]byte("hello"),
		0o644,
	))

	require.NoError(t, os.Symlink("/etc/hostname", filepath.Join(folder, "outside")))
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, 8<<20))
	run(t, "mkfs.ext4", "-q", "-d", folder, image)

	device := run(t, "losetup", "--find", "--show", image)
	t.Cleanup(func() {
		run(t, "losetup", "--detach", device)
	})

	wrong := errors.New("what the reader says")
	err := cloudinit.Mounted(device, "ext4", func(root *os.Root) error {
		text, err := root.ReadFile("hello")
		require.NoError(t, err)
		require.Equal(t, "hello", string(text))
		require.ErrorIs(t, root.WriteFile("hello", nil, 0o644), syscall.EROFS)

		_, err = root.ReadFile("outside")
		require.Error(t, err, "a drive does not lead outside of itself")
		require.NotErrorIs(t, err, fs.ErrNotExist)

		for _, process := range []string{"self", "1"} {
			mounts, err := os.ReadFile(filepath.Join("/proc", process, "mountinfo"))
			require.NoError(t, err)
			require.NotContains(t, string(mounts), device)
		}

		return wrong
	})
	require.ErrorIs(t, err, wrong)

	// Neither a mount of this process nor one of a thread that is still to end holds the device.
	require.Eventually(t, func() bool {
		holder, err := os.OpenFile(device, os.O_RDWR|os.O_EXCL, 0)
		if err == nil {
			holder.Close()
		}

		return err == nil
	}, 5*time.Second, 20*time.Millisecond)

	require.ErrorContains(t,
		cloudinit.Mounted(device, "squashfs", nil),
		"mount "+device+" as squashfs",
	)
}

func run(t *testing.T, args ...string) string {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	require.NoError(t, err, "%v: %s", args, out)
	return strings.TrimSpace(string(out))
}
