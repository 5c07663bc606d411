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

type happenings = peerset.Events

// outlook is a peer set as one side sees it.
type outlook struct {
	peerset.Set
	happenings
	generation uint64
	mu         sync.Mutex
	changed    chan struct{}
	held       []string
	seized     int
}

func newOutlook(generation uint64) *outlook {
	return &outlook{
		generation: generation,
		changed:    make(chan struct{}),
	}
}

func (o *outlook) Snapshot() peerset.Snapshot {
	return peerset.Snapshot{Generation: o.generation}
}
func (o *outlook) Changed() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.changed
}
func (o *outlook) change() {
	o.mu.Lock()
	defer o.mu.Unlock()

	close(o.changed)
	o.changed = make(chan struct{})
}
func (o *outlook) Hold(_ context.Context, lease string, _ time.Duration) (peerset.Lease, bool, error) {
	o.held = append(o.held, lease)
	return peerset.Lease{Name: lease}, true, nil
}
func (o *outlook) Seize(context.Context, peerset.Lease, string) (peerset.Lease, error) {
	o.seized++
	return peerset.Lease{}, nil
}

func TestUntilANodeIsInConsensusItHoldsNothingButItsTurnToJoin(t *testing.T) {
	outside, own := newOutlook(7), newOutlook(8)
	set, enter := bootstrap.Entrance(outside)
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

	waiting := set.Changed()
	enter(own)

	require.Eventually(t, func() bool {
		select {
		case <-waiting:
			return true
		default:
			return false
		}
	}, time.Second, time.Millisecond, "whoever waits for a change looks again")

	require.EqualValues(t, 8, set.Snapshot().Generation)

	_, held, err = set.Hold(ctx, peerset.LeaseWriter, time.Second)
	require.NoError(t, err)
	require.True(t, held)

	waiting = set.Changed()
	own.change()
	<-waiting
}

func TestAChangeThatAnotherMemberSeesIsPassedOn(t *testing.T) {
	outside := newOutlook(7)
	set, _ := bootstrap.Entrance(outside)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()

	done := make(chan struct{})
	go func() {
		defer close(done)

		bootstrap.Relay(ctx, set, outside)
	}()

	<-set.Changed() // it is looked at once when the relay begins

	waiting := set.Changed()
	outside.change()

	select {
	case <-waiting:
	case <-ctx.Done():
		t.Fatal("not passed on")
	}

	cancel()
	<-done
}
