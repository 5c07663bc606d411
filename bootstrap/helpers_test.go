package bootstrap_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// patience bounds what a test waits for.
const patience = 5 * time.Second

// testLog logs to the test's output.
func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// eventually waits until something holds.
func eventually(t *testing.T, holds func() bool, what ...any) {
	t.Helper()
	require.Eventually(t, holds, patience, time.Millisecond, what...)
}

// background runs something until the returned function is called, or the test ends. It returns when that ended.
func background(t *testing.T, run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})

	go func() {
		defer close(ended)

		run(ctx)
	}()

	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)

	return stop
}

// fixedSet is a peer set that stays as it is.
type fixedSet struct {
	peerset.Set
	snapshot peerset.Snapshot
}

func (s fixedSet) Snapshot() peerset.Snapshot { return s.snapshot }

func (s fixedSet) Changed() <-chan struct{} { return nil }

func (s fixedSet) Report(context.Context, peerset.Report) error { return nil }

// fakeSet is a peer set that the test changes. Leases are granted, and what its first peer reports is seen, at once.
type fakeSet struct {
	peerset.Set
	mu       sync.Mutex
	snapshot peerset.Snapshot
	changed  chan struct{}
	held     []string
}

func newFakeSet(snapshot peerset.Snapshot) *fakeSet {
	return &fakeSet{
		snapshot: snapshot,
		changed:  make(chan struct{}),
	}
}

func (s *fakeSet) Snapshot() peerset.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.snapshot.Clone()
}

func (s *fakeSet) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.changed
}

func (s *fakeSet) change(f func(*peerset.Snapshot)) {
	s.mu.Lock()
	defer s.mu.Unlock()

	f(&s.snapshot)
	close(s.changed)

	s.changed = make(chan struct{})
}

func (s *fakeSet) Report(_ context.Context, report peerset.Report) error {
	last := s.Snapshot().Peers[0]
	if last.Healthy == report.Healthy && last.Draining == report.Draining {
		return nil
	}

	s.change(func(snapshot *peerset.Snapshot) {
		snapshot.Peers[0].Healthy, snapshot.Peers[0].Draining = report.Healthy, report.Draining
	})

	return nil
}

func (s *fakeSet) Hold(_ context.Context, lease string, _ time.Duration) (peerset.Lease, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.held = append(s.held, lease)

	return peerset.Lease{Name: lease, Holder: "web-1"}, true, nil
}

func (s *fakeSet) heldLeases() []string {
	s.mu.Lock()
	defer s.mu.Unlock()

	return slices.Clone(s.held)
}

func (s *fakeSet) Release(context.Context, peerset.Lease) error {
	return nil
}
