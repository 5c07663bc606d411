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

// holding runs a program in a group of its own, beneath another.
func holding(t *testing.T, args ...string) (cgroup.Group, *exec.Cmd) {
	above, err := cgroup.Hierarchy()
	require.NoError(t, err)
	require.NotEmpty(t, above, "this machine has cgroup v2")

	group := cgroup.Group(filepath.Join(above, "hornero-test-"+strconv.Itoa(os.Getpid())))
	inner := cgroup.Group(filepath.Join(string(group), "inner"))
	require.NoError(t, inner.Make())

	folder, err := os.Open(string(inner))
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

func TestEverythingInAGroupStandsStillAndEnds(t *testing.T) {
	group, program := holding(t, "sh", "-c", "sleep 1000 & sleep 1000")
	require.Eventually(t,
		func() bool {
			return len(group.Processes()) == 3
		},
		5*time.Second,
		10*time.Millisecond,
		"the shell and what it started",
	)

	require.True(t, group.Populated())
	require.Error(t, group.Remove(), "it is not empty")

	require.NoError(t, group.Freeze(t.Context(), true))
	require.True(t, group.Frozen())
	require.NoError(t, group.Freeze(t.Context(), false))
	require.False(t, group.Frozen())
	require.NoError(t, group.Freeze(t.Context(), true))

	require.NoError(t, group.Kill(t.Context()), "also what stands still")
	require.False(t, group.Populated())
	require.Error(t, program.Wait())
	require.NoError(t, group.Remove())
	require.NoDirExists(t, string(group))
	require.NoError(t, group.Kill(t.Context()), "one that is not there has nothing to end")
	require.NoError(t, group.Remove())
}

func TestTheInitOfAContainerIsFound(t *testing.T) {
	group, _ := holding(t, "unshare", "--pid", "--fork", "sleep", "1000")
	var pid int
	require.Eventually(t, func() bool {
		found, ok := group.Init(1)
		pid = found
		return ok
	}, 5*time.Second, 10*time.Millisecond)

	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	require.NoError(t, err)
	require.Contains(t, string(line), "sleep")

	_, ok := group.Init(2)
	require.False(t, ok, "it is in one more, not two")
	require.NoError(t, group.Kill(t.Context()))
}

// What does not end in time is told with why nobody waits any longer.
func TestAWaitHasACause(t *testing.T) {
	group, _ := holding(t, "sleep", "1000")
	gone := errors.New("nobody waits")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 0, gone)
	defer cancel()

	require.NoError(t, group.Freeze(t.Context(), true))

	err := group.Kill(ctx)
	if err != nil { // the kernel may be quicker
		require.ErrorIs(t, err, gone)
	}

	require.NoError(t, group.Kill(t.Context()))
}
