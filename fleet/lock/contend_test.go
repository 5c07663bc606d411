package lock_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet/lock"
)

// Runs that want the lock at the same time, over a network that takes its time: never do two have it.
func TestTwoRunsNeverHaveTheLock(t *testing.T) {
	networks := []struct {
		name string
		most time.Duration // of one way; three are from asking to the end of the write
		slow time.Duration // of one way in eight
		both time.Duration // that two may believe that they have the lock
	}{
		{
			name: "quick",
			most: 100 * time.Millisecond,
		},
		{
			name: "as slow as may be",
			most: 590 * time.Millisecond,
		},
		{
			name: "slow at times",
			most: 500 * time.Millisecond,
			slow: 5 * time.Second,
		},
		{
			name: "writes arrive after they were given up",
			most: 500 * time.Millisecond,
			slow: 15 * time.Second,
			both: lock.DefaultSilence,
		},
	}

	for _, c := range networks {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(150) {
				synctest.Test(t, func(t *testing.T) {
					draw := rand.New(rand.NewPCG(seed, 1))
					r := &register{delay: upTo(draw, c.most, c.slow)}

					require.LessOrEqual(t, contend(t, r, seed), c.both)
				})
			}
		})
	}
}

// contend lets some runs have the lock for a while, again and again, and tells for how long at most two of them had it.
func contend(t *testing.T, r *register, seed uint64) time.Duration {
	random := upTo(rand.New(rand.NewPCG(seed, 2)), time.Minute, 0)

	var inside holders
	var group sync.WaitGroup

	for range 3 {
		begin := random() / 20
		hold := []time.Duration{
			random(),
			random(),
		}

		group.Go(func() {
			time.Sleep(begin)

			for _, long := range hold {
				one := newRun(t, r, "somebody")
				held := one.Take(one.ctx, lock.Request{Wait: 10 * time.Minute})

				if held.Wait(one.ctx) == nil {
					inside.enter()

					select {
					case <-time.After(long):
					case <-one.ctx.Done():
					}

					inside.leave()
				}

				_ = held.Release(t.Context()) // it may be slow, and the claim ends by itself
			}
		})
	}

	group.Wait()
	time.Sleep(time.Minute) // for what is still on its way
	require.Positive(t, inside.entered)

	return inside.both
}

// holders counts who has the lock.
type holders struct {
	mutex        sync.Mutex
	now, entered int
	since        time.Time     // when the number last changed
	both         time.Duration // the longest time for which there were two
}

func (h *holders) enter() {
	h.mutex.Lock()
	defer h.mutex.Unlock()

	h.count(1)
	h.entered++
}

func (h *holders) leave() {
	h.mutex.Lock()
	defer h.mutex.Unlock()

	h.count(-1)
}

func (h *holders) count(more int) {
	if h.now > 1 {
		h.both = max(h.both, time.Since(h.since), 1) // at least more than none
	}

	h.now += more
	h.since = time.Now()
}
