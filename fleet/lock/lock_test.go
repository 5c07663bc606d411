package lock_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet/lock"
)

// run is one run that wants the lock, and what it was told.
type run struct {
	lock.Locker
	ctx  context.Context
	said strings.Builder
}

func newRun(t *testing.T, r *register, by string) *run {
	ctx, lose := context.WithCancelCause(t.Context())
	one := &run{ctx: ctx}

	one.Locker = lock.Locker{
		Register: r,
		Owner:    lock.Owner{By: by},
		Times:    lock.DefaultTimes,
		Lose:     lose,
		Progress: func(format string, args ...any) {
			fmt.Fprintf(&one.said, format+"\n", args...)
		},
	}

	return one
}

func (r *run) take(command string) *lock.Held {
	return r.Take(r.ctx, lock.Request{Command: command})
}

func TestTheLockIsTakenRenewedAndGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &register{}
		tom := newRun(t, r, "tom@laptop")
		start := time.Now()

		held := tom.take("up")
		require.NoError(t, held.Wait(t.Context()))
		require.Less(t, time.Since(start), lock.DefaultSettle+time.Second)

		held.Step("db-2: Droplet 7\nlaunched")
		time.Sleep(10 * lock.DefaultTerm)
		require.NoError(t, held.Check(t.Context()))

		sight, err := tom.Look(t.Context())
		require.NoError(t, err)
		require.Equal(t, lock.Taken, sight.State)
		require.Equal(t, "up", sight.Claim.Command)
		require.Equal(t, "db-2: Droplet 7 launched", sight.Claim.Step)
		require.WithinDuration(t, start, sight.Claim.Since, 2*time.Second)

		require.NoError(t, held.Release(t.Context()))
		require.NoError(t, context.Cause(tom.ctx), "nothing was lost")

		sight, err = tom.Look(t.Context())
		require.NoError(t, err)
		require.Equal(t, lock.Free, sight.State)
	})
}

func TestWhoComesSecondIsRefusedByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &register{}
		tom := newRun(t, r, "tom@laptop")
		ann := newRun(t, r, "ann@ci")

		first := tom.take("replace db-2")
		require.NoError(t, first.Wait(t.Context()))

		second := ann.take("replace db-3")
		err := second.Wait(t.Context())
		require.ErrorIs(t, err, lock.ErrLocked)
		require.ErrorContains(t, err, "tom@laptop runs `hornero replace db-2` since")
		require.ErrorContains(t, err, "--lock-wait")
		require.ErrorContains(t, err, "hornero lock break ")
		require.NoError(t, second.Release(t.Context()), "it takes nothing from the first")
		require.NoError(t, first.Check(t.Context()))
		require.NoError(t, first.Release(t.Context()))
	})
}

func TestWhoWaitsHasTheLockOnceItIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &register{}
		tom := newRun(t, r, "tom@laptop")
		ann := newRun(t, r, "ann@ci")

		first := tom.take("up")
		require.NoError(t, first.Wait(t.Context()))

		second := ann.Take(ann.ctx, lock.Request{
			Command: "up",
			Wait:    15 * time.Minute,
		})
		time.Sleep(5 * time.Minute)
		require.NoError(t, first.Release(t.Context()))
		require.NoError(t, second.Wait(t.Context()))
		require.Equal(t, 1, strings.Count(ann.said.String(), "waits for the lock"), "once a holder")
		require.NoError(t, second.Release(t.Context()))

		// A wait ends, too.
		third := tom.take("up")
		require.NoError(t, third.Wait(t.Context()))

		fourth := ann.Take(ann.ctx, lock.Request{
			Command: "up",
			Wait:    time.Minute,
		})
		require.ErrorIs(t, fourth.Wait(t.Context()), lock.ErrLocked)
		require.NoError(t, third.Release(t.Context()))
		require.NoError(t, fourth.Release(t.Context()))
	})
}

// kill ends a run without its giving the lock back: what it left is a claim that nobody renews.
func (r *register) kill(now time.Time, process lock.Process, leaving bool) {
	r.text = lock.Claim{
		Nonce:   "0badcafe",
		By:      "tom@laptop",
		Process: process,
		Command: "up",
		Since:   now,
		Until:   now.Add(lock.DefaultTerm),
		Leaving: leaving,
	}.String()
}

func TestAClaimThatNobodyRenewsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &register{}
		r.kill(time.Now(), lock.Process{
			Machine: "elsewhere",
			PID:     1,
			Start:   "1",
		}, false)
		ann := newRun(t, r, "ann@ci")
		start := time.Now()

		held := ann.Take(ann.ctx, lock.Request{Wait: time.Hour})
		require.NoError(t, held.Wait(t.Context()))
		require.GreaterOrEqual(t, time.Since(start), lock.DefaultTerm)
		require.Less(t, time.Since(start), lock.DefaultTerm+10*time.Second)
		require.NoError(t, held.Release(t.Context()))
	})
}

func TestALostLockEndsTheWork(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(*register)
		within  time.Duration
		says    string
	}{
		"broken": {
			happens: func(r *register) {
				r.text = ""
			},
			within: lock.DefaultRefresh,
			says:   "somebody took it away",
		},
		"taken by another": {
			happens: func(r *register) {
				r.kill(time.Now(), lock.Process{}, false)
			},
			within: lock.DefaultRefresh,
			says:   "tom@laptop runs `hornero up`",
		},
		"the API is down": {
			happens: func(r *register) {
				r.down = true
			},
			within: lock.DefaultSilence,
			says:   "it could not be renewed for 40s: the connection was cut",
		},
		"the API hangs": {
			happens: func(r *register) {
				r.delay = func() time.Duration { return time.Hour }
			},
			within: lock.DefaultSilence,
			says:   "it could not be renewed for 40s",
		},
		"the network is gone": {
			happens: func(r *register) {
				r.gone = true
			},
			within: lock.DefaultRefresh,
			says:   "network is gone",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &register{}
				ann := newRun(t, r, "ann@ci")
				held := ann.take("replace db-1")
				require.NoError(t, held.Wait(t.Context()))

				r.change(func() { c.happens(r) })
				start := time.Now()

				<-ann.ctx.Done()
				require.LessOrEqual(t, time.Since(start), c.within+time.Second)

				err := context.Cause(ann.ctx)
				require.ErrorIs(t, err, lock.ErrLost)
				require.ErrorContains(t, err, c.says)
				require.ErrorIs(t, held.Check(t.Context()), lock.ErrLost)

				_ = held.Release(t.Context()) // the API may still be down
			})
		})
	}
}

func TestACheckSeesAtOnceThatTheLockIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &register{}
		tom := newRun(t, r, "tom@laptop")
		ann := newRun(t, r, "ann@ci")
		held := tom.take("up")
		require.NoError(t, held.Wait(t.Context()))
		time.Sleep(3 * time.Second)

		sight, err := ann.Look(t.Context())
		require.NoError(t, err)
		require.ErrorIs(t, ann.Break(t.Context(), "ffffffff"), lock.ErrOther)
		require.NoError(t, held.Check(t.Context()))

		time.Sleep(3 * time.Second)
		require.NoError(t, ann.Break(t.Context(), sight.Claim.Nonce))
		require.ErrorIs(t, held.Check(t.Context()), lock.ErrLost)
		require.ErrorIs(t, context.Cause(tom.ctx), lock.ErrLost)

		// A new holder is not hit by the old name.
		next := ann.take("up")
		require.NoError(t, next.Wait(t.Context()))
		require.NoError(t, held.Release(t.Context()))
		require.ErrorIs(t, ann.Break(t.Context(), sight.Claim.Nonce), lock.ErrOther)
		time.Sleep(3 * time.Second)
		require.NoError(t, next.Check(t.Context()))
		require.NoError(t, next.Release(t.Context()))
	})
}

func TestALockIsBrokenWhileItIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &register{}
		tom := newRun(t, r, "tom@laptop")
		ann := newRun(t, r, "ann@ci")
		held := tom.Take(tom.ctx, lock.Request{Wait: time.Hour})
		time.Sleep(time.Second)

		sight, err := ann.Look(t.Context())
		require.NoError(t, err)
		require.NoError(t, ann.Break(t.Context(), sight.Claim.Nonce))
		require.ErrorIs(t, held.Wait(t.Context()), lock.ErrLost)
		require.NoError(t, held.Release(t.Context()))
	})
}

func TestWhoseMachineSleptHasLostTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &register{}
		tom := newRun(t, r, "tom@laptop")
		held := tom.take("up")
		require.NoError(t, held.Wait(t.Context()))

		// The claim ended, and the run's own clock saw nothing of that.
		sight, err := tom.Look(t.Context())
		require.NoError(t, err)

		claim := sight.Claim
		claim.Until = sight.Now.Add(-time.Second)
		r.change(func() { r.text = claim.String() })

		time.Sleep(3 * time.Second)
		require.ErrorIs(t, held.Check(t.Context()), lock.ErrLost)
		require.NoError(t, held.Release(t.Context()))
	})
}

// Nobody knows when a write arrived whose answer was lost: a run that held the lock already must have noticed by then.
func TestAWriteOfUnknownFateMakesTakingTakeLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &register{fails: 1}
		tom := newRun(t, r, "tom@laptop")
		start := time.Now()

		held := tom.take("up")
		require.NoError(t, held.Wait(t.Context()))
		require.GreaterOrEqual(t, time.Since(start), lock.DefaultSilence)
		require.Contains(t, tom.said.String(), "the API answers slowly")
		require.NoError(t, held.Release(t.Context()))
	})
}

func TestAnInterruptedRunLeavesNoClaim(t *testing.T) {
	for _, after := range []time.Duration{time.Second, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			r := &register{}
			tom := newRun(t, r, "tom@laptop")
			ctx, interrupt := context.WithCancel(tom.ctx)

			held := tom.Take(ctx, lock.Request{Command: "up"})
			time.Sleep(after)
			interrupt()
			time.Sleep(lock.DefaultTerm)
			require.NoError(t, held.Release(ctx))

			sight, err := tom.Look(t.Context())
			require.NoError(t, err)
			require.Equal(t, lock.Free, sight.State)
		})
	}
}

func TestADestroyOutlivesThePlaceOfItsClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &register{}
		tom := newRun(t, r, "tom@laptop")

		held := tom.Take(tom.ctx, lock.Request{
			Command: "destroy",
			Leaving: true,
		})
		require.NoError(t, held.Wait(t.Context()))
		r.change(func() { r.gone = true })
		time.Sleep(2 * lock.DefaultTerm)
		require.NoError(t, context.Cause(tom.ctx))
		require.NoError(t, held.Release(t.Context()))
	})
}

func TestWhoMakesTheRegisterHasTheLockAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &register{}
		tom := newRun(t, r, "tom@laptop")
		ann := newRun(t, r, "ann@ci")
		start := time.Now()

		create := func(_ context.Context, text string) (lock.Register, error) {
			r.text = text
			return r, nil
		}
		held, err := tom.Make(tom.ctx, lock.Request{Command: "up"}, start, create)
		require.NoError(t, err)
		require.NoError(t, held.Wait(t.Context()))
		require.Zero(t, time.Since(start))
		require.ErrorIs(t, ann.take("up").Wait(t.Context()), lock.ErrLocked)

		time.Sleep(10 * lock.DefaultTerm)
		require.NoError(t, held.Check(t.Context()))
		require.NoError(t, held.Release(t.Context()))
	})
}
