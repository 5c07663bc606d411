package reservedip_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/cloud"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/bootstrap/reservedip"
)

const address = "203.0.113.9"

func quick() reservedip.Times {
	return reservedip.Times{
		TTL:          200 * time.Millisecond,
		Tick:         5 * time.Millisecond,
		Grace:        20 * time.Millisecond,
		Cooldown:     300 * time.Millisecond,
		LookEvery:    50 * time.Millisecond,
		Fresh:        10 * time.Millisecond,
		Retry:        5 * time.Millisecond,
		LongestRetry: 20 * time.Millisecond,
		Call:         time.Second,
		HandOver:     3 * time.Second,
	}
}

// world is a peer set and a DigitalOcean in memory, and the keepers that use them.
type world struct {
	t *testing.T

	mu      sync.Mutex
	lease   peerset.Lease
	renewed time.Time
	quorum  bool
	changed chan struct{}
	peers   map[string]*node

	droplet int // that the address is assigned to
	action  int
	refuse  map[int]error // of calls by the keeper of a Droplet
	moves   []string
}

// node is one node.
type node struct {
	world   *world
	droplet int
	keeper  *reservedip.Keeper
	healthy bool
	alive   bool
	notes   []string
	stop    func()
}

func newWorld(t *testing.T) *world {
	return &world{
		t:       t,
		quorum:  true,
		changed: make(chan struct{}),
		peers:   map[string]*node{},
		refuse:  map[int]error{},
	}
}

func (w *world) start(name string, droplet int) *node {
	r := &node{
		world:   w,
		droplet: droplet,
		healthy: true,
		alive:   true,
	}

	r.keeper = reservedip.New(reservedip.Config{
		Node:     name,
		Role:     "proxy",
		Droplet:  droplet,
		Address:  address,
		Set:      set{r, name},
		API:      api{r},
		Metadata: metadata{r},
		Health: func() (bool, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return r.healthy, false
		},
		Note: func(text string) {
			w.mu.Lock()
			defer w.mu.Unlock()

			r.notes = append(r.notes, text)
		},
		Changed: w.tell,
		Count:   func(string) {},
		Log:     slog.New(slog.DiscardHandler),
		Times:   quick(),
	})

	w.mu.Lock()
	w.peers[name] = r
	w.mu.Unlock()

	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})

	go func() {
		defer close(done)

		r.keeper.Run(ctx)
	}()

	// A dead node does not release its lease: only its heartbeat ends.
	r.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		w.set(func() { r.alive = false })
	})
	w.t.Cleanup(r.stop)

	return r
}

func (w *world) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()

	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *world) set(change func()) {
	w.mu.Lock()
	change()
	w.mu.Unlock()

	w.tell()
}

func (w *world) read(what func() bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return what()
}

func (w *world) until(what string, ok func() bool) {
	w.t.Helper()

	holds := func() bool { return w.read(ok) }
	require.Eventually(w.t, holds, 5*time.Second, 2*time.Millisecond, what)
}

// heldBy waits until the lease and the address are a node's.
func (w *world) heldBy(name string) {
	w.t.Helper()
	w.until("the address is "+name+"'s", func() bool {
		return w.lease.Holder == name && w.droplet == w.peers[name].droplet
	})
}

type set struct {
	*node
	name string
}

func (s set) Snapshot() peerset.Snapshot {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()

	snapshot := peerset.Snapshot{
		Founded: "f",
		Quorum:  s.world.quorum,
		Leases:  map[string]peerset.Lease{s.world.lease.Name: s.world.lease},
	}

	for name, r := range s.world.peers {
		fact := ""
		if r.keeper != nil && name != s.name { // a keeper does not look at itself
			fact = r.keeper.Fact()
		}

		snapshot.Peers = append(snapshot.Peers, peerset.Peer{
			Name:    name,
			Role:    "proxy",
			Healthy: r.healthy,
			Alive:   r.alive,
			Facts:   map[string]string{peerset.FactReservedIP: fact},
		})
	}

	return snapshot
}

func (s set) Changed() <-chan struct{} {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	return s.world.changed
}

func (s set) Hold(_ context.Context, lease string, ttl time.Duration) (peerset.Lease, bool, error) {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()

	w := s.world

	switch {
	case !w.quorum:
		return peerset.Lease{}, false, peerset.ErrUnavailable
	case w.lease.Holder == s.name:
		w.renewed = time.Now()
		return w.lease, true, nil
	case w.lease.Holder != "" && time.Since(w.renewed) < ttl:
		return w.lease, false, nil
	}

	w.renewed = time.Now()
	w.lease = peerset.Lease{
		Name:        lease,
		Holder:      s.name,
		Incarnation: 1,
		Epoch:       w.lease.Epoch + 1,
	}

	return w.lease, true, nil
}

func (s set) Release(_ context.Context, lease peerset.Lease) error {
	defer s.world.tell()

	s.world.mu.Lock()
	defer s.world.mu.Unlock()

	if s.world.lease != lease {
		return peerset.ErrStaleEpoch
	}

	s.world.lease.Holder = ""

	return nil
}

type api struct{ *node }

func (a api) ask() error {
	return a.world.refuse[a.droplet]
}

func (a api) Holder(context.Context) (int, bool, error) {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	return a.world.droplet, false, a.ask()
}

func (a api) Assign(_ context.Context, droplet int) (cloud.Action, error) {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()

	if err := a.ask(); err != nil {
		return cloud.Action{}, err
	}

	a.world.droplet = droplet
	a.world.action++
	a.world.moves = append(a.world.moves, fmt.Sprintf("%d at epoch %d", droplet, a.world.lease.Epoch))

	return cloud.Action{
		ID:     a.world.action,
		Status: "in-progress",
	}, nil
}

func (a api) Follow(_ context.Context, id int) (cloud.Action, error) {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	return cloud.Action{ID: id, Status: cloud.ActionCompleted}, a.ask()
}

func (a api) Broad(context.Context) (bool, error) {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	return true, a.ask()
}

type metadata struct{ *node }

func (m metadata) Active(context.Context) (string, error) {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()

	if m.world.droplet == m.droplet {
		return address, nil
	}

	return "", nil
}
