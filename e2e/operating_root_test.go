//go:build root

package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// operatorsReachTheNodes reads logs, logs in and runs commands as docs/operating.md says.
func operatorsReachTheNodes(t *testing.T, s *stack) {
	s.readsJournals()
	s.followsJournals()
	s.runsOnRoles()
	s.logsIn()
	s.movesASiteIn()

	require.Contains(t, s.must("open"), s.address)

	watched := s.follow("healthy", func() {}, "status", "--watch")
	require.Contains(t, watched, "of 7 nodes are healthy")
}

// entry is a line of `hornero logs --json`.
type entry struct {
	Time    time.Time
	Node    string
	Program string
	Message string
}

func (s *stack) readsJournals() {
	s.t.Helper()

	for _, node := range []string{"web-1", "db-1", "web-1"} {
		s.on(node, "logger -t proof mark")
	}

	var read []entry

	printed := s.must(
		"logs",
		"web",
		"db-1",
		"--since",
		"2m",
		"--json",
	)

	for line := range strings.Lines(printed) {
		var one entry
		require.NoError(s.t, json.Unmarshal([]byte(line), &one), line)
		read = append(read, one)
	}

	byTime := func(a, b entry) int {
		return a.Time.Compare(b.Time)
	}
	require.True(s.t, slices.IsSortedFunc(read, byTime))

	var marks []string
	for _, one := range read {
		if one.Program == "proof" {
			marks = append(marks, one.Node)
		}
	}

	require.Equal(s.t, []string{"web-1", "db-1", "web-1"}, marks)

	printed = s.must(
		"logs",
		"proxy",
		"-n",
		"3",
		"--unit",
		"hornero-bootstrap",
	)
	require.Contains(s.t, printed, "  proxy-1  ")
}

// followsJournals sees what is written while it follows, and leaves nothing running on the nodes.
func (s *stack) followsJournals() {
	s.t.Helper()

	write := func() {
		s.on("web-2", "logger -t proof followed")
	}

	seen := s.follow("followed", write, "logs", "web", "-f")
	require.Contains(s.t, seen, "  web-2  proof")

	// A process of the reader's name; grep itself exits with 1 when there is none.
	none := func() bool {
		out, _ := s.try("exec", "web", "--", "sh", "-c", "grep -slx journalctl /proc/[0-9]*/comm")
		return strings.TrimSpace(out) == ""
	}
	require.Eventually(s.t, none, 10*time.Second, time.Second)
}

// follow runs a command that has no end until a line holds a text, presses Ctrl-C, and returns what it printed. The
// command has begun with its first line; then something is done.
func (s *stack) follow(until string, begun func(), args ...string) string {
	s.t.Helper()

	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()

	command := s.command(ctx, args...)
	output, err := command.StdoutPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, command.Start())

	var printed strings.Builder
	scanner := bufio.NewScanner(output)
	interrupted := false

	for scanner.Scan() {
		if printed.Len() == 0 {
			begun()
		}

		printed.WriteString(scanner.Text() + "\n")

		// Once: the second Ctrl-C is for programs that do not heed the first.
		if !interrupted && strings.Contains(scanner.Text(), until) {
			interrupted = true
			require.NoError(s.t, command.Process.Signal(os.Interrupt))
		}
	}

	require.NoError(s.t, command.Wait(), "Ctrl-C is how it is meant to end")
	require.True(s.t, interrupted, printed.String())

	return printed.String()
}

func (s *stack) runsOnRoles() {
	s.t.Helper()

	lines := strings.Fields(s.must("exec", "web", "--", "hostname"))
	slices.Sort(lines)
	require.Equal(s.t, []string{"web-1", "web-1:", "web-2", "web-2:"}, lines)

	line := `test "$(hostname)" != db-2 || exit 7`
	out, err := s.try("exec", "db", "--json", "--", "sh", "-c", line)
	require.Equal(s.t, 7, exitCode(err))
	require.Contains(s.t, out, `{"node":"db-2","code":7,"stdout":"","stderr":""}`)
	require.Equal(s.t, 3, strings.Count(out, "\n"))
}

func (s *stack) logsIn() {
	s.t.Helper()

	s.requireTerminal("exec", "web-1", "-t", "--")

	if _, err := exec.LookPath("ssh"); err != nil {
		s.t.Log("this machine has no ssh: `hornero ssh` is not tried")
		return
	}

	require.Equal(s.t, "web-2", strings.TrimSpace(s.must("ssh", "web-2", "--", "hostname")))

	_, err := s.try("ssh", "web-2", "--", "sh", "-c", "exit 7")
	require.Equal(s.t, 7, exitCode(err))

	s.requireTerminal("ssh", "web-1", "-t", "--")
}

// requireTerminal runs a command on a terminal of its own, whose size the node must know.
func (s *stack) requireTerminal(args ...string) {
	s.t.Helper()

	hornero := s.command(s.t.Context(), append(args, "stty", "size")...)
	line := "stty rows 33 cols 77; exec " + strings.Join(hornero.Args, " ")

	command := exec.CommandContext(
		s.t.Context(),
		"script",
		"--quiet",
		"--return",
		"--command",
		line,
		"/dev/null",
	)
	command.Env = append(slices.Clone(hornero.Env), "TERM=xterm")
	out, err := command.CombinedOutput()

	require.NoError(s.t, err, string(out))
	require.Contains(s.t, string(out), "33 77", args)
}

// exitCode is what a program ended with; -1 when it did not run.
func exitCode(err error) int {
	var failed *exec.ExitError

	switch {
	case err == nil:
		return 0
	case errors.As(err, &failed):
		return failed.ExitCode()
	}

	return -1
}
