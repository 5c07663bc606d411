package fleet_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

// agree confirms whatever is asked, and returns what was.
func (w *world) agree() *[]fleet.Removal {
	var asked []fleet.Removal

	w.config.Confirm = func(_ context.Context, removals []fleet.Removal) error {
		asked = append(asked, removals...)
		return nil
	}

	return &asked
}

// scale changes the count of a group in the stack.
func (w *world) scale(group string, count int) {
	for i := range w.config.Stack.Nodes {
		if w.config.Stack.Nodes[i].Name == group {
			w.config.Stack.Nodes[i].Count = count
		}
	}
}

func TestANodeThatWasScaledAwayGoes(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	w.scale("web", 1)
	require.NoError(t, w.up(), "a web node holds no data: nobody is asked")
	require.Equal(t, []string{"drain web-2", "forget web-2", "destroy web-2/1"}, w.history)
	w.awaitDroplets(6)
	w.nothingToDo()

	w.scale("web", 2)
	w.mustUp()
	require.Contains(t, w.names(), "web-2/2", "the peer set takes none that was declared gone")
	w.nothingToDo()
}

func TestADatabaseNodeIsNotScaledAwayUnasked(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.scale("db", 7)
	w.mustUp()

	w.scale("db", 5)
	require.ErrorIs(t, w.up(), fleet.ErrNotConfirmed)
	require.Empty(t, w.history)

	asked := w.agree()
	w.mustUp()
	require.Len(t, *asked, 2)
	require.Equal(t, []string{
		"drain db-7", "forget db-7", "destroy db-7/1",
		"drain db-6", "forget db-6", "destroy db-6/1",
	}, w.history, "the highest number first, one after the other")
	w.awaitDroplets(9)
	w.nothingToDo()
}

// Killed after a node was declared gone: it is only deleted, whatever the others are like.
func TestARemovalThatWasKilledIsFinished(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.scale("db", 4)
	w.mustUp()

	w.scale("db", 3)
	w.agree()
	w.set(func() { w.forgotten = map[string]int{"db-4": 1} })
	w.mustUp()
	require.Equal(t, []string{"destroy db-4/1"}, w.history)
}

func TestTheLastNodeThatServesIsNotTaken(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()
	w.set(func() { w.unhealthy["proxy-2"] = true })

	err := w.replace("proxy-1")
	require.ErrorIs(t, err, fleet.ErrUnsafe)
	require.ErrorContains(t, err, "the last node of role proxy that serves")
	require.Empty(t, w.history)

	// One that does not serve is not missed.
	w.created = w.recovers("proxy-2")
	require.NoError(t, w.replace("proxy-2"))
}

func TestTheOnlyNodeOfARoleIsReplacedBesideAnExtraOne(t *testing.T) {
	t.Parallel()

	for _, group := range []string{"db", "proxy"} {
		w := newWorldOf(t, tlsText, nil)
		w.scale(group, 1)
		w.mustUp()
		w.awaitDroplets(len(w.names()))

		require.NoError(t, w.replace(group+"-1"))
		require.Equal(t, []string{
			"drain " + group + "-1", "destroy " + group + "-1/1",
			"drain " + group + "-2", "forget " + group + "-2", "destroy " + group + "-2/1",
		}, w.history)
		require.Contains(t, w.names(), group+"-1/2")
	}
}

func TestNothingIsRemovedThatCouldNotBeMadeAgain(t *testing.T) {
	t.Parallel()

	for name, change := range map[string]func(*world){
		"a size whose disk is too small": func(w *world) { w.config.Stack.Nodes[0].Size = "s-1vcpu-512mb-10gb" },
		"no such size":                   func(w *world) { w.config.Stack.Nodes[0].Size = "s-9vcpu" },
		"a release without images":       func(w *world) { w.config.Stack.Release = "debian-12" },
		"no such region":                 func(w *world) { w.config.Stack.Region = "mars1" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldOf(t, tlsText, nil)
			w.mustUp()

			change(w)
			require.Error(t, w.replace("db-2"))
			require.Error(t, w.fleet().Roll(t.Context(), fleet.Roll{Role: "db", All: true}))
			require.Empty(t, w.history)
			require.Equal(t, whole, w.names())
		})
	}
}
