package fleet_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/roles"
)

// outcome is what a command of a role did.
type outcome struct {
	code   int
	stdout string
	stderr string
	err    error
}

// run runs a command of a role with some standard input, and forgets what ran before.
func (w *world) run(role string, command roles.Command, words ...string) outcome {
	w.set(func() { w.ran = nil })

	var stdout, stderr bytes.Buffer
	input := strings.NewReader("input")
	code, err := w.fleet().Command(w.t.Context(), role, command, words, input, &stdout, &stderr)

	return outcome{
		code:   code,
		stdout: stdout.String(),
		stderr: stderr.String(),
		err:    err,
	}
}

func TestTheDatabasesCommandRunsOnTheWriter(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	commands := w.config.Manifests["db"].Commands
	require.Equal(t, "db", commands[0].Name)

	w.writers = []string{"db-2"}
	w.exits = map[string]uint32{"db-2": 3}
	got := w.run("db", commands[0], "--table", "it's")
	require.NoError(t, got.err)
	require.Equal(t, 3, got.code)
	require.Equal(t, "one\ntwo", got.stdout)
	require.Equal(t, "aside\n", got.stderr)
	require.Equal(t, []string{`db-2: /usr/lib/hornero/hornero-db sql --table 'it'\''s' <input`}, w.ran)

	// The lease may still be with a node that cannot take writes any more.
	w.set(func() { w.unhealthy["db-2"] = true })
	got = w.run("db", commands[0])
	require.ErrorIs(t, got.err, fleet.ErrNoWriter)
	require.ErrorContains(t, got.err, "run db: no node holds the lease \"writer\" of role db now; `hornero status`")
	require.Empty(t, w.ran)
}

func TestACommandUnderALeaseRunsOnItsHolder(t *testing.T) {
	t.Parallel()

	w := newAPIWorld(t, apiText)
	w.mustUp()

	for name, c := range map[string]struct {
		leases map[string]string
		lost   bool
		lease  string
		ran    []string
		err    error
		says   string
	}{
		"by the role's name": {
			leases: map[string]string{
				"api.clean": "late-1",
				"clean":     "api-1",
				"db.clean":  "api-2",
			},
			lease: "clean",
			ran:   []string{"late-1: greet <"},
		},
		"by the name that the manifest gives it": {
			leases: map[string]string{
				"old-report": "api-2",
				"api.report": "api-1",
			},
			lease: "report",
			ran:   []string{"api-2: greet <"},
		},
		"a writer that is no database's": {
			leases: map[string]string{
				"api.writer": "api-2",
				"writer":     "db-1",
			},
			lease: "writer",
			ran:   []string{"api-2: greet <"},
		},
		"nobody holds it": {
			leases: map[string]string{"writer": "db-1"},
			lease:  "report",
			err:    fleet.ErrNoWriter,
			says:   `no node holds the lease "old-report" of role api now; `,
		},
		"nobody knows who holds it": {
			leases: map[string]string{"api.clean": "late-1"},
			lost:   true,
			lease:  "clean",
			err:    fleet.ErrNoWriter,
			says:   `no node holds the lease "api.clean" of role api now; `,
		},
		"its holder is gone": {
			leases: map[string]string{"api.clean": "api-9"},
			lease:  "clean",
			err:    fleet.ErrNoDroplet,
			says:   `lease "api.clean" is held by api-9: `,
		},
	} {
		w.set(func() {
			w.leases = c.leases
			w.lost = c.lost
		})

		got := w.run("api", roles.Command{
			Name:  "greet",
			Run:   []string{"greet"},
			Lease: c.lease,
		})
		require.ErrorIs(t, got.err, c.err, name)
		require.Equal(t, c.ran, w.ran, name)

		if c.says != "" {
			require.ErrorContains(t, got.err, c.says, name)
		}
	}
}

func TestACommandOnOneRunsOnTheFirstHealthyNode(t *testing.T) {
	t.Parallel()

	w := newAPIWorld(t, apiText)
	w.mustUp()

	command := w.config.Manifests["api"].Commands[0]
	got := w.run("api", command, "you")
	require.NoError(t, got.err)
	require.Equal(t, []string{"api-1: greet --loud you <"}, w.ran, "it asks for no input")

	w.set(func() { w.unhealthy["api-1"] = true })
	command.Input = roles.InputStdin
	command.On = roles.OnOne
	require.NoError(t, w.run("api", command).err)
	require.Equal(t, []string{"api-2: greet --loud <input"}, w.ran)

	w.set(func() {
		w.unhealthy["api-2"] = true
		w.unhealthy["late-1"] = true
	})
	got = w.run("api", command)
	require.ErrorIs(t, got.err, fleet.ErrNoneHealthy)
	require.ErrorContains(t, got.err, "run greet: role api: no node is healthy; `hornero status` says")
	require.Empty(t, w.ran)
}

func TestACommandOnAllNamesWhoSaysWhat(t *testing.T) {
	t.Parallel()

	own := strings.Replace(apiText, "count: 2", "count: 10", 1)
	w := newAPIWorld(t, own)
	w.mustUp()

	command := roles.Command{
		Name:  "greet",
		Run:   []string{"greet"},
		On:    roles.OnAll,
		Input: roles.InputStdin,
	}
	w.exits = map[string]uint32{"api-2": 4, "api-10": 5}

	got := w.run("api", command)
	require.NoError(t, got.err)
	require.Equal(t, 4, got.code, "the first that is not 0")
	require.Len(t, w.ran, 11)
	require.Equal(t, []string{"api-1: greet <input", "api-2: greet <input"}, w.ran[:2])
	require.Equal(t, []string{"api-10: greet <input", "late-1: greet <input"}, w.ran[9:])
	require.True(t, strings.HasPrefix(got.stdout, "api-1: one\napi-1: two\napi-2: one\napi-2: two\n"), got.stdout)
	require.True(t, strings.HasSuffix(got.stderr, "api-10: aside\nlate-1: aside\n"), got.stderr)

	// A node that is not there keeps it from no other.
	w.destroyDroplet("api-2", 11)
	w.awaitDroplets(11)
	got = w.run("api", command)
	require.EqualError(t, got.err, "run on api-2: "+fleet.ErrNoDroplet.Error())
	require.Equal(t, 5, got.code)
	require.Len(t, w.ran, 10)
}

func TestTheOutputOfOneNodeIsPassedOnAsItIs(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	w.destroyDroplet("proxy-2", 6)
	w.awaitDroplets(6)
	w.config.Stack.Nodes[1].Count = 1

	got := w.run("proxy", roles.Command{
		Name: "look",
		Run:  []string{"look"},
		On:   roles.OnAll,
	})
	require.NoError(t, got.err)
	require.Equal(t, "one\ntwo", got.stdout)
	require.Equal(t, []string{"proxy-1: look <"}, w.ran)
}
