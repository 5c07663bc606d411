package fleet_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/fleet/lock"
)

func TestHealTakesTheLockForEachStep(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.up())
	w.destroyDroplet("web-1", 6)
	w.awaitDroplets(6)
	claim := left(w, lock.Process{}, time.Hour)
	healer := w.healer()

	// More often than it may try: what another command keeps it from is no try.
	for range 5 {
		_, err := healer.Once(t.Context())
		require.ErrorIs(t, err, lock.ErrLocked)
	}

	require.Len(t, w.names(), 6)

	require.NoError(t, fleet.BreakLock(t.Context(), w.config, claim.Nonce))
	healed, err := healer.Once(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"web-1"}, healed)
	require.Equal(t, lock.Free, w.lock().State)
}

// What seemed to be dead to a healer may be what an operator is at.
func TestHealLeavesAloneWhatAnOperatorMadeAnew(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	require.NoError(t, w.up())
	w.destroyDroplet("web-1", 6)
	w.awaitDroplets(6)

	operator := w.operator("tom@laptop")
	waits := make(chan struct{})
	var once sync.Once

	w.config.Progress = func(line string) {
		if strings.HasPrefix(line, "waits for the lock: tom@laptop") {
			once.Do(func() { close(waits) })
		}
	}

	healer := w.healer()
	healer.LockWait = time.Minute
	result := make(chan []string, 1)

	request := lock.Request{Command: "up"}
	err := operator.Change(t.Context(), request, func(ctx context.Context) error {
		if err := operator.Check(ctx); err != nil {
			return err
		}

		go func() {
			healed, err := healer.Once(t.Context())
			if err != nil {
				t.Error(err)
			}

			result <- healed
		}()

		<-waits
		_, _, err := operator.Up(ctx)

		return err
	})
	require.NoError(t, err)
	require.Empty(t, <-result)
	require.Contains(t, w.names(), "web-1/2")
}
