package fleet_test

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/roles"
)

// exec runs a command on what has a name, and forgets what ran before.
func (w *world) exec(name string, stdin io.Reader) outcome {
	w.set(func() { w.ran = nil })

	var stdout, stderr bytes.Buffer
	code, err := w.fleet().Exec(w.t.Context(), name, "look", stdin, &stdout, &stderr)

	return outcome{
		code:   code,
		stdout: stdout.String(),
		stderr: stderr.String(),
		err:    err,
	}
}

func TestACommandRunsOnANodeOrOnARole(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	got := w.exec("web-2", strings.NewReader("input"))
	require.NoError(t, got.err)
	require.Equal(t, "one\ntwo", got.stdout, "as it is")
	require.Equal(t, []string{"web-2: look <input"}, w.ran)

	w.exits = map[string]uint32{"db-2": 4, "db-3": 5}
	got = w.exec("db", nil)
	require.NoError(t, got.err)
	require.Equal(t, 4, got.code, "the first that is not 0, whoever was the first to end")
	require.ElementsMatch(t, []string{
		"db-1: look <",
		"db-2: look <",
		"db-3: look <",
	}, w.ran)

	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	require.ElementsMatch(t, []string{
		"db-1: one",
		"db-1: two",
		"db-2: one",
		"db-2: two",
		"db-3: one",
		"db-3: two",
	}, lines)
	require.Equal(t, 3, strings.Count(got.stderr, ": aside\n"))

	// Each node is given the whole of the input.
	w.exec("web", strings.NewReader("input"))
	require.ElementsMatch(t, []string{
		"web-1: look <input",
		"web-2: look <input",
	}, w.ran)

	got = w.exec("wed", nil)
	require.EqualError(t, got.err, `the stack blog has no node or role "wed"; did you mean "web"?`)
	require.Empty(t, w.ran)
}

func TestACommandRunsOnWhatStackYAMLNamesNoMore(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	w.config.Stack.Nodes[2].Count = 1

	require.NoError(t, w.exec("web-2", nil).err)
	require.Equal(t, []string{"web-2: look <"}, w.ran)
}

func TestANodeWithoutADropletKeepsACommandFromNoOther(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	w.destroyDroplet("db-2", 6)
	w.awaitDroplets(6)

	got := w.exec("db", nil)
	require.EqualError(t, got.err, "run on db-2: "+fleet.ErrNoDroplet.Error())
	require.ElementsMatch(t, []string{
		"db-1: look <",
		"db-3: look <",
	}, w.ran)
	require.ErrorIs(t, w.exec("db-2", nil).err, fleet.ErrNoDroplet)

	w.exits = map[string]uint32{"db-3": 5}
	var executed []fleet.Executed

	code, err := w.fleet().ExecEach(t.Context(), "db", "look", nil, func(one fleet.Executed) error {
		executed = append(executed, one)
		return nil
	})
	require.ErrorIs(t, err, fleet.ErrNoDroplet)
	require.Equal(t, 5, code)

	slices.SortFunc(executed, func(a, b fleet.Executed) int { return strings.Compare(a.Node, b.Node) })
	require.Len(t, executed, 3)
	require.Equal(t, fleet.Executed{
		Node:   "db-1",
		Stdout: "one\ntwo",
		Stderr: "aside\n",
	}, executed[0])
	require.Equal(t, fleet.ErrNoDroplet.Error(), executed[1].Error)
	require.Equal(t, 5, executed[2].Code)
}

func TestACommandHasATerminal(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	resized := make(chan os.Signal, 1)
	size := fleet.TerminalSize{Columns: 100, Rows: 30}
	raw := 0

	w.config.Terminal = &fleet.Terminal{
		Type:    "xterm",
		Size:    func() fleet.TerminalSize { return size },
		Resized: resized,
		Raw: func() (func(), error) {
			raw++
			return func() { raw-- }, nil
		},
	}

	// The command reads until the typist has seen the new size arrive.
	input, typist := io.Pipe()

	go func() {
		_, _ = typist.Write([]byte("typed"))
		resized <- unix.SIGWINCH

		require.Eventually(t, func() bool {
			w.mutex.Lock()
			defer w.mutex.Unlock()

			return slices.Contains(w.ran, "web-1: terminal 100x30")
		}, waitLimit, waitTick)

		typist.Close()
	}()

	got := w.exec("web-1", input)
	require.NoError(t, got.err)
	require.Contains(t, w.ran, "web-1: terminal xterm 100x30")
	require.Contains(t, w.ran, "web-1: look <typed")
	require.Zero(t, raw, "the terminal is what it was")

	require.ErrorIs(t, w.exec("web", nil).err, fleet.ErrSeveralNodes)

	// A role's command has it only where its manifest wants one.
	command := roles.Command{Name: "look", Run: []string{"look"}}
	require.NoError(t, w.run("web", command).err)
	require.Equal(t, []string{"web-1: look <"}, w.ran)

	command.Input = roles.InputTerminal
	require.NoError(t, w.run("web", command).err)
	require.Equal(t, []string{
		"web-1: terminal xterm 100x30",
		"web-1: look <input",
	}, w.ran)
}
