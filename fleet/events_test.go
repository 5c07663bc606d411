package fleet_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/status"
)

func TestEventsAreFollowed(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	w.happen("joined", "db-1")

	events, err := w.fleet().Events(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, events, 1)

	ctx, stop := context.WithCancel(t.Context())
	var seen []string

	err = w.fleet().Follow(ctx, 0, func(event status.Event) error {
		seen = append(seen, event.Kind+" "+event.Node)

		switch len(seen) {
		case 1:
			w.happen("writer", "db-2")
		case 2:
			stop()
		}

		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"joined db-1", "writer db-2"}, seen)
}

func TestEventsComeFromWhoeverKnows(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	w.happen("joined", "db-1")
	w.set(func() {
		w.silent = "db-1"
		w.remembers = true
	})

	said := w.hear()

	events, err := w.fleet().Events(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, 1, strings.Count(said(), "this node remembers"))

	w.set(func() { w.remembers = false })
	begun := time.Now()
	events, err = w.fleet().Events(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, 1, strings.Count(said(), "\n"))
	require.Less(t, time.Since(begun), 5*time.Second, "nobody waits for the one that hangs")
}

func TestAFollowerHearsOfARebuild(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	for _, node := range []string{"db-1", "db-2", "db-3"} {
		w.happen("joined", node)
	}

	ctx, stop := context.WithTimeout(t.Context(), waitLimit)
	defer stop()

	var seen []string
	err := w.fleet().Follow(ctx, 0, func(event status.Event) error {
		seen = append(seen, event.Kind+" "+event.Node)

		switch len(seen) {
		case 3: // the survivor had one of them only
			w.set(func() {
				w.events = w.events[:1]
				w.era = 1
			})
			w.happen("rebuilt", "db-1")

		case 4:
			stop()
		}

		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"joined db-1", "joined db-2", "joined db-3", "rebuilt db-1"}, seen)
}
