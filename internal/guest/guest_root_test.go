//go:build root

package guest_test

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/guest"
)

// newGuest is a system of one program, which is its PID 1.
func newGuest(t *testing.T) (pid int) {
	cmd := exec.Command("sleep", "120")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}

	require.NoError(t, cmd.Start())

	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})

	return cmd.Process.Pid
}

func TestAProgramInAGuest(t *testing.T) {
	pid := newGuest(t)
	out, err := command.Run(
		t.Context(),
		command.Command{Args: guest.Enter(pid,
			"sh",
			"-c",
			`hostname in-a-guest; hostname; echo $$ "$1"`,
			"sh",
			"two words",
		)},
	)
	require.NoError(t, err)

	own, err := os.Hostname()
	require.NoError(t, err)
	require.NotEqual(t, "in-a-guest", own)

	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Equal(t, "in-a-guest", lines[0])

	number, said, _ := strings.Cut(lines[1], " ")
	require.Equal(t, "two words", said)

	inside, err := strconv.Atoi(number)
	require.NoError(t, err)
	require.Less(t, inside, 10, "its number is the guest's")

	var failed *command.Error
	_, err = command.Run(t.Context(), command.Command{Args: guest.Enter(pid, "sh", "-c", "exit 7")})
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 7, failed.ExitCode)
}

// A guest's shutdown stops all its processes, then kills them.
func TestAGuestThatShutsDownHoldsNobody(t *testing.T) {
	pid := newGuest(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	args := guest.Enter(pid, "sh", "-c", "kill -STOP $$; sleep 60")
	inside := exec.CommandContext(ctx, args[0], args[1:]...)
	require.NoError(t, inside.Start())

	ended := make(chan error, 1)
	go func() { ended <- inside.Wait() }()

	require.Eventually(t,
		func() bool {
			return stopped(t, inside.Process.Pid)
		},
		10*time.Second,
		10*time.Millisecond,
		"the program stops",
	)

	// The end of PID 1 kills the whole guest, the stopped program included.
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))

	select {
	case err := <-ended:
		require.Error(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("what entered the guest outlives it")
	}
}

// stopped is whether a child of a process is stopped.
func stopped(t *testing.T, parent int) bool {
	of := strconv.Itoa(parent)
	children, err := os.ReadFile("/proc/" + of + "/task/" + of + "/children")
	require.NoError(t, err)

	for _, child := range strings.Fields(string(children)) {
		status, err := os.ReadFile("/proc/" + child + "/status")
		if err == nil && strings.Contains(string(status), "State:\tT") {
			return true
		}
	}

	return false
}
