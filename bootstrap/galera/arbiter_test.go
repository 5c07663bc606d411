package galera_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
)

func TestArbitrate(t *testing.T) {
	set := func(quorum bool, list ...peerset.Peer) peerset.Snapshot {
		return peerset.Snapshot{
			Founded: "one",
			Quorum:  quorum,
			Peers:   list,
		}
	}

	counting := peer("db-1", galera.StateSynced, galera.FactArbiters, "1")
	for _, c := range []struct {
		name     string
		snapshot peerset.Snapshot
		process  galera.Process
		orphaned bool
		want     galera.Kind
		state    galera.State
	}{
		{
			name:     "a database node is primary",
			snapshot: set(true, primary("db-1", ours)),
			process:  galera.ProcessStopped,
			orphaned: false,
			want:     galera.Join,
			state:    galera.StateJoining,
		},
		{
			name:     "again after it failed",
			snapshot: set(true, primary("db-1", ours)),
			process:  galera.ProcessFailed,
			orphaned: false,
			want:     galera.Join,
			state:    galera.StateJoining,
		},
		{
			name:     "nobody can tell: it looks for one",
			snapshot: set(false),
			process:  galera.ProcessStopped,
			orphaned: false,
			want:     galera.Join,
			state:    galera.StateJoining,
		},
		{
			name:     "it runs and nobody counts it",
			snapshot: set(true, primary("db-1", ours)),
			process:  galera.ProcessStarting,
			orphaned: false,
			want:     galera.Wait,
			state:    galera.StateJoining,
		},
		{
			name:     "its vote is counted",
			snapshot: set(true, counting),
			process:  galera.ProcessStarting,
			orphaned: false,
			want:     galera.Serve,
			state:    galera.StateVoting,
		},
		{
			name: "by a dead node, which is no word",
			snapshot: set(
				true,
				dead(counting),
				primary("db-2", ours),
			),
			process:  galera.ProcessStarting,
			orphaned: false,
			want:     galera.Wait,
			state:    galera.StateJoining,
		},
		{
			name:     "no node is primary for long: it must not hold on to its own component",
			snapshot: set(true, at("db-1", ours, "5")),
			process:  galera.ProcessStarting,
			orphaned: true,
			want:     galera.Stop,
			state:    galera.StateWaiting,
		},
		{
			name:     "and stays down",
			snapshot: set(true, at("db-1", ours, "5")),
			process:  galera.ProcessStopped,
			orphaned: true,
			want:     galera.Wait,
			state:    galera.StateWaiting,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			kind, status := galera.Arbitrate(c.snapshot, "db", c.process, c.orphaned)
			require.Equal(t, c.want, kind)
			require.Equal(t, c.state, status.State)
			require.Equal(t, c.state == galera.StateVoting, status.Healthy)
			require.NotEmpty(t, status.Reason)
		})
	}
}

// switched is a unit that does at once what it is told.
type switched struct {
	mu      sync.Mutex
	running bool
}

func (u *switched) State(context.Context) (galera.Process, error) {
	u.mu.Lock()
	defer u.mu.Unlock()

	if u.running {
		return galera.ProcessStarting, nil
	}

	return galera.ProcessStopped, nil
}

func (u *switched) turn(on bool) error {
	u.mu.Lock()
	defer u.mu.Unlock()

	u.running = on

	return nil
}

func (u *switched) Start(context.Context) error {
	return u.turn(true)
}
func (u *switched) Stop(context.Context) error {
	return u.turn(false)
}

func TestArbiterFollowsThePrimaryComponent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, unit := newMemory(), &switched{}
		said := make(chan galera.Status, 100)
		arbiter := galera.NewArbiter(galera.ArbiterConfig{
			Role: "db",
			Set: peerset.Bind(set, peerset.Identity{
				Name:        "arbitrator-1",
				Role:        "arbitrator",
				Incarnation: 1,
			}),
			Unit: unit,
			Report: func(s galera.Status) {
				said <- s
			},
			Log:      slog.New(slog.DiscardHandler),
			Tick:     time.Millisecond,
			Orphaned: 10 * time.Millisecond,
		})

		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- arbiter.Run(ctx) }()

		until := func(state galera.State) {
			t.Helper()

			for {
				select {
				case s := <-said:
					if s.State == state {
						return
					}

				case <-time.After(5 * time.Second):
					t.Fatalf("it never said %s", state)
				}
			}
		}
		until(galera.StateWaiting)
		set.edit(func(s *peerset.Snapshot) {
			s.Peers = []peerset.Peer{primary("db-1", ours)}
		})
		until(galera.StateJoining)
		set.edit(func(s *peerset.Snapshot) {
			s.Peers = []peerset.Peer{peer("db-1", galera.StateSynced, galera.FactArbiters, "1")}
		})
		until(galera.StateVoting)

		set.edit(func(s *peerset.Snapshot) {
			s.Quorum = false
			s.Peers[0].Alive = false
		})

		set.edit(func(s *peerset.Snapshot) {
			s.Quorum = true
			s.Peers = []peerset.Peer{at("db-1", ours, "5")}
		})

		until(galera.StateWaiting)

		cancel()
		require.NoError(t, <-done)

		state, err := unit.State(t.Context())
		require.NoError(t, err)
		require.Equal(t, galera.ProcessStopped, state)
	})
}

func TestAnArbitratorThatIsDrainedStaysDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, unit := newMemory(), &switched{}
		set.edit(func(s *peerset.Snapshot) {
			s.Peers = []peerset.Peer{peer("db-1", galera.StateSynced, galera.FactArbiters, "1")}
		})

		said := make(chan galera.Status, 100)
		arbiter := galera.NewArbiter(galera.ArbiterConfig{
			Role: "db",
			Set: peerset.Bind(set, peerset.Identity{
				Name:        "arbitrator-1",
				Role:        "arbitrator",
				Incarnation: 1,
			}),
			Unit: unit,
			Report: func(s galera.Status) {
				said <- s
			},
			Log:  slog.New(slog.DiscardHandler),
			Tick: time.Millisecond,
		})

		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- arbiter.Run(ctx) }()

		until := func(reason string) (last galera.Status) {
			t.Helper()

			for last.Reason != reason {
				select {
				case last = <-said:
				case <-time.After(5 * time.Second):
					t.Fatalf("it never said %q", reason)
				}
			}

			return last
		}
		require.True(t, until("the database nodes count its vote").Healthy)
		require.NoError(t, arbiter.Drain(ctx, 0))

		last := until("drained")
		require.Equal(t, galera.StateStopped, last.State)
		require.False(t, last.Healthy)

		require.Never(t,
			func() bool {
				state, _ := unit.State(ctx)
				return state != galera.ProcessStopped
			},
			50*time.Millisecond,
			time.Millisecond,
			"it stays down",
		)

		cancel()
		require.NoError(t, <-done)
		require.Empty(t, said)
	})
}
