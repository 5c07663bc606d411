package peers_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peers"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// passing is a cluster whose members send heartbeats to the leader's agent, which takes none while it is deaf.
type passing struct {
	*cluster
	mu     sync.Mutex
	at     map[string]*peers.Store // by address
	passed atomic.Int64
	deaf   atomic.Bool
}

func (p *passing) pass(_ context.Context, member string, beats map[string]int) error {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.deaf.Load() {
		return errors.New("it is deaf")
	}

	p.passed.Add(1)
	p.at[member].TakeHeartbeats(beats)

	return nil
}

func (p *passing) open(name string, number int, join ...string) *peers.Store {
	config := p.config("test", name, number, 1, join...)
	config.Node = name
	config.Leadership = 50 * time.Millisecond
	config.PassHeartbeats = p.pass
	store := p.start(config)

	p.mu.Lock()
	defer p.mu.Unlock()

	p.at[p.address(number)] = store

	return store
}

// Heartbeats that come to any member reach all, whether the leader takes them or not.
func TestTheLeaderWritesHeartbeatsDownForAll(t *testing.T) {
	t.Parallel()

	p := &passing{
		cluster: newCluster(t),
		at:      map[string]*peers.Store{},
	}

	first := p.open("db-1", 1)
	defer p.stop(first)

	p.admit(first, "db-1", 1, 1)
	welcome := p.admit(first, "db-2", 2, 1)

	second := p.open("db-2", 2, welcome.Members...)
	defer p.stop(second)

	alive := func() bool {
		p.report(second, "db-2", 1, peerset.Report{State: "synced"})

		there, _ := first.Snapshot().Peer("db-2")
		here, _ := second.Snapshot().Peer("db-2")

		return there.Alive && here.Alive
	}
	p.eventually(10*time.Second, alive)

	told := func() bool {
		return alive() && p.passed.Load() > 0
	}
	p.eventually(10*time.Second, told, "the leader is told")

	for _, deaf := range []bool{false, true} {
		p.deaf.Store(deaf)

		// Without a heartbeat a peer counts as dead after one second here.
		for until := time.Now().Add(2 * time.Second); time.Now().Before(until); {
			require.True(t, alive(), "deaf: %v", deaf)
			time.Sleep(20 * time.Millisecond)
		}
	}
}
