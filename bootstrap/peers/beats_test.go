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

// Heartbeats that come to any member reach all, whether the leader takes them or not.
func TestTheLeaderWritesHeartbeatsDownForAll(t *testing.T) {
	t.Parallel()

	c := newCluster(t)

	var mu sync.Mutex
	stores := map[string]*peers.Store{}

	var passed atomic.Int64
	var deaf atomic.Bool

	open := func(name string, number int, join ...string) *peers.Store {
		config := c.config("test", name, number, 1, join...)
		config.Node = name
		config.Leadership = 50 * time.Millisecond

		config.Pass = func(_ context.Context, member string, beats map[string]int) error {
			mu.Lock()
			defer mu.Unlock()

			if deaf.Load() {
				return errors.New("it is deaf")
			}

			passed.Add(1)
			stores[member].Heard(beats)

			return nil
		}

		store := c.start(config)
		mu.Lock()
		defer mu.Unlock()

		stores[c.address(number)] = store

		return store
	}

	first := open("db-1", 1)
	defer c.stop(first)
	c.admit(first, "db-1", 1, 1)

	second := open("db-2", 2, c.admit(first, "db-2", 2, 1).Members...)
	defer c.stop(second)

	alive := func() bool {
		c.report(second, "db-2", 1, peerset.Report{State: "synced"})

		there, _ := first.Snapshot().Peer("db-2")
		here, _ := second.Snapshot().Peer("db-2")

		return there.Alive && here.Alive
	}
	c.eventually(10*time.Second, alive)

	c.eventually(10*time.Second, func() bool { return alive() && passed.Load() > 0 }, "the leader is told")

	for _, is := range []bool{false, true} {
		deaf.Store(is)

		for until := time.Now().Add(2 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
			require.True(t, alive(), "deaf: %v", is)
		}
	}
}
