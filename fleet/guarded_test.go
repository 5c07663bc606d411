package fleet_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/roles"
)

// guarded has the guards of web nodes end with a status, and gives a change no long time.
func (w *world) guarded(status uint32, nodes ...string) {
	w.config.GuardWait = 2 * time.Second

	w.set(func() {
		w.exits = map[string]uint32{}
		for _, node := range nodes {
			w.exits[node] = status
		}
	})
}

func TestANodeThatAGuardKeepsIsNotReplacedUnasked(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	w.guarded(roles.GuardKeeps, "web-1")

	err := w.replace("web-1")
	require.ErrorIs(t, err, fleet.ErrUnsafe)
	require.ErrorIs(t, err, fleet.ErrNotConfirmed)
	require.ErrorContains(t, err, "files that no other node has, and the Space has not (one two aside)")
	require.Equal(t, whole, w.names())
	require.Empty(t, w.history)
	require.NoError(t, w.replace("web-2"))

	asked := w.agree()
	require.NoError(t, w.replace("web-1"))
	require.Len(t, *asked, 1)
	require.True(t, (*asked)[0].Data)
	require.Contains(t, w.names(), "web-1/2")
}

func TestANodeThatAGuardKeepsIsNotScaledAwayUnasked(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()
	w.guarded(roles.GuardKeeps, "web-2")
	w.scale("web", 1)

	require.ErrorIs(t, w.up(), fleet.ErrNotConfirmed)
	require.Empty(t, w.history)

	w.agree()
	w.mustUp()
	require.Equal(t, []string{"drain web-2", "forget web-2", "destroy web-2/1"}, w.history)
}

func TestANodeWhoseGuardDoesNotEndIsNotTakenAwayUnasked(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	w.guarded(0)
	w.set(func() { w.hangs = "web-1" })

	err := w.replace("web-1")
	require.ErrorIs(t, err, fleet.ErrNotConfirmed)
	require.ErrorContains(t, err, "guard media did not end in time")
	require.Equal(t, whole, w.names())
	require.Empty(t, w.history)
}

func TestANodeIsRolledOnlyWhenItsGuardLetsItGo(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()
	w.snapshot("web-1", webTags...)
	w.guarded(roles.GuardKeeps, "web-2")

	require.ErrorIs(t, w.up(), fleet.ErrNotConfirmed)
	require.NotContains(t, strings.Join(w.history, " "), "web-2")
	require.Contains(t, w.names(), "web-2/1")
}

// What a node has alone may be on its way to another.
func TestAGuardIsGivenTime(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	w.guarded(roles.GuardKeeps, "web-1")
	w.config.GuardWait = time.Minute

	w.config.Progress = func(line string) {
		if line == "web-1: one two aside" {
			w.guarded(0)
		}
	}

	require.NoError(t, w.replace("web-1"))
	require.Contains(t, w.names(), "web-1/2")
}

// An image of an earlier release has no such program: its nodes are replaced as ever.
func TestAGuardThatIsNotThereKeepsNoNode(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	w.guarded(127, "web-1")

	var said []string
	w.config.Progress = func(line string) { said = append(said, line) }

	require.NoError(t, w.replace("web-1"))
	require.Contains(t, said, "web-1: guard media cannot say whether the node may go (exit 127: one two aside)")
	require.Contains(t, w.names(), "web-1/2")
}

// The only node of a role gives what it has to an extra one beside it.
func TestTheOnlyNodeThatAGuardKeepsIsReplacedBesideAnExtra(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, strings.Replace(text, "role: web, count: 2", "role: web, count: 1", 1), nil)
	w.mustUp()
	w.guarded(roles.GuardKeeps, "web-1")

	w.created = func(api.Machine) { w.guarded(0) }

	require.NoError(t, w.replace("web-1"))
	require.Equal(t, []string{
		"drain web-1", "destroy web-1/1",
		"drain web-2", "forget web-2", "destroy web-2/1",
	}, w.history)
	require.Contains(t, w.names(), "web-1/2")
}
