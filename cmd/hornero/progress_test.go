package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

// runLong runs a long command of the stack in this folder that does some work, and returns what it wrote.
func runLong(t *testing.T, work func(cmd *cobra.Command) error, arguments ...string) said {
	t.Helper()

	file := "stack.yaml"
	root := &cobra.Command{Use: "hornero", SilenceErrors: true, SilenceUsage: true}
	var timeout time.Duration

	command := &cobra.Command{
		Use:  "mend",
		RunE: func(cmd *cobra.Command, _ []string) error { return work(cmd) },
	}
	timeoutFlag(command, &timeout)
	root.AddCommand(changing(&file, command))

	var stdout, stderr bytes.Buffer
	root.SetArgs(append([]string{"mend"}, arguments...))
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	err := root.ExecuteContext(t.Context())

	return said{
		code:   int(outcomeOf(t.Context(), err)),
		stdout: stdout.String(),
		stderr: stderr.String(),
	}
}

// mend tells of a node, of the whole, and prints a result.
func mend(cmd *cobra.Command) error {
	fmt.Fprintln(cmd.ErrOrStderr(), "  1.5 s  api-1: starting")
	fmt.Fprintln(cmd.ErrOrStderr(), "role api: to be replaced: api-1")
	fmt.Fprint(cmd.ErrOrStderr(), "Go on? ")
	fmt.Fprintln(cmd.OutOrStdout(), "http://192.0.2.1/")

	return fmt.Errorf("mend: %w", fleet.ErrUnsafe)
}

func TestALongCommandTellsPlainLines(t *testing.T) {
	toolStack(t)

	got := runLong(t, mend)
	require.Equal(t, said{
		code:   int(exitUnsafe),
		stdout: "http://192.0.2.1/\n",
		stderr: "  1.5 s  api-1: starting\nrole api: to be replaced: api-1\nGo on? ",
	}, got)
}

func TestALongCommandTellsJSON(t *testing.T) {
	folder := toolStack(t)

	got := runLong(t, mend, "--json", "--timeout=1m")
	require.Equal(t, int(exitUnsafe), got.code)
	require.Equal(t, "Go on? ", got.stderr, "a question is for a person")

	var events []progressEvent

	for line := range strings.Lines(got.stdout) {
		var event progressEvent
		require.NoError(t, json.Unmarshal([]byte(line), &event))
		require.WithinDuration(t, time.Now(), event.Time, time.Minute)

		event.Time = time.Time{}
		events = append(events, event)
	}

	code := int(exitUnsafe)
	require.Equal(t, []progressEvent{
		{
			Version: 1,
			Event:   "begin",
			Command: []string{"hornero", "mend", "--json=true", "--timeout=1m0s"},
			Stack:   "shop",
			File:    filepath.Join(folder, "stack.yaml"),
		},
		{Event: "line", Node: "api-1", Text: "starting"},
		{Event: "line", Text: "role api: to be replaced: api-1"},
		{Event: "result", Text: "http://192.0.2.1/"},
		{Event: "end", Code: &code, Error: "mend: " + fleet.ErrUnsafe.Error()},
	}, events)
}

func TestALongCommandDrawsABlock(t *testing.T) {
	var out, result bytes.Buffer

	p := &progress{
		stdout: &result,
		stderr: &out,
		groups: []string{"api"},
		said:   map[string]string{},
		block: &block{
			out:  &out,
			size: func() fleet.TerminalSize { return fleet.TerminalSize{Columns: 80, Rows: 24} },
		},
		begin: progressEvent{
			Time:    time.Now(),
			Command: []string{"hornero", "up"},
			Stack:   "shop",
		},
	}

	stderr := progressErr{p}
	fmt.Fprintln(stderr, "  1.5 s  api-1: starting")
	fmt.Fprintln(stderr, "VPC made")
	fmt.Fprint(stderr, "Go on? ")
	p.redraw(briefly(t))
	fmt.Fprintln(stderr, "api-1: serving")
	fmt.Fprintln(progressOut{p}, "http://192.0.2.1/")
	p.end(t.Context(), nil)

	const up = "up shop: 0s\n"
	text := strings.NewReplacer("up shop: 1s\n", up, "up shop: 2s\n", up).Replace(out.String())

	require.Equal(t, ""+
		"  api-1  starting\n"+up+
		"\x1b[2A\r\x1b[JVPC made\n"+
		"  api-1  starting\n"+up+
		"\x1b[2A\r\x1b[JGo on? "+
		"  api-1  serving\n"+up+
		"\x1b[2A\r\x1b[J  api-1  serving\n"+up, text)
	require.Equal(t, "http://192.0.2.1/\n", result.String())
}

// briefly is a context that outlasts one drawing of a block.
func briefly(t *testing.T) context.Context {
	ctx, stop := context.WithTimeout(t.Context(), 1100*time.Millisecond)
	t.Cleanup(stop)

	return ctx
}

func TestRunsAreKept(t *testing.T) {
	folder := toolStack(t)

	require.Contains(t, hornero(t, "runs", "show", "last").stderr, "there is no run of this stack yet")

	runLong(t, mend)
	runLong(t, func(*cobra.Command) error { return nil })

	got := hornero(t, "runs")
	require.Zero(t, got.code, got.stderr)

	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	require.Len(t, lines, 3)
	require.Regexp(t, `^     1  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d     0\.\d s     4  hornero mend$`, lines[1])
	require.Regexp(t, `^     2  .*     0  hornero mend$`, lines[2])

	got = hornero(t, "runs", "show", "1")
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stdout, filepath.Join(folder, "stack.yaml")+": hornero mend\n")
	require.Contains(t, got.stdout, " s  api-1: starting\n")
	require.Contains(t, got.stdout, " s  Go on? \n")
	require.Contains(t, got.stdout, " s  http://192.0.2.1/\n")
	require.Contains(t, got.stdout, " s  exit 4: mend: not safe now\n")

	require.Contains(t, hornero(t, "runs", "show", "last").stdout, " s  exit 0\n")
	require.Contains(t, hornero(t, "runs", "show", "7").stderr, `there is no run "7"; say last, or a number`)
	require.Contains(t, hornero(t, "__complete", "runs", "show", "").stdout, "last\n2\thornero mend\n1\thornero mend\n")

	info, err := os.Stat(filepath.Join(folder, "state", "hornero", "shop", "runs", "000001.jsonl"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

func TestOnlyTheLastRunsAreKept(t *testing.T) {
	toolStack(t)

	for range keptRuns + 3 {
		runLong(t, func(*cobra.Command) error { return nil })
	}

	folder, err := runsFolder("shop")
	require.NoError(t, err)
	numbers, err := runNumbers(folder)
	require.NoError(t, err)
	require.Len(t, numbers, keptRuns)
	require.Equal(t, keptRuns+3, numbers[keptRuns-1])
}

func TestARunThatWasKilledHasNoEnd(t *testing.T) {
	toolStack(t)

	record, err := beginRecord("shop")
	require.NoError(t, err)
	record.write(progressEvent{Event: progressBegin, Command: []string{"hornero", "up"}})
	_, err = record.file.WriteString(`{"event":"li`)
	require.NoError(t, err)
	record.close()

	require.Contains(t, hornero(t, "runs").stdout, "     -  hornero up\n")
	require.Contains(t, hornero(t, "runs", "--json").stdout, `"code": null`)
}

func TestARunThatCannotBeKeptRunsAllTheSame(t *testing.T) {
	toolStack(t)
	t.Setenv("XDG_STATE_HOME", "/dev/null")

	got := runLong(t, func(*cobra.Command) error { return errors.New("no") })
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "hornero runs will not have this run: ")
}
