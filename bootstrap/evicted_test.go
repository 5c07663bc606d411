package bootstrap_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// rebuilt is a peer set that does not know web-1 before it joins.
type rebuilt struct {
	peerset.Set
	snapshot func() peerset.Snapshot
	joins    atomic.Int32
	refused  error
}

func (r *rebuilt) Snapshot() peerset.Snapshot {
	return r.snapshot()
}

func (r *rebuilt) Changed() <-chan struct{} { return nil }

func (r *rebuilt) Report(context.Context, peerset.Report) error {
	if r.joins.Load() == 0 || r.refused != nil {
		return peerset.ErrEvicted
	}

	return nil
}

func (r *rebuilt) join(context.Context) error {
	if r.joins.Add(1) == 1 && r.refused == nil {
		return errors.New("nobody answers")
	}

	return r.refused
}

func reporting(t *testing.T, set *rebuilt) *bootstrap.Agent {
	agent := bootstrap.New(bootstrap.Config{
		State:     t.TempDir(),
		Heartbeat: 5 * time.Millisecond,
		Log:       slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	agent.ServedClient(set, "web-1", set.join)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)

		agent.KeepReporting(ctx)
	}()

	t.Cleanup(func() {
		cancel()
		<-ended
	})

	return agent
}

func alone() peerset.Snapshot {
	return peerset.Snapshot{Founded: "x", Quorum: true}
}

func succeeded() peerset.Snapshot {
	return peerset.Snapshot{
		Founded: "x",
		Quorum:  true,
		Peers:   []peerset.Peer{{Name: "web-1", Incarnation: 2}},
	}
}

func TestAClientThatThePeerSetDoesNotHaveJoinsAnew(t *testing.T) {
	set := &rebuilt{snapshot: alone}
	agent := reporting(t, set)
	require.Eventually(t,
		func() bool {
			healthy, _ := agent.Health()
			return healthy && set.joins.Load() > 0
		},
		5*time.Second,
		time.Millisecond,
	)
}

func TestAClientThatWasDeclaredGoneServesNobody(t *testing.T) {
	set := &rebuilt{snapshot: alone, refused: peerset.ErrEvicted}
	agent := reporting(t, set)
	require.Eventually(t,
		func() bool {
			healthy, _ := agent.Health()
			return !healthy
		},
		5*time.Second,
		time.Millisecond,
	)

	require.Equal(t, http.StatusServiceUnavailable, agent.Unfit())
	require.Equal(t, int32(1), set.joins.Load(), "it does not ask all the time")
}

func TestAClientThatWasReplacedServesUntilItIsDrained(t *testing.T) {
	set := &rebuilt{snapshot: succeeded, refused: peerset.ErrEvicted}
	agent := reporting(t, set)

	require.Eventually(t,
		func() bool {
			return set.joins.Load() > 0
		},
		5*time.Second,
		time.Millisecond,
	)

	require.Never(t,
		func() bool {
			healthy, _ := agent.Health()
			return !healthy
		},
		100*time.Millisecond,
		time.Millisecond,
	)

	require.NoError(t, agent.Drain(t.Context()))

	healthy, _ := agent.Health()
	require.False(t, healthy)
	require.Equal(t, http.StatusNotFound, agent.Unfit(), "what it has comes to its end")
}
