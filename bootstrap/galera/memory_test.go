package galera_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
)

// memory is a peer set in memory: all that the driver may rely on, and nothing more.
type memory struct {
	mu       sync.Mutex
	snapshot peerset.Snapshot
	renewed  map[string]time.Time
	changed  chan struct{}
	late     time.Duration // how long a lease is asked for in vain without a quorum
}

func newMemory() *memory {
	return &memory{
		snapshot: peerset.Snapshot{
			Stack:    "demo",
			Founded:  "one",
			Quorum:   true,
			Leases:   map[string]peerset.Lease{},
			Settings: map[string]string{},
		},
		renewed: map[string]time.Time{},
		changed: make(chan struct{}),
	}
}

func (m *memory) edit(change func(*peerset.Snapshot)) {
	m.mu.Lock()
	defer m.mu.Unlock()

	m.bump(change)
}

func (m *memory) bump(change func(*peerset.Snapshot)) {
	change(&m.snapshot)
	m.snapshot.Generation++
	close(m.changed)
	m.changed = make(chan struct{})
}

// silence is the end of a node's heartbeats.
func (m *memory) silence(name string) {
	m.edit(func(s *peerset.Snapshot) {
		for i := range s.Peers {
			if s.Peers[i].Name == name {
				s.Peers[i].Alive = false
			}
		}
	})
}

func (m *memory) Snapshot() peerset.Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.snapshot.Clone()
}

func (m *memory) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

func (m *memory) Admit(_ context.Context, join peerset.Join) (peerset.Welcome, error) {
	m.edit(func(s *peerset.Snapshot) {
		if old, ok := s.Peer(join.Name); ok && old.Incarnation < join.Incarnation {
			s.Settings[peerset.ReplacedPrefix+join.Name] = strconv.Itoa(old.Incarnation)
		}

		s.Peers = slices.DeleteFunc(s.Peers, func(p peerset.Peer) bool {
			return p.Name == join.Name
		})
		s.Peers = append(s.Peers, peerset.Peer{
			Name:        join.Name,
			Role:        join.Role,
			Incarnation: join.Incarnation,
			Address:     join.Address,
			Alive:       true,
		})

		slices.SortFunc(s.Peers, func(a, b peerset.Peer) int {
			return strings.Compare(a.Name, b.Name)
		})

		for name, lease := range s.Leases {
			if lease.Holder == join.Name {
				lease.Holder = ""
				s.Leases[name] = lease
			}
		}
	})

	return peerset.Welcome{}, nil
}

func (m *memory) Report(_ context.Context, who peerset.Identity, report peerset.Report) error {
	m.edit(func(s *peerset.Snapshot) {
		if report.Healthy {
			delete(s.Settings, peerset.ReplacedPrefix+who.Name)
		}

		for i := range s.Peers {
			if p := &s.Peers[i]; p.Name == who.Name {
				p.Alive = true
				p.State = report.State
				p.Healthy = report.Healthy
				p.Draining = report.Draining
				p.Facts = report.Facts
			}
		}
	})

	return nil
}

func (m *memory) Hold(
	ctx context.Context,
	who peerset.Identity,
	name string,
	ttl time.Duration,
) (peerset.Lease, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()

	if !m.snapshot.Quorum {
		m.mu.Unlock()
		pause.For(ctx, m.late)
		m.mu.Lock()
		return peerset.Lease{}, false, peerset.ErrUnavailable
	}

	lease := m.snapshot.Leases[name]

	switch {
	case lease.Holder == who.Name && lease.Incarnation == who.Incarnation:
		m.renewed[name] = time.Now()
		return lease, true, nil
	case lease.Holder != "" && time.Since(m.renewed[name]) < ttl:
		return lease, false, nil
	}

	return m.take(who, name), true, nil
}

func (m *memory) take(who peerset.Identity, name string) peerset.Lease {
	lease := peerset.Lease{
		Name:        name,
		Holder:      who.Name,
		Incarnation: who.Incarnation,
		Epoch:       m.snapshot.Leases[name].Epoch + 1,
	}

	m.renewed[name] = time.Now()
	m.bump(func(s *peerset.Snapshot) { s.Leases[name] = lease })

	return lease
}

func (m *memory) Seize(
	_ context.Context,
	who peerset.Identity,
	seen peerset.Lease,
	_ string,
) (peerset.Lease, error) {
	m.mu.Lock()
	defer m.mu.Unlock()

	if !m.snapshot.Quorum {
		return peerset.Lease{}, peerset.ErrUnavailable
	}

	if current := m.snapshot.Leases[seen.Name]; current.Holder != "" && current.Epoch != seen.Epoch {
		return peerset.Lease{}, peerset.ErrStaleEpoch
	}

	return m.take(who, seen.Name), nil
}

func (m *memory) Release(_ context.Context, who peerset.Identity, lease peerset.Lease) error {
	m.mu.Lock()
	defer m.mu.Unlock()

	current := m.snapshot.Leases[lease.Name]
	if current.Holder != who.Name || current.Epoch != lease.Epoch {
		return peerset.ErrStaleEpoch
	}

	current.Holder = ""
	m.bump(func(s *peerset.Snapshot) {
		s.Leases[lease.Name] = current
	})

	return nil
}

func (m *memory) Put(_ context.Context, who peerset.Identity, key, value string, fence peerset.Lease) error {
	m.mu.Lock()
	defer m.mu.Unlock()

	if current := m.snapshot.Leases[fence.Name]; current.Holder != who.Name || current.Epoch != fence.Epoch {
		return peerset.ErrStaleEpoch
	}

	m.bump(func(s *peerset.Snapshot) { s.Settings[key] = value })

	return nil
}

func (m *memory) Forget(_ context.Context, name string) error {
	m.edit(func(s *peerset.Snapshot) {
		s.Peers = slices.DeleteFunc(s.Peers, func(p peerset.Peer) bool {
			return p.Name == name
		})
		s.Settings["forgotten."+name] = "1"
	})

	return nil
}
