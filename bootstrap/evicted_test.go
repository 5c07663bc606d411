package bootstrap_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// strangeSet is a peer set that does not have web-1 before it joins. The first join fails, unless all are refused.
type strangeSet struct {
	peerset.Set
	snapshot peerset.Snapshot
	joins    atomic.Int32
	refused  error
}

func (s *strangeSet) Snapshot() peerset.Snapshot { return s.snapshot }

func (s *strangeSet) Changed() <-chan struct{} { return nil }

func (s *strangeSet) Report(context.Context, peerset.Report) error {
	if s.joins.Load() == 0 || s.refused != nil {
		return peerset.ErrEvicted
	}

	return nil
}

func (s *strangeSet) join(context.Context) error {
	if s.joins.Add(1) == 1 && s.refused == nil {
		return errors.New("nobody answers")
	}

	return s.refused
}

func reporting(t *testing.T, set *strangeSet) *bootstrap.Agent {
	agent := bootstrap.New(bootstrap.Config{
		State:     t.TempDir(),
		Heartbeat: 5 * time.Millisecond,
		Log:       testLog(t),
	})
	agent.ServedClient(set, "web-1", set.join)
	background(t, agent.KeepReporting)

	return agent
}

func isHealthy(agent *bootstrap.Agent) bool {
	healthy, _ := agent.Health()
	return healthy
}

var (
	withoutNode = peerset.Snapshot{
		Founded: "x",
		Quorum:  true,
	}
	withSuccessor = peerset.Snapshot{
		Founded: "x",
		Quorum:  true,
		Peers:   []peerset.Peer{{Name: "web-1", Incarnation: 2}},
	}
)

func TestAClientThatThePeerSetDoesNotHaveJoinsAnew(t *testing.T) {
	set := &strangeSet{snapshot: withoutNode}
	agent := reporting(t, set)

	eventually(t, func() bool { return isHealthy(agent) && set.joins.Load() > 0 })
}

func TestAClientThatWasDeclaredGoneServesNobody(t *testing.T) {
	set := &strangeSet{snapshot: withoutNode, refused: peerset.ErrEvicted}
	agent := reporting(t, set)

	eventually(t, func() bool { return !isHealthy(agent) })
	require.Equal(t, http.StatusServiceUnavailable, agent.UnhealthyCode())
	require.Equal(t, int32(1), set.joins.Load(), "it does not ask all the time")
}

func TestAClientThatWasReplacedServesUntilItIsDrained(t *testing.T) {
	set := &strangeSet{snapshot: withSuccessor, refused: peerset.ErrEvicted}
	agent := reporting(t, set)

	// The refused join comes first: only from then on could the node count as cut off.
	eventually(t, func() bool { return set.joins.Load() > 0 })
	require.Never(t,
		func() bool { return !isHealthy(agent) },
		100*time.Millisecond,
		time.Millisecond,
	)

	require.NoError(t, agent.Drain(t.Context(), 0))
	require.False(t, isHealthy(agent))
	require.Equal(t, http.StatusNotFound, agent.UnhealthyCode(), "its connections may end by themselves")
}
