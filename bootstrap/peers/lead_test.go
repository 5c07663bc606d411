package peers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peers"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
)

// avoiding starts three members, of which those that avoid names should not lead, and returns what ends each
// without a word.
func (c *cluster) avoiding(avoid func(peerset.Snapshot) []string) (all []*peers.Store, crash []func() error) {
	for n := 1; n <= 3; n++ {
		name := fmt.Sprintf("db-%d", n)
		config := c.config("test", name, n, 1)
		config.Node = name
		config.AvoidLeading = avoid
		config.Leadership = 50 * time.Millisecond
		config.HandOver = 200 * time.Millisecond
		config.NetworkLatency = peers.DefaultNetworkLatency // as it is on a node

		if n > 1 {
			config.Join = c.admit(all[0], name, n, 1).Members
		}

		store := c.start(config)
		end := sync.OnceValue(store.Crash)
		c.t.Cleanup(func() { _ = end() })

		all = append(all, store)
		crash = append(crash, end)

		if n == 1 {
			c.admit(all[0], name, n, 1)
		}
	}

	c.eventually(15*time.Second, func() bool {
		return len(all[2].Snapshot().Voters) == 3
	})

	return all, crash
}

// leader is the number of the member that leads, as another one sees it; -1 for none.
func (c *cluster) leader(store *peers.Store) int {
	leads := store.Snapshot().Leader
	return slices.IndexFunc(
		[]int{1, 2, 3},
		func(n int) bool { return leads == c.endpoint(n) },
	)
}

// beats is how it went to keep a member alive.
type beats struct {
	longest time.Duration // that a write took
	err     error
}

// beat keeps a member alive until ctx ends. A machine that is busy enough is without a leader for long: that is the
// one way in which a write may fail.
func (c *cluster) beat(ctx context.Context, store *peers.Store, name string) (told beats) {
	for n := 0; ctx.Err() == nil; n++ {
		began := time.Now()

		err := store.Report(ctx,
			who(name, 1),
			peerset.Report{State: fmt.Sprint(n)},
		)
		if err != nil && ctx.Err() == nil && !errors.Is(err,
			peerset.ErrUnavailable,
		) {
			told.err = err
			return told
		}

		told.longest = max(told.longest, time.Since(began))
		pause.For(ctx, 20*time.Millisecond)
	}

	return told
}

func TestAMemberThatShouldNotLeadHandsOver(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	all, _ := c.avoiding(func(s peerset.Snapshot) []string {
		return []string{s.Holder(peerset.LeaseWriter)}
	})

	ctx, stop := context.WithCancel(t.Context())
	defer stop()

	done := make(chan beats, len(all))

	for n, store := range all {
		go func() {
			done <- c.beat(ctx, store, fmt.Sprintf("db-%d", n+1))
		}()
	}

	c.eventually(
		5*time.Second,
		func() bool {
			return c.leader(all[0]) == 0
		},
		"the founder leads",
	)

	for range 2 {
		leads := c.leader(all[0])
		leader := all[leads]

		c.succeeds(20*time.Second, func() error {
			seen := peerset.Lease{
				Name:  peerset.LeaseWriter,
				Epoch: leader.Snapshot().Leases[peerset.LeaseWriter].Epoch,
			}
			_, err := leader.Seize(
				c.within(5*time.Second),
				who(fmt.Sprintf("db-%d", leads+1), 1),
				seen,
				"test",
			)

			return err
		})

		c.eventually(20*time.Second, func() bool {
			for _, store := range all {
				if now := c.leader(store); now < 0 || now == leads {
					return false
				}
			}

			return true
		}, "db-%d holds the lease and leads no more", leads+1)
	}

	stop()

	for range all {
		told := <-done
		require.NoError(t, told.err, "writes go on")
		t.Logf("longest write: %v", told.longest)
	}
}

// TestAStandByKnowsWhoLeads asks one whose own dqlite does not.
func TestAStandByKnowsWhoLeads(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	all, _ := c.avoiding(nil)
	c.admit(all[0], "db-4", 4, 1)

	config := c.config("test", "db-4", 4, 1, c.address(1))
	config.Leadership = 50 * time.Millisecond
	fourth := c.start(config)
	defer c.stop(fourth)

	c.eventually(10*time.Second, func() bool {
		return c.leader(fourth) == c.leader(all[0]) && len(fourth.Snapshot().Voters) == 3
	})

	require.NotContains(t, fourth.Snapshot().Voters, c.endpoint(4))
}

func TestNobodyHandsOverToTheUnwilling(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	all, _ := c.avoiding(func(peerset.Snapshot) []string {
		return []string{"db-1", "db-2", "db-3"}
	})

	another := func() bool {
		return c.leader(all[1]) > 0
	}
	require.Never(t,
		another,
		time.Second,
		20*time.Millisecond,
		"all are avoided: who leads goes on",
	)
}

// TestALeaderThatDiesCostsNobodyALease has a lease renewed and wanted while nobody leads.
func TestALeaderThatDiesCostsNobodyALease(t *testing.T) {
	// It measures time: no other test runs beside it.
	c := newCluster(t)
	all, crash := c.avoiding(nil)

	const ttl = 3 * time.Second

	ctx := c.within(20 * time.Second)

	lease, held, err := all[1].Hold(ctx,
		who("db-2", 1),
		peerset.LeaseWriter,
		ttl,
	)
	require.NoError(t, err)
	require.True(t, held)

	c.eventually(5*time.Second, func() bool {
		return all[2].Snapshot().Holder(peerset.LeaseWriter) == "db-2"
	})

	require.NoError(t, crash[0]())

	died := time.Now()
	var back time.Duration

	for time.Since(died) < ttl+2*time.Second {
		now, held, err := all[1].Hold(ctx,
			who("db-2", 1),
			peerset.LeaseWriter,
			ttl,
		)
		require.NoError(t, err)
		require.True(t, held)
		require.Equal(t, lease, now)

		if back == 0 {
			back = time.Since(died)
		}

		_, taken, err := all[2].Hold(ctx,
			who("db-3", 1),
			peerset.LeaseWriter,
			ttl,
		)
		require.NoError(t, err)
		require.False(t,
			taken,
			"%v after the leader's death",
			time.Since(died),
		)

		// Holders renew at this pace.
		time.Sleep(ttl / 6)
	}

	t.Logf("the first write after the leader's death: %v", back)
	require.Less(t, back, 4*time.Second)
}
