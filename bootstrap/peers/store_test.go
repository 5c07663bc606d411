package peers_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peers"
	"github.com/hornero/hornero/bootstrap/peerset"
)

func TestMembersFoundJoinAndFollow(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	first := c.founder()
	defer c.stop(first)

	second := c.member(first, "db-2", 2, 1)
	defer c.stop(second)

	third := c.member(first, "db-3", 3, 1)
	defer c.stop(third)

	c.eventually(10*time.Second, func() bool {
		s := third.Snapshot()
		complete := len(s.Voters) == 3 && len(s.Peers) == 3

		return complete && s.Founded != "" && s.Founded == first.Snapshot().Founded
	})

	c.report(second, "db-2", 1, peerset.Report{State: "synced", Healthy: true})

	c.eventually(5*time.Second, func() bool {
		peer, ok := third.Snapshot().Peer("db-2")
		return ok && peer.Healthy && peer.Alive && peer.State == "synced"
	})
}

func TestTheLastReportCounts(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	config := c.config("test", "db-1", 1, 1)
	config.Refresh = 300 * time.Millisecond

	store := c.start(config)
	defer c.stop(store)

	c.admit(store, "db-1", 1, 1)

	// These follow each other faster than this member reads.
	for n := range 30 {
		c.report(store, "db-1", 1, peerset.Report{
			State:   "synced",
			Healthy: n%2 == 0,
		})
	}

	c.eventually(3*time.Second, func() bool {
		peer, _ := store.Snapshot().Peer("db-1")
		return peer.State == "synced" && !peer.Healthy
	})

	generation := store.Snapshot().Generation

	for range 5 {
		c.report(store, "db-1", 1, peerset.Report{State: "synced"})
	}

	c.eventually(5*time.Second, func() bool {
		peer, _ := store.Snapshot().Peer("db-1")
		return peer.Alive
	})

	now := store.Snapshot().Generation
	require.Equal(t,
		generation,
		now,
		"a heartbeat that says nothing new makes no generation",
	)
}

func TestANewIncarnationEvictsTheOld(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	first := c.founder()
	defer c.stop(first)

	second := c.member(first, "db-2", 2, 1)
	third := c.member(first, "db-3", 3, 1)
	defer c.stop(third)

	c.hold(first, "db-2", 1, peerset.LeaseWriter)

	// dqlite waits 5 s for a member that ends while it is made a voter, and changes nothing in consensus meanwhile:
	// for as long nobody is admitted.
	c.eventually(10*time.Second, func() bool {
		return len(third.Snapshot().Voters) == 3
	})
	c.stop(second)

	// the same address, as a cloud may give it again
	again := c.member(third, "db-2", 2, 2)
	defer c.stop(again)

	c.eventually(5*time.Second, func() bool {
		peer, _ := third.Snapshot().Peer("db-2")
		return peer.Incarnation == 2
	})

	old := who("db-2", 1)
	require.ErrorIs(t,
		third.Report(c.within(5*time.Second), old, peerset.Report{}),
		peerset.ErrEvicted,
	)

	_, err := third.Admit(
		c.within(5*time.Second),
		c.joining("db-2", 2, 1),
	)
	require.ErrorIs(t, err, peerset.ErrEvicted)

	c.eventually(10*time.Second, func() bool {
		s := again.Snapshot()
		return len(s.Voters) == 3 && s.Holder(peerset.LeaseWriter) == ""
	})
}

func TestANodeThatNeverCameCanBeDeclaredGone(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	store := c.founder()
	defer c.stop(store)

	require.NoError(t, store.Forget(c.within(5*time.Second), "db-3"))

	c.eventually(5*time.Second, func() bool {
		incarnation, ok := store.Snapshot().Forgotten()["db-3"]
		return ok && incarnation == 0
	})

	c.admit(store, "db-3", 3, 1) // late, and new: it never had anything
	c.eventually(5*time.Second, func() bool {
		return len(store.Snapshot().Forgotten()) == 0
	})
}

// Each agent asks twice on its way into consensus: the second time it has reported what it holds.
func TestAnAgentThatAsksAgainWasNotRebuilt(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	store := c.founder()
	defer c.stop(store)

	c.admit(store, "db-2", 2, 1)
	c.report(store, "db-2", 1, peerset.Report{
		Facts: map[string]string{"galera.evidence": "empty"},
	})

	_, err := store.Admit(c.within(5*time.Second), peerset.Join{
		Identity: peerset.Identity{
			Name:        "db-2",
			Role:        "db",
			Incarnation: 1,
		},
		Address: c.address(2),
		Kind:    peerset.KindMember,
		Again:   true,
	})
	require.NoError(t, err)

	mark := peerset.ReplacedPrefix + "db-2"
	require.NotContains(t, store.Snapshot().Settings, mark)

	c.admit(store, "db-2", 2, 1)
	c.eventually(5*time.Second, func() bool {
		return store.Snapshot().Settings[mark] == "1"
	})
}

func TestWhatAnIncarnationHeldIsAccountedFor(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	store := c.founder()
	defer c.stop(store)

	before := func() string {
		return store.Snapshot().Settings[peerset.ReplacedPrefix+"db-2"]
	}
	becomes := func(want string) {
		t.Helper()
		c.eventually(
			5*time.Second,
			func() bool { return before() == want },
			"%q",
			want,
		)
	}

	healthy := peerset.Report{Healthy: true}

	c.admit(store, "db-2", 2, 1)
	c.admit(store, "db-2", 3, 2)
	becomes("1")
	c.report(store, "db-2", 2, peerset.Report{})
	require.Equal(t, "1", before())
	c.report(store, "db-2", 2, healthy)
	becomes("")

	t.Log(
		"the same incarnation asks again: at its first attempt it had said nothing, and a " +
			"rebuilt one had",
	)
	c.admit(store, "db-4", 5, 1)
	c.admit(store, "db-4", 5, 1)

	c.report(store, "db-2", 2, peerset.Report{
		Healthy: true,
		Facts:   map[string]string{"galera.seqno": "7"},
	})

	c.admit(store, "db-2", 3, 2)
	becomes("2")
	require.Empty(t,
		store.Snapshot().Settings[peerset.ReplacedPrefix+"db-4"],
	)
	c.report(store, "db-2", 2, healthy)
	becomes("")

	c.admit(store, "db-2", 4, 3)
	becomes("2")

	c.eventually(5*time.Second, func() bool {
		c.report(store, "db-2", 3, peerset.Report{})
		peer, _ := store.Snapshot().Peer("db-2")

		return peer.Alive
	})

	require.NoError(t, store.Forget(c.within(5*time.Second), "db-2"))
	becomes("")

	_, there := store.Snapshot().Peer("db-2")
	require.True(t, there, "the living successor stays")

	require.NoError(t, store.Forget(c.within(5*time.Second), "db-2"))
	c.eventually(5*time.Second, func() bool {
		return store.Snapshot().Forgotten()["db-2"] == 3
	})
}

func TestAnIncarnationThatWasDeclaredGoneIsNotAdmittedAgain(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	store := c.founder()
	defer c.stop(store)

	c.admit(store, "db-2", 2, 3)
	require.NoError(t, store.Forget(c.within(5*time.Second), "db-2"))

	_, err := store.Admit(
		c.within(5*time.Second),
		c.joining("db-2", 2, 3),
	)
	require.ErrorIs(t, err, peerset.ErrEvicted)

	c.admit(store, "db-2", 2, 4)
}

func TestLeasesHaveOneHolderAndAFence(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	store := c.founder()
	defer c.stop(store)

	c.admit(store, "db-2", 2, 1)

	ctx := c.within(20 * time.Second)
	ttl := 300 * time.Millisecond

	lease, ok, err := store.Hold(ctx,
		who("db-1", 1),
		peerset.LeaseWriter,
		ttl,
	)
	require.NoError(t, err)
	require.True(t, ok)

	_, ok, err = store.Hold(ctx, who("db-2", 1), peerset.LeaseWriter, ttl)
	require.NoError(t, err)
	require.False(t, ok, "a fresh lease has one holder")

	require.NoError(t, store.Put(ctx, who("db-1", 1), "db.k", "v", lease))

	c.eventually(5*time.Second, func() bool {
		_, ok, err := store.Hold(ctx,
			who("db-2", 1),
			peerset.LeaseWriter,
			ttl,
		)
		return err == nil && ok
	}, "a lease that nobody renews expires")

	err = store.Put(ctx, who("db-1", 1), "db.k", "stale", lease)
	require.ErrorIs(t, err, peerset.ErrStaleEpoch)

	_, err = store.Seize(ctx, who("db-1", 1), lease, "test")
	require.ErrorIs(t,
		err,
		peerset.ErrStaleEpoch,
		"another took it since it was seen",
	)

	lease.Epoch++
	seized, err := store.Seize(ctx, who("db-1", 1), lease, "test")
	require.NoError(t, err)
	require.Equal(t, lease.Epoch+1, seized.Epoch)

	web := peerset.Identity{
		Name:        "web-1",
		Role:        "web",
		Incarnation: 1,
	}
	_, _, err = store.Hold(ctx, web, peerset.LeaseWriter, ttl)
	require.ErrorIs(t, err, peerset.ErrForbidden)
}

func TestAMemberComesBackWithoutQuorum(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	first := c.founder()
	second := c.member(first, "db-2", 2, 1)
	third := c.member(first, "db-3", 3, 1)

	c.eventually(10*time.Second, func() bool {
		return len(first.Snapshot().Voters) == 3
	})

	c.stop(third)
	c.stop(second)
	c.stop(first)

	config := c.config("test", "db-1", 1, 1)
	require.True(t, peers.Known(config.Dir))

	alone := c.start(config)
	defer c.stop(alone)

	require.False(t, alone.Snapshot().Quorum)

	second = c.start(c.config("test", "db-2", 2, 1))
	defer c.stop(second)

	c.eventually(15*time.Second, func() bool { return alone.Snapshot().Quorum })
}

func TestAStrangerIsRefused(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	first := c.start(c.config("test", "db-1", 1, 1))
	defer c.stop(first)

	stranger := c.config("other", "db-2", 2, 1, c.address(1))
	_, err := peers.Open(c.within(2*time.Second), stranger)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
