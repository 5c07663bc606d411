package fleet_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/status"
)

var errLate = errors.New("late")

func TestADeadlineCountsOnlyWhileNothingMoves(t *testing.T) {
	t.Parallel()

	moves := func(how string) status.Status {
		return status.Status{
			Node:    "db-2",
			Figures: status.Figures{Transfer: how},
		}
	}

	for name, c := range map[string]struct {
		said  []string // a minute apart
		after int      // minutes; 0: it has not ended after all was said
	}{
		"no transfer":          {said: []string{"", "", "", ""}, after: 3},
		"it moves":             {said: []string{"1", "2", "3", "4", "5", "6"}},
		"it stalls":            {said: []string{"1", "2", "2", "2", "2", "2"}, after: 4},
		"it is there for once": {said: []string{"", "1", "", "", "", ""}, after: 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				ctx, note, stop := fleet.Deadline(t.Context(), 3*time.Minute-time.Second, errLate)
				defer stop()

				for _, how := range c.said {
					note(moves(how))
					time.Sleep(time.Minute)

					if ctx.Err() != nil {
						break
					}
				}

				synctest.Wait()

				if c.after == 0 {
					require.NoError(t, ctx.Err())
					return
				}

				require.ErrorIs(t, context.Cause(ctx), errLate)
				require.Equal(t, time.Duration(c.after)*time.Minute, time.Since(begun))
			})
		})
	}
}

// How long a state transfer takes depends on how much data there is.
func TestAStateTransferStopsTheClockOfAReplace(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()
	w.config.Timeout = 5 * time.Second

	// It is looked at about once a second.
	w.set(func() { w.transfers = map[string]int{"db-2": 12} })

	start := time.Now()
	require.NoError(t, w.replace("db-2"))
	require.Greater(t, time.Since(start), w.config.Timeout)
	require.Contains(t, w.names(), "db-2/2")
}
