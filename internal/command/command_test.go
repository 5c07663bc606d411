package command_test

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/command"
)

func shell(script string) command.Command {
	words := []string{"sh", "-c", script}
	return command.Command{Args: words}
}

// fail runs a command that must fail, and returns how it did.
func fail(t *testing.T, c command.Command) *command.Error {
	t.Helper()
	_, err := command.Run(t.Context(), c)

	var failed *command.Error
	require.ErrorAs(t, err, &failed)

	return failed
}

func TestItReturnsWhatTheProgramSays(t *testing.T) {
	folder := t.TempDir()
	var all bytes.Buffer

	c := shell(`cat; echo "$WORD"; pwd; echo aside >&2`)
	c.Input = "in\n"
	c.Env = []string{"WORD=told"}
	c.Dir = folder
	c.Output = &all

	text, err := command.Run(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, "in\ntold\n"+folder+"\n", text)
	require.Contains(t, all.String(), "aside")
}

func TestAFailureSaysHowAndWhy(t *testing.T) {
	complains := shell("echo 'no such thing' >&2; exit 7")
	failed := fail(t, complains)
	require.Equal(t, 7, failed.ExitCode)
	require.Equal(t, "no such thing", failed.Tail)
	require.ErrorContains(t, failed, "run sh -c 'echo ")

	long := shell("head -c 100000 /dev/zero | tr '\\0' x; echo the end; exit 1")
	failed = fail(t, long)
	kept := strings.HasSuffix(failed.Tail, "the end")
	require.True(t, kept, "what was said last is kept")
	require.Less(t, len(failed.Tail), 3000)

	missing := command.Command{
		Args: []string{"/no/such/program"},
	}
	failed = fail(t, missing)
	require.Equal(t, -1, failed.ExitCode)
}

func TestAFailureShowsNoSecret(t *testing.T) {
	password := strings.Repeat("secret", 400)
	c := shell("head -c 3000 /dev/zero | tr '\\0' x; echo \"$PASSWORD and $PART\"; exit 1")
	c.Env = []string{
		"PASSWORD=" + password,
		"PART=secret",
	}
	c.Hidden = []string{
		"",
		"secret",
		password,
	}

	failed := fail(t, c)
	require.ErrorContains(t, failed, "xxx[hidden] and [hidden]")
	require.NotContains(t, failed.Error(), "secret")
}

var errEnough = errors.New("enough")

func TestTheEndOfTheContextEndsAllThatTheProgramStarted(t *testing.T) {
	begun := time.Now()
	runBriefly(t, "echo $$; sleep 61.7 & wait")
	took := time.Since(begun)
	require.Less(t, took, 4*time.Second)
	requireGone(t, "sleep 61.7")
}

// runBriefly runs a script that the end of its context ends.
func runBriefly(t *testing.T, script string) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errEnough)
	defer cancel()

	_, err := command.Run(ctx, shell(script))
	require.ErrorIs(t, err, errEnough)
}

// requireGone waits until no process has this command line.
func requireGone(t *testing.T, line string) {
	// The kernel takes a moment to end a process that was killed.
	t.Helper()
	pattern := "^" + line + "$"
	gone := func() bool {
		search := exec.Command("pgrep", "-f", pattern)
		return search.Run() != nil
	}
	require.Eventually(t, gone, 10*time.Second, 20*time.Millisecond)
}

func TestWhatIgnoresSIGTERMIsKilled(t *testing.T) {
	runBriefly(t, `sh -c 'trap "" TERM; exec sleep 62.7' >/dev/null 2>&1 & wait`)
	requireGone(t, "sleep 62.7")
}

func TestQuote(t *testing.T) {
	text := command.Quote([]string{
		"echo",
		"plain",
		"two words",
		"it's",
		"",
		"$HOME",
	})
	require.Equal(t, `echo plain 'two words' 'it'\''s' '' '$HOME'`, text)

	out, err := exec.Command("sh", "-c", text).Output()
	require.NoError(t, err)
	require.Equal(t, "plain two words it's  $HOME\n", string(out))
}

func TestBothOutputsReachOneWriterWhole(t *testing.T) {
	const lines = 2000
	var said bytes.Buffer

	c := shell(`i=0; while [ $i -lt 2000 ]; do echo out >&1; echo err >&2; i=$((i+1)); done`)
	c.Output = &said

	_, err := command.Run(t.Context(), c)
	require.NoError(t, err)

	for _, line := range []string{"out\n", "err\n"} {
		count := strings.Count(said.String(), line)
		require.Equal(t, lines, count)
	}
}
