//go:build root

package e2e_test

import (
	"context"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// exitLocked is what a command ends with that finds the stack locked.
const exitLocked = 5

// oneCommandAtATime replaces two nodes at once: the second command is refused by name. Whoever comes after a command
// that was killed takes its lock over; a lock that is broken ends its command.
func oneCommandAtATime(t *testing.T, s *stack) {
	first := s.replacing("db-2")
	s.refusesWhile("replace db-2")

	require.NoError(t, first.Process.Kill())
	_ = first.Wait()

	out := s.must("lock")
	require.Contains(t, out, "its process is dead")

	out = s.must("replace", "db-2")
	require.Contains(t, out, "takes over the lock of ")
	s.untilHealthy()

	second := s.replacing("web-1")
	out = s.must("lock")
	nonce := regexp.MustCompile(`nonce +(\S+)`).FindStringSubmatch(out)
	require.Len(t, nonce, 2, out)
	s.must("lock", "break", nonce[1])

	var ended *exec.ExitError
	require.ErrorAs(t, second.Wait(), &ended)
	require.Equal(t, exitLocked, ended.ExitCode())

	// What is half done is finished by the same command.
	s.must("replace", "web-1", "--lock-wait", "1m")
	s.untilHealthy()

	out = s.must("lock")
	require.Contains(t, out, "is not locked")
}

// replacing begins to replace a node, and returns once the command has the lock.
func (s *stack) replacing(name string) *exec.Cmd {
	s.t.Helper()

	command := s.command(context.Background(), "replace", name)
	require.NoError(s.t, command.Start())
	s.t.Cleanup(func() { _ = command.Process.Kill() }) // it may have ended

	has := func() bool {
		out, err := s.try("lock")
		return err == nil && strings.Contains(out, "hornero replace "+name)
	}
	require.Eventually(s.t, has, time.Minute, 100*time.Millisecond, "the lock is held")

	return command
}

// refusesWhile tries another command while one has the lock.
func (s *stack) refusesWhile(command string) {
	s.t.Helper()
	before := s.droplets()

	out, err := s.try("replace", "db-3")

	var ended *exec.ExitError
	require.ErrorAs(s.t, err, &ended)
	require.Equal(s.t, exitLocked, ended.ExitCode(), out)

	running := "runs `hornero " + command + "`"
	require.Contains(s.t, out, running)
	require.Contains(s.t, out, "--lock-wait")

	for _, d := range s.droplets() {
		if d.Name == "db-3" {
			require.Contains(s.t, before, d, "nothing was touched")
		}
	}
}
