//go:build root

package rootfs_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/builder/rootfs"
)

const within = 20 * time.Second

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "sleep-in-jail" {
		fmt.Fprintln(os.Stderr, rootfs.Sleep())
		os.Exit(1)
	}

	os.Exit(m.Run())
}

// descendants lists the processes beneath one, whichever of its threads started them.
func descendants(pid int) (found []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))

	for _, task := range tasks {
		text, _ := os.ReadFile(task)

		for field := range strings.FieldsSeq(string(text)) {
			child, err := strconv.Atoi(field)
			if err == nil {
				found = append(append(found, child), descendants(child)...)
			}
		}
	}

	return found
}

// runs tells whether one of the processes is of that name.
func runs(name string, pids []int) bool {
	return slices.ContainsFunc(pids, func(pid int) bool {
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))

		return strings.TrimSpace(string(comm)) == name
	})
}

func alive(pids []int) (living []int) {
	for _, pid := range pids {
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil &&
			!strings.Contains(string(stat), ") Z ") {
			living = append(living, pid)
		}
	}

	return living
}

// Whoever is killed, nothing that he started goes on, and nothing that it mounted is seen.
func TestAJailEndsWithItsMaker(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)

	maker := exec.Command(program, "sleep-in-jail")
	require.NoError(t, maker.Start())

	var started []int

	// Until its program runs, unshare's child may not have asked yet to be killed with its parent.
	asleep := func() bool {
		started = descendants(maker.Process.Pid)

		return runs("sleep", started)
	}
	require.Eventually(t, asleep, within, 10*time.Millisecond)

	require.NoError(t, maker.Process.Signal(syscall.SIGKILL))

	// Its error is the kill itself.
	_ = maker.Wait()

	gone := func() bool { return len(alive(started)) == 0 }
	require.Eventually(t, gone, within, 10*time.Millisecond)

	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	require.NotContains(t, string(mounts), " /mnt ")
}

func TestTheDiskHoldsTheFolderAsItIs(t *testing.T) {
	root, disk := t.TempDir(), filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755))

	ping := filepath.Join(root, "usr/bin/ping")
	require.NoError(t, os.WriteFile(ping, []byte("ping"), 0o755))
	require.NoError(t, os.Lchown(ping, 12, 34))
	require.NoError(t, unix.Setxattr(ping, "user.mark", []byte("kept"), 0))
	require.NoError(t, os.Symlink("usr/bin", filepath.Join(root, "bin")))
	require.NoError(t, newDisk().Partition(t.Context(), disk))
	require.NoError(t, newDisk().Fill(t.Context(), root, disk))

	system := filepath.Join(t.TempDir(), "system")
	shell(t, `dd if="$1" of="$2" bs=1M skip=1 status=none; e2fsck -fn "$2"`, disk, system)

	said := shell(t, `
		debugfs -R "stat /usr/bin/ping" "$1" 2>/dev/null
		debugfs -R "ea_get /usr/bin/ping user.mark" "$1" 2>&1
		debugfs -R "stat /bin" "$1" 2>/dev/null
		tune2fs -l "$1"`, system)

	for _, want := range []string{
		"User:    12   Group:    34",
		"kept",
		`Fast link dest: "usr/bin"`,
		"Filesystem UUID:          " + newDisk().UUID,
	} {
		require.Contains(t, said, want)
	}

	require.NotContains(t, said, "orphan_file")
	require.NotContains(t, said, "metadata_csum_seed")
}

func TestASystemThatDoesNotFitIsToldSo(t *testing.T) {
	root, disk := t.TempDir(), filepath.Join(t.TempDir(), "disk")
	large := bytes.Repeat([]byte("full"), rootfs.LeastSize/4)
	require.NoError(t, os.WriteFile(filepath.Join(root, "large"), large, 0o600))
	require.NoError(t, newDisk().Partition(t.Context(), disk))

	err := newDisk().Fill(t.Context(), root, disk)
	require.ErrorIs(t, err, rootfs.ErrTooSmall)
	require.ErrorContains(t, err, "give it a larger size")
}

func TestAFolderWithAMountInItIsNotRemoved(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "work")
	below := filepath.Join(folder, "below")
	require.NoError(t, os.MkdirAll(below, 0o755))
	require.NoError(t, unix.Mount("none", below, "tmpfs", 0, ""))
	defer unix.Unmount(below, unix.MNT_DETACH)

	require.NoError(t, os.WriteFile(filepath.Join(below, "theirs"), nil, 0o600))
	require.ErrorContains(t, rootfs.Remove(folder), "is mounted: unmount it")
	require.FileExists(t, filepath.Join(below, "theirs"))
	require.NoError(t, unix.Unmount(below, 0))
	require.NoError(t, rootfs.Remove(folder))
	require.NoDirExists(t, folder)
}

// A machine that does not boot leaves neither process nor cgroup, and neither does one whose maker was killed.
func TestAMachineThatDoesNotBootLeavesNothing(t *testing.T) {
	_, err := rootfs.Boot(t.Context(), t.TempDir(), "dead-one", "nobody")
	require.ErrorIs(t, err, rootfs.ErrNoBoot)

	find := `find /sys/fs/cgroup -ignore_readdir_race -name 'dead-*'`
	require.Empty(t, shell(t, find))

	_, err = rootfs.Boot(t.Context(), "/nowhere", "dead-two", "nobody")
	require.Error(t, err)

	dead := func(name string) bool { return strings.HasPrefix(name, "dead-") }
	require.NoError(t, rootfs.Sweep(dead))
	require.Empty(t, shell(t, find))
}

func shell(t *testing.T, script string, args ...string) string {
	t.Helper()

	text, err := exec.CommandContext(
		t.Context(),
		"sh",
		append([]string{"-ec", script, "sh"}, args...)...,
	).CombinedOutput()
	require.NoError(t, err, "%s", text)

	return string(text)
}
