//go:build root

package cgroup_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/cgroup"
)

// groupOf runs a program in a group beneath another, and returns the outer one.
func groupOf(t *testing.T, args ...string) (cgroup.Group, *exec.Cmd) {
	above, err := cgroup.Hierarchy()
	require.NoError(t, err)
	require.NotEmpty(t, above, "this machine has cgroup v2")

	number := strconv.Itoa(os.Getpid())
	outer := filepath.Join(above, "hornero-test-"+number)
	inner := filepath.Join(outer, "inner")
	group := cgroup.Group(outer)

	// In a group of its own beneath the other, as a guest's systemd makes them.
	require.NoError(t, cgroup.Group(inner).Make())

	folder, err := os.Open(inner)
	require.NoError(t, err)
	defer folder.Close()

	program := exec.Command(args[0], args[1:]...)
	program.SysProcAttr = &syscall.SysProcAttr{
		UseCgroupFD: true,
		CgroupFD:    int(folder.Fd()),
	}

	require.NoError(t, program.Start())
	t.Cleanup(func() {
		program.Process.Kill()
		program.Wait()
		require.NoError(t, group.Remove())
	})

	return group, program
}

func TestEverythingInAGroupIsFrozenAndKilled(t *testing.T) {
	group, program := groupOf(t, "sh", "-c", "sleep 1000 & sleep 1000")
	started := func() bool { return len(group.Processes()) == 3 }
	require.Eventually(t, started, 5*time.Second, 10*time.Millisecond, "the shell and what it started")

	require.True(t, group.Populated())
	require.Error(t, group.Remove(), "it is not empty")

	for _, frozen := range []bool{true, false, true} {
		freeze(t, group, frozen)
		require.Equal(t, frozen, group.Frozen())
	}

	kill(t, group) // although it is frozen
	require.False(t, group.Populated())
	require.Error(t, program.Wait())

	remove(t, group)
	require.NoDirExists(t, string(group))

	// A group that is gone has nothing to kill.
	kill(t, group)
	remove(t, group)
}

func freeze(t *testing.T, group cgroup.Group, frozen bool) {
	t.Helper()
	err := group.Freeze(t.Context(), frozen)
	require.NoError(t, err)
}

func kill(t *testing.T, group cgroup.Group) {
	t.Helper()
	err := group.Kill(t.Context())
	require.NoError(t, err)
}

func remove(t *testing.T, group cgroup.Group) {
	t.Helper()
	err := group.Remove()
	require.NoError(t, err)
}

func TestTheInitOfAContainerIsFound(t *testing.T) {
	group, _ := groupOf(t, "unshare", "--pid", "--fork", "sleep", "1000")

	var pid int
	started := func() bool {
		found, ok := group.Init(1)
		pid = found

		return ok
	}
	require.Eventually(t, started, 5*time.Second, 10*time.Millisecond)

	number := strconv.Itoa(pid)
	line, err := os.ReadFile("/proc/" + number + "/cmdline")
	require.NoError(t, err)
	require.Contains(t, string(line), "sleep")

	_, ok := group.Init(2)
	require.False(t, ok, "it is in one more, not two")
	kill(t, group)
}

// A wait that ends too early says why it ended.
func TestAWaitHasACause(t *testing.T) {
	group, _ := groupOf(t, "sleep", "1000")
	gone := errors.New("nobody waits")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 0, gone)
	defer cancel()

	freeze(t, group, true)

	err := group.Kill(ctx)
	if err != nil { // the kernel may be quicker
		require.ErrorIs(t, err, gone)
	}

	kill(t, group)
}
