package bootstrap_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// setEvents gives the events an embedded field's name that is not that of their method.
type setEvents = peerset.Events

// sideSet is a peer set as one side sees it: another member, or the node itself.
type sideSet struct {
	peerset.Set
	setEvents
	generation uint64
	mu         sync.Mutex
	changed    chan struct{}
	held       []string
	seized     int
}

func newSideSet(generation uint64) *sideSet {
	return &sideSet{
		generation: generation,
		changed:    make(chan struct{}),
	}
}

func (s *sideSet) Snapshot() peerset.Snapshot {
	return peerset.Snapshot{Generation: s.generation}
}

func (s *sideSet) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.changed
}

func (s *sideSet) change() {
	s.mu.Lock()
	defer s.mu.Unlock()

	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *sideSet) Hold(_ context.Context, lease string, _ time.Duration) (peerset.Lease, bool, error) {
	s.held = append(s.held, lease)
	return peerset.Lease{Name: lease}, true, nil
}

func (s *sideSet) Seize(context.Context, peerset.Lease, string) (peerset.Lease, error) {
	s.seized++
	return peerset.Lease{}, nil
}

// isClosed tells whether a channel was closed.
func isClosed(channel <-chan struct{}) bool {
	select {
	case <-channel:
		return true
	default:
		return false
	}
}

func TestUntilANodeIsInConsensusItHoldsNothingButItsTurnToJoin(t *testing.T) {
	outside, own := newSideSet(7), newSideSet(8)
	set, enter := bootstrap.JoiningSet(outside)
	ctx := t.Context()

	for _, lease := range []string{peerset.LeaseWriter, peerset.LeaseGaleraBootstrap, "proxy.reserved-ip"} {
		_, held, err := set.Hold(ctx, lease, time.Second)
		require.NoError(t, err)
		require.False(t, held, lease)
	}

	_, held, err := set.Hold(ctx, peerset.LeaseGaleraJoin, time.Second)
	require.NoError(t, err)
	require.True(t, held)
	require.Equal(t, []string{peerset.LeaseGaleraJoin}, outside.held)

	_, err = set.Seize(ctx, peerset.Lease{Name: peerset.LeaseWriter}, "")
	require.ErrorIs(t, err, peerset.ErrUnavailable)
	require.ErrorIs(t, set.Forget(ctx, "db-2"), peerset.ErrUnavailable)
	require.Zero(t, outside.seized)

	// Whoever waits on the other member's view must be woken when the own one takes its place.
	waiting := set.Changed()
	enter(own)

	require.Eventually(t,
		func() bool { return isClosed(waiting) },
		time.Second,
		time.Millisecond,
		"whoever waits for a change looks again",
	)
	require.EqualValues(t, 8, set.Snapshot().Generation)

	_, held, err = set.Hold(ctx, peerset.LeaseWriter, time.Second)
	require.NoError(t, err)
	require.True(t, held)

	waiting = set.Changed()
	own.change()
	<-waiting
}

func TestAChangeThatAnotherMemberSeesIsPassedOn(t *testing.T) {
	outside := newSideSet(7)
	set, _ := bootstrap.JoiningSet(outside)

	// The channel is taken before the relay begins: its first waking could be missed otherwise.
	first := set.Changed()

	stop := background(t, func(ctx context.Context) { bootstrap.Relay(ctx, set, outside) })
	defer stop()

	<-first // it is looked at once when the relay begins

	waiting := set.Changed()
	outside.change()

	select {
	case <-waiting:
	case <-time.After(patience):
		t.Fatal("not passed on")
	}
}
