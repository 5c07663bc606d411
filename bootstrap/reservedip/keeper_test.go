package reservedip_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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
		Patience:     20 * time.Millisecond,
		Cooldown:     300 * time.Millisecond,
		LookEvery:    50 * time.Millisecond,
		Fresh:        10 * time.Millisecond,
		Retry:        5 * time.Millisecond,
		LongestRetry: 20 * time.Millisecond,
		Call:         time.Second,
		HandOver:     3 * time.Second,
	}
}

// town is a peer set and a DigitalOcean in memory, and the keepers that live there.
type town struct {
	t *testing.T

	mu      sync.Mutex
	lease   peerset.Lease
	renewed time.Time
	quorum  bool
	changed chan struct{}
	peers   map[string]*resident

	droplet int // that the address is assigned to
	action  int
	refuse  map[int]error // of calls by the keeper of a Droplet
	moves   []string
}

// resident is one node.
type resident struct {
	town    *town
	droplet int
	keeper  *reservedip.Keeper
	healthy bool
	alive   bool
	notes   []string
	stop    func()
}

func newTown(t *testing.T) *town {
	return &town{
		t:       t,
		quorum:  true,
		changed: make(chan struct{}),
		peers:   map[string]*resident{},
		refuse:  map[int]error{},
	}
}

func (w *town) live(name string, droplet int) *resident {
	r := &resident{
		town:    w,
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
		Fit: func() (bool, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return r.healthy, false
		},
		Note: func(text string) {
			w.mu.Lock()
			defer w.mu.Unlock()

			r.notes = append(r.notes, text)
		},
		Changed: w.news,
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

	r.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		w.set(func() { r.alive = false })
	})
	w.t.Cleanup(r.stop)

	return r
}

func (w *town) news() {
	w.mu.Lock()
	defer w.mu.Unlock()

	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *town) set(change func()) {
	w.mu.Lock()
	change()
	w.mu.Unlock()
	w.news()
}

func (w *town) read(what func() bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return what()
}

func (w *town) until(what string, ok func() bool) {
	w.t.Helper()

	require.Eventually(
		w.t,
		func() bool { return w.read(ok) },
		5*time.Second,
		2*time.Millisecond,
		what,
	)
}

// whose waits until the lease and the address are a node's.
func (w *town) whose(name string) {
	w.t.Helper()
	w.until("the address is "+name+"'s", func() bool {
		return w.lease.Holder == name && w.droplet == w.peers[name].droplet
	})
}

type set struct {
	*resident
	name string
}

func (s set) Snapshot() peerset.Snapshot {
	s.town.mu.Lock()
	defer s.town.mu.Unlock()

	snapshot := peerset.Snapshot{
		Founded: "f",
		Quorum:  s.town.quorum,
		Leases:  map[string]peerset.Lease{s.town.lease.Name: s.town.lease},
	}

	for name, r := range s.town.peers {
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
	s.town.mu.Lock()
	defer s.town.mu.Unlock()
	return s.town.changed
}

func (s set) Hold(_ context.Context, lease string, ttl time.Duration) (peerset.Lease, bool, error) {
	s.town.mu.Lock()
	defer s.town.mu.Unlock()

	w := s.town

	switch {
	case !w.quorum:
		return peerset.Lease{}, false, peerset.ErrUnavailable
	case w.lease.Holder == s.name:
		w.renewed = time.Now()
		return w.lease, true, nil
	case w.lease.Holder != "" && time.Since(w.renewed) < ttl:
		return w.lease, false, nil
	}

	w.lease, w.renewed = peerset.Lease{
		Name:        lease,
		Holder:      s.name,
		Incarnation: 1,
		Epoch:       w.lease.Epoch + 1,
	}, time.Now()

	return w.lease, true, nil
}

func (s set) Release(_ context.Context, lease peerset.Lease) error {
	defer s.town.news()

	s.town.mu.Lock()
	defer s.town.mu.Unlock()

	if s.town.lease != lease {
		return peerset.ErrStaleEpoch
	}

	s.town.lease.Holder = ""

	return nil
}

type api struct{ *resident }

func (a api) ask() error {
	return a.town.refuse[a.droplet]
}

func (a api) Holder(context.Context) (int, bool, error) {
	a.town.mu.Lock()
	defer a.town.mu.Unlock()
	return a.town.droplet, false, a.ask()
}

func (a api) Assign(_ context.Context, droplet int) (cloud.Action, error) {
	a.town.mu.Lock()
	defer a.town.mu.Unlock()

	if err := a.ask(); err != nil {
		return cloud.Action{}, err
	}

	a.town.droplet = droplet
	a.town.action++
	a.town.moves = append(a.town.moves, fmt.Sprintf("%d at epoch %d", droplet, a.town.lease.Epoch))

	return cloud.Action{
		ID:     a.town.action,
		Status: "in-progress",
	}, nil
}

func (a api) Follow(_ context.Context, id int) (cloud.Action, error) {
	a.town.mu.Lock()
	defer a.town.mu.Unlock()
	return cloud.Action{ID: id, Status: cloud.ActionCompleted}, a.ask()
}

func (a api) Broad(context.Context) (bool, error) {
	a.town.mu.Lock()
	defer a.town.mu.Unlock()
	return true, a.ask()
}

type metadata struct{ *resident }

func (m metadata) Active(context.Context) (string, error) {
	m.town.mu.Lock()
	defer m.town.mu.Unlock()

	if m.town.droplet == m.droplet {
		return address, nil
	}

	return "", nil
}

func TestOneHoldsTheAddressAndAnotherTakesItOver(t *testing.T) {
	w := newTown(t)
	one := w.live("proxy-1", 11)
	w.whose("proxy-1")
	w.until("an event says so", func() bool { return len(one.notes) == 1 })
	require.Contains(t, one.notes[0], "203.0.113.9 reaches proxy-1 (Droplet 11), ")
	require.Contains(t, one.keeper.Status().Warning, "it can do more than move a reserved IP")

	two := w.live("proxy-2", 12)
	time.Sleep(quick().TTL) // nothing is to happen meanwhile
	require.Equal(t, []string{"11 at epoch 1"}, w.moves)
	one.stop() // dead: it gives nothing up
	w.whose("proxy-2")
	w.live("proxy-1", 13)
	time.Sleep(quick().TTL)

	require.True(t,
		w.read(func() bool { return w.lease.Holder == "proxy-2" }),
		"who comes back takes nothing away",
	)

	require.Equal(t, []string{"11 at epoch 1", "12 at epoch 2"}, w.moves)

	require.Equal(t,
		reservedip.Status{
			Address: address,
			Holds:   true,
			Active:  true,
			Warning: two.keeper.Status().Warning,
		},
		two.keeper.Status(),
	)
}

func TestWhoDoesNotServeGivesItUpAndWhoLeavesWaits(t *testing.T) {
	w := newTown(t)
	one := w.live("proxy-1", 11)
	w.whose("proxy-1")
	w.set(func() { one.healthy = false })
	time.Sleep(3 * quick().Patience)

	require.True(t,
		w.read(func() bool { return w.lease.Holder == "proxy-1" }),
		"nobody else serves",
	)

	two := w.live("proxy-2", 12)
	w.whose("proxy-2")

	require.Eventually(t,
		func() bool {
			return one.keeper.Fact() == ""
		},
		5*time.Second,
		time.Millisecond,
	)

	w.set(func() { one.healthy = true })
	two.keeper.Leave(t.Context())

	require.True(t,
		w.read(func() bool { return w.droplet == 11 }),
		"when Leave returns the other has the address",
	)

	w.whose("proxy-1")
}

// Without a quorum nothing moves, and what was so stays so.
func TestNothingMovesWithoutQuorum(t *testing.T) {
	w := newTown(t)
	one := w.live("proxy-1", 11)
	w.whose("proxy-1")
	w.until("it is seen", func() bool { return len(one.notes) == 1 })
	w.set(func() { w.quorum = false })
	w.live("proxy-2", 12)

	require.Eventually(t,
		func() bool {
			return !one.keeper.Status().Holds
		},
		5*time.Second,
		time.Millisecond,
		"the lease is not certain any more",
	)

	w.set(func() { w.droplet = 0 }) // whatever happens to it
	time.Sleep(2 * quick().TTL)
	require.Equal(t, []string{"11 at epoch 1"}, w.moves)
	w.set(func() { w.quorum = true })
	w.until("it is repaired then", func() bool { return len(w.moves) == 2 })
}

// The address is not given to who holds the lease no more, whatever it has seen before.
func TestALateHolderMovesNothing(t *testing.T) {
	w := newTown(t)
	one := w.live("proxy-1", 11)
	w.whose("proxy-1")
	w.until("it is seen", func() bool { return len(one.notes) == 1 })
	w.set(func() {
		w.lease.Holder, w.lease.Epoch, w.renewed, w.droplet = "proxy-9", 2, time.Now().Add(time.Hour), 19
	})

	require.Eventually(t,
		func() bool {
			return !one.keeper.Status().Holds
		},
		5*time.Second,
		time.Millisecond,
	)

	time.Sleep(2 * quick().TTL)
	require.Equal(t, []string{"11 at epoch 1"}, w.moves)
}

func TestATokenThatIsRefused(t *testing.T) {
	w := newTown(t)
	w.refuse[11] = &cloud.Failure{
		What:    "get reserved IP " + address,
		Status:  401,
		Message: "Unable to authenticate you",
	}

	one := w.live("proxy-1", 11)
	w.until("it says so", func() bool { return len(one.notes) > 0 })

	require.Contains(t,
		one.notes[0],
		"401 Unable to authenticate you; the token is not valid any more",
	)

	require.Contains(t,
		one.keeper.Status().Problem,
		"`hornero secrets set digitalocean.reserved_ip_token`",
	)

	require.Equal(t, peerset.ReservedIPUnable, one.keeper.Fact())
	w.live("proxy-2", 12)
	w.whose("proxy-2")
	w.set(func() { delete(w.refuse, 11) })

	require.Eventually(t,
		func() bool {
			return one.keeper.Status().Problem == "" && one.keeper.Fact() == ""
		},
		5*time.Second,
		time.Millisecond,
		"it finds out that the API answers again",
	)

	require.Len(t, one.notes, 1)
	require.Len(t, w.moves, 1, "only proxy-2 moved it")
}

// Busy is no problem of anybody's until it lasts; the holder then has the address all the same.
func TestTheAPIIsBusyForAWhile(t *testing.T) {
	w := newTown(t)
	w.refuse[11] = &cloud.Failure{Status: 422, Message: "Droplet already has a pending event."}
	one := w.live("proxy-1", 11)
	require.Eventually(t,
		func() bool {
			return strings.Contains(one.keeper.Status().Problem, "pending event")
		},
		5*time.Second,
		time.Millisecond,
	)

	w.set(func() { delete(w.refuse, 11) })
	w.whose("proxy-1")

	require.Eventually(t,
		func() bool {
			return one.keeper.Status().Problem == ""
		},
		5*time.Second,
		time.Millisecond,
	)

	require.Equal(t, []string{"11 at epoch 1"}, w.moves)
}

// A token that reads and may not change is a problem that no look makes forget.
func TestATokenThatOnlyReads(t *testing.T) {
	w := newTown(t)
	one := w.live("proxy-1", 11)
	w.whose("proxy-1")
	w.until("it is seen", func() bool { return len(one.notes) == 1 })

	w.set(func() {
		w.refuse[11] = errors.New("assign: 422 The droplet already has a reserved IP.")
		w.droplet = 99
	})

	w.until("it says so, once", func() bool { return len(one.notes) == 2 })
	time.Sleep(10 * quick().LongestRetry)
	require.True(t, w.read(func() bool { return len(one.notes) == 2 }))
}
