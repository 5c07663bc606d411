package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/fleet/lock"
)

// pairText is a small stack: each pair of commands has one of its own.
const pairText = `version: 1
name: blog
cloud: lab
region: fra1
roles:
  web: {title: "Tom & Ann", admin_user: admin, admin_email: admin@example.org}
nodes:
  - {name: db, role: db, count: 3}
  - {name: proxy, role: proxy, count: 1}
  - {name: web, role: web, count: 2}
load_balancer: {nodes: web, http: PORT}
`

// pairTimes are the defaults, so that a busy machine loses no lock; only a lock that is given back is seen sooner.
var pairTimes = func() lock.Times {
	times := lock.DefaultTimes
	times.Poll = 50 * time.Millisecond

	return times
}()

// pairCommand is a command that changes a stack.
type pairCommand struct {
	name    string
	leaving bool
	stack   func(*world) // what its operator's stack.yaml says; nil: what there is
	run     func(context.Context, *fleet.Fleet, *fleet.Healer) error
}

// pairCommands are one of each kind.
var pairCommands = []pairCommand{
	{
		name: "up",
		run:  func(ctx context.Context, f *fleet.Fleet, _ *fleet.Healer) error { return ups(ctx, f) },
	},
	{
		name:  "scale web=3",
		stack: func(w *world) { w.scale("web", 3) },
		run:   func(ctx context.Context, f *fleet.Fleet, _ *fleet.Healer) error { return ups(ctx, f) },
	},
	{
		name: "roll web",
		run: func(ctx context.Context, f *fleet.Fleet, _ *fleet.Healer) error {
			return f.Roll(ctx, fleet.Roll{
				Role: "web",
				All:  true,
			})
		},
	},
	{
		name: "replace db-2",
		run:  func(ctx context.Context, f *fleet.Fleet, _ *fleet.Healer) error { return f.Replace(ctx, "db-2") },
	},
	{
		name: "heal",
		run: func(ctx context.Context, _ *fleet.Fleet, h *fleet.Healer) error {
			_, err := h.Once(ctx)
			return err
		},
	},
	{
		name:    "destroy",
		leaving: true,
		run:     func(ctx context.Context, f *fleet.Fleet, _ *fleet.Healer) error { return f.Destroy(ctx) },
	},
}

// schedule says when the second of two commands begins, and how long it waits for the first.
type schedule struct {
	after int // lines that the first one has told
	wait  time.Duration
}

// pairsDrawn is how many pairs are drawn; with HORNERO_KILLS=all each is tried, as is each kill (make kills).
const pairsDrawn = 5

type pair struct {
	first, second pairCommand
	schedule      schedule
}

// pairs are all pairs of commands, each with a schedule that is drawn.
func pairs() []pair {
	random := rand.New(rand.NewPCG(2, 7))
	var all []pair

	for _, first := range pairCommands {
		for _, second := range pairCommands {
			one := pair{
				first:    first,
				second:   second,
				schedule: schedule{after: random.IntN(6)},
			}

			if random.IntN(2) == 0 {
				one.schedule.wait = waitLimit
			}

			all = append(all, one)
		}
	}

	if os.Getenv("HORNERO_KILLS") != "all" {
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:pairsDrawn]
	}

	return all
}

func TestOfTwoOperatorsOneWaitsOrIsRefusedByName(t *testing.T) {
	t.Parallel()

	for _, p := range pairs() {
		name := fmt.Sprintf("%s, then %s after %d lines, waits %s", p.first.name, p.second.name, p.schedule.after,
			p.schedule.wait)

		t.Run(name, func(t *testing.T) {
			w := newWorldOf(t, pairText, nil)
			w.mustUp()
			w.agree()

			// There is something to heal.
			if p.first.name == "heal" || p.second.name == "heal" {
				w.turnOff("web-2")
			}

			p.run(t, w)
		})
	}
}

// run runs both, and looks at how they end.
func (p pair) run(t *testing.T, w *world) {
	begun := make(chan struct{})
	var once sync.Once
	lines := 0

	w.config.Progress = func(string) {
		w.set(func() {
			if lines++; lines > p.schedule.after {
				once.Do(func() { close(begun) })
			}
		})
	}

	first := p.first.start(t, w, "tom", 0)

	// One that has told less is over.
	var firstErr error
	over := false

	select {
	case <-begun:
	case firstErr = <-first:
		over = true
	}

	w.config.Progress = nil
	secondErr := <-p.second.start(t, w, "ann", p.schedule.wait)

	if !over {
		firstErr = <-first
	}

	p.check(t, w, firstErr, secondErr)
}

// start begins a command as an operator who waits for so long.
func (c pairCommand) start(t *testing.T, w *world, by string, wait time.Duration) <-chan error {
	if c.stack != nil {
		own := *w.config.Stack
		own.Nodes = slices.Clone(own.Nodes)
		w.config.Stack = &own
		c.stack(w)
	}

	config := w.config
	config.Lock.Owner.By = by
	config.Lock.Times = pairTimes

	f, err := fleet.New(config)
	require.NoError(t, err)
	t.Cleanup(f.Close)

	request := lock.Request{
		Command: c.name,
		Wait:    wait,
		Leaving: c.leaving,
	}

	healer := &fleet.Healer{
		Fleet:    f,
		Silence:  time.Second,
		Pause:    100 * time.Millisecond,
		LockWait: wait,
	}

	ended := make(chan error, 1)

	go func() {
		// A healer takes the lock for each of its steps.
		if c.name == "heal" {
			ended <- c.run(t.Context(), f, healer)
			return
		}

		ended <- f.Change(t.Context(), request, func(ctx context.Context) error { return c.run(ctx, f, nil) })
	}()

	return ended
}

func (p pair) check(t *testing.T, w *world, first, second error) {
	last := p.second

	switch {
	case errors.Is(second, lock.ErrLocked):
		require.ErrorContains(t, second, "tom")
		require.ErrorContains(t, second, "hornero "+p.first.name)
		require.NoError(t, first)
		last = p.first

	case errors.Is(first, lock.ErrLocked):
		require.ErrorContains(t, first, "ann")
		require.ErrorContains(t, first, "hornero "+p.second.name)
		require.NoError(t, second)

	// What is gone cannot be rolled, replaced or healed; up and scale launch it anew.
	case p.first.leaving && second != nil:
		require.NoError(t, first)
		last = p.first

	default:
		require.NoError(t, first)
		require.NoError(t, second)
	}

	if last.leaving || len(w.names()) == 0 {
		require.Empty(t, w.names())
		require.Nil(t, w.vpc())
		require.Empty(t, w.balancers())

		return
	}

	require.Equal(t, lock.Free, w.lock().State)
	w.awaitDroplets(len(w.names()))
	require.NoError(t, w.up(), "what one of them left is brought about")
	w.nothingToDo()
	require.Len(t, w.names(), len(w.config.Stack.All()))
}
