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
	return command.Command{Args: []string{"sh", "-c", script}}
}

func TestItReturnsWhatTheProgramSays(t *testing.T) {
	c := shell(`cat; echo "$WORD"; pwd; echo aside >&2`)
	folder := t.TempDir()
	var all bytes.Buffer
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
	_, err := command.Run(t.Context(), shell("echo 'no such thing' >&2; exit 7"))
	var failed *command.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 7, failed.ExitCode)
	require.Equal(t, "no such thing", failed.Tail)
	require.ErrorContains(t, err, "run sh -c 'echo ")

	_, err = command.Run(
		t.Context(),
		shell("head -c 100000 /dev/zero | tr '\\0' x; echo the end; exit 1"),
	)
	require.ErrorAs(t, err, &failed)
	require.True(t, strings.HasSuffix(failed.Tail, "the end"), "what was said last is kept")
	require.Less(t, len(failed.Tail), 3000)

	_, err = command.Run(t.Context(), command.Command{Args: []string{"/no/such/program"}})
	require.ErrorAs(t, err, &failed)
	require.Equal(t, -1, failed.ExitCode)
}

func TestAFailureShowsNoSecret(t *testing.T) {
	c := shell("head -c 3000 /dev/zero | tr '\\0' x; echo \"$PASSWORD and $PART\"; exit 1")
	c.Env, c.Hidden = []string{
		"PASSWORD=" + strings.Repeat("secret", 400),
		"PART=secret",
	}, []string{"", "secret", strings.Repeat("secret", 400)}

	_, err := command.Run(t.Context(), c)
	require.ErrorContains(t, err, "xxx[hidden] and [hidden]")
	require.NotContains(t, err.Error(), "secret")
}

var errEnough = errors.New("enough")

func TestTheEndOfTheContextEndsAllThatTheProgramStarted(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errEnough)
	defer cancel()

	begun := time.Now()
	_, err := command.Run(ctx, shell("echo $$; sleep 61.7 & wait"))
	require.ErrorIs(t, err, errEnough)
	require.Less(t, time.Since(begun), 4*time.Second)

	require.Eventually(t,
		func() bool {
			return exec.Command("pgrep", "-f", "^sleep 61.7$").Run() != nil
		},
		5*time.Second,
		20*time.Millisecond,
		"its child is gone, too",
	)
}

func TestWhatDoesNotMindBeingAskedIsKilled(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errEnough)
	defer cancel()

	_, err := command.Run(ctx,
		shell(`sh -c 'trap "" TERM; exec sleep 62.7' >/dev/null 2>&1 & wait`),
	)
	require.ErrorIs(t, err, errEnough)

	require.Eventually(t,
		func() bool {
			return exec.Command("pgrep", "-f", "^sleep 62.7$").Run() != nil
		},
		10*time.Second,
		20*time.Millisecond,
		"it is gone",
	)
}

func TestQuote(t *testing.T) {
	text := command.Quote([]string{"echo", "plain", "two words", "it's", "", "$HOME"})
	require.Equal(t, `echo plain 'two words' 'it'\''s' '' '$HOME'`, text)

	out, err := exec.Command("sh", "-c", text).Output()
	require.NoError(t, err)
	require.Equal(t, "plain two words it's  $HOME\n", string(out))
}

func TestBothOutputsReachOneWriterWhole(t *testing.T) {
	const lines = 2000
	c := shell(`i=0; while [ $i -lt 2000 ]; do echo out >&1; echo err >&2; i=$((i+1)); done`)
	var said bytes.Buffer
	c.Output = &said
	_, err := command.Run(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, lines, strings.Count(said.String(), "out\n"))
	require.Equal(t, lines, strings.Count(said.String(), "err\n"))
}
