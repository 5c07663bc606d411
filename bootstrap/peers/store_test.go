package peers_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peers"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
)

// cluster is real dqlite members on loopback addresses, one port for all.
type cluster struct {
	t    *testing.T
	ca   pki.Pair
	port int
	dir  string
}

func newCluster(t *testing.T) *cluster {
	ca, err := pki.NewCA("test")
	require.NoError(t, err)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()

	return &cluster{
		t:    t,
		ca:   ca,
		port: listener.Addr().(*net.TCPAddr).Port,
		dir:  t.TempDir(),
	}
}

func address(number int) string {
	return fmt.Sprintf("127.0.0.%d", 10+number)
}

func (c *cluster) config(stack, name string, number, incarnation int, join ...string) peers.Config {
	pair, err := c.ca.Issue(pki.Name{
		Stack:       stack,
		Role:        "db",
		Node:        name,
		Incarnation: incarnation,
		Kind:        peerset.KindMember,
	})
	require.NoError(c.t, err)

	config, err := pki.PeerTLS(c.ca.Certificate, pair, stack, membersOnly)
	require.NoError(c.t, err)

	return peers.Config{
		Dir: filepath.Join(c.dir, fmt.Sprintf(
			"%s-%d",
			name,
			incarnation,
		)),
		Stack:   stack,
		Address: address(number),
		Port:    c.port,
		Join:    join,
		TLS:     config,
		Log: slog.New(slog.NewTextHandler(
			c.t.Output(),
			&slog.HandlerOptions{Level: slog.LevelDebug},
		)),
		Refresh:        50 * time.Millisecond,
		NetworkLatency: 20 * time.Millisecond,
		RolesFrequency: 200 * time.Millisecond,
		BeatEvery:      300 * time.Millisecond,
		AliveFor:       time.Second,
	}
}

func membersOnly(name pki.Name) error {
	return peerset.MemberOnly(name.Kind, name.Role)
}

func (c *cluster) start(config peers.Config) *peers.Store {
	store, err := peers.Open(c.within(20*time.Second), config)
	require.NoError(c.t, err)
	return store
}

func (c *cluster) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(c.t.Context(), d)
	c.t.Cleanup(cancel)
	return ctx
}

func (c *cluster) stop(store *peers.Store) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()

	_ = store.Close(ctx) // handing over fails when the rest is already gone
}

func who(name string, incarnation int) peerset.Identity {
	return peerset.Identity{
		Name:        name,
		Role:        "db",
		Incarnation: incarnation,
	}
}

func (c *cluster) admit(to *peers.Store, name string, number, incarnation int) peerset.Welcome {
	welcome, err := to.Admit(
		c.within(10*time.Second),
		peerset.Join{
			Identity: who(name, incarnation),
			Address:  address(number),
			Kind:     "member",
		},
	)
	require.NoError(c.t, err)

	return welcome
}

func (c *cluster) member(to *peers.Store, name string, number, incarnation int) *peers.Store {
	welcome := c.admit(to, name, number, incarnation)
	return c.start(c.config("test", name, number, incarnation, welcome.Members...))
}

func TestMembersFoundJoinAndFollow(t *testing.T) {
	c := newCluster(t)
	first := c.start(c.config("test", "db-1", 1, 1))
	defer c.stop(first)

	c.admit(first, "db-1", 1, 1)

	second := c.member(first, "db-2", 2, 1)
	defer c.stop(second)

	third := c.member(first, "db-3", 3, 1)
	defer c.stop(third)

	require.Eventually(t, func() bool {
		s := third.Snapshot()
		return len(s.Voters) == 3 &&
			len(s.Peers) == 3 &&
			s.Founded != "" &&
			s.Founded == first.Snapshot().Founded
	}, 10*time.Second, 20*time.Millisecond)

	require.NoError(t, second.Report(
		c.within(5*time.Second),
		who("db-2", 1),
		peerset.Report{State: "synced", Healthy: true},
	))

	require.Eventually(t, func() bool {
		peer, ok := third.Snapshot().Peer("db-2")
		return ok && peer.Healthy && peer.Alive && peer.State == "synced"
	}, 5*time.Second, 20*time.Millisecond)
}

func TestTheLastReportCounts(t *testing.T) {
	c := newCluster(t)
	config := c.config("test", "db-1", 1, 1)
	config.Refresh = 300 * time.Millisecond
	store := c.start(config)
	defer c.stop(store)

	c.admit(store, "db-1", 1, 1)

	for n := range 30 { // faster than this member reads
		require.NoError(t, store.Report(
			c.within(5*time.Second),
			who("db-1", 1),
			peerset.Report{
				State:   "synced",
				Healthy: n%2 == 0,
			},
		))
	}

	require.Eventually(t, func() bool {
		peer, _ := store.Snapshot().Peer("db-1")
		return peer.State == "synced" && !peer.Healthy
	}, 3*time.Second, 20*time.Millisecond)

	generation := store.Snapshot().Generation

	for range 5 {
		require.NoError(t, store.Report(
			c.within(5*time.Second),
			who("db-1", 1),
			peerset.Report{State: "synced"},
		))
	}

	require.Eventually(t,
		func() bool {
			peer, _ := store.Snapshot().Peer("db-1")
			return peer.Alive
		},
		5*time.Second,
		20*time.Millisecond,
	)

	require.Equal(t,
		generation,
		store.Snapshot().Generation,
		"a heartbeat that says nothing new makes no generation",
	)
}

func TestANewIncarnationEvictsTheOld(t *testing.T) {
	c := newCluster(t)
	first := c.start(c.config("test", "db-1", 1, 1))
	defer c.stop(first)

	c.admit(first, "db-1", 1, 1)

	second := c.member(first, "db-2", 2, 1)
	third := c.member(first, "db-3", 3, 1)
	defer c.stop(third)

	_, ok, err := first.Hold(
		c.within(5*time.Second),
		who("db-2", 1),
		peerset.LeaseWriter,
		time.Minute,
	)
	require.NoError(t, err)
	require.True(t, ok)
	c.stop(second)

	again := c.member(third, "db-2", 2, 2) // the same address, as a cloud may give it again
	defer c.stop(again)

	require.ErrorIs(t,
		third.Report(
			c.within(5*time.Second),
			who("db-2", 1),
			peerset.Report{},
		),
		peerset.ErrEvicted,
	)

	_, err = third.Admit(
		c.within(5*time.Second),
		peerset.Join{
			Identity: who("db-2", 1),
			Address:  address(2),
			Kind:     "member",
		},
	)
	require.ErrorIs(t, err, peerset.ErrEvicted)

	require.Eventually(t, func() bool {
		s := again.Snapshot()
		return len(s.Voters) == 3 && s.Holder(peerset.LeaseWriter) == ""
	}, 10*time.Second, 20*time.Millisecond)
}

func TestANodeThatNeverCameCanBeDeclaredGone(t *testing.T) {
	c := newCluster(t)
	store := c.start(c.config("test", "db-1", 1, 1))
	defer c.stop(store)

	c.admit(store, "db-1", 1, 1)
	require.NoError(t, store.Forget(c.within(5*time.Second), "db-3"))

	require.Eventually(t, func() bool {
		gone := store.Snapshot().Forgotten()
		incarnation, ok := gone["db-3"]
		return ok && incarnation == 0
	}, 5*time.Second, 20*time.Millisecond)

	c.admit(store, "db-3", 3, 1) // late, and new: it never had anything

	require.Eventually(t,
		func() bool {
			return len(store.Snapshot().Forgotten()) == 0
		},
		5*time.Second,
		20*time.Millisecond,
	)
}

func TestWhatAnIncarnationHeldIsAccountedFor(t *testing.T) {
	c := newCluster(t)
	store := c.start(c.config("test", "db-1", 1, 1))
	defer c.stop(store)

	c.admit(store, "db-1", 1, 1)

	before := func() string {
		return store.Snapshot().Settings[peerset.ReplacedPrefix+"db-2"]
	}
	becomes := func(want string) {
		require.Eventually(t,
			func() bool { return before() == want },
			5*time.Second,
			20*time.Millisecond,
			"%q",
			want,
		)
	}

	report := func(incarnation int, healthy bool) {
		require.NoError(t, store.Report(
			c.within(5*time.Second),
			who("db-2", incarnation),
			peerset.Report{Healthy: healthy},
		))
	}

	c.admit(store, "db-2", 2, 1)
	c.admit(store, "db-2", 3, 2)
	becomes("1")
	report(2, false)
	require.Equal(t, "1", before())
	report(2, true)
	becomes("")

	t.Log("the same incarnation asks again: at its first attempt it had said nothing, and a rebuilt one had")
	c.admit(store, "db-4", 5, 1)
	c.admit(store, "db-4", 5, 1)

	require.NoError(t, store.Report(
		c.within(5*time.Second),
		who("db-2", 2),
		peerset.Report{
			Healthy: true,
			Facts:   map[string]string{"galera.seqno": "7"},
		},
	))

	c.admit(store, "db-2", 3, 2)
	becomes("2")
	require.Empty(t, store.Snapshot().Settings[peerset.ReplacedPrefix+"db-4"])
	report(2, true)
	becomes("")

	c.admit(store, "db-2", 4, 3)
	becomes("2")

	require.Eventually(t, func() bool {
		report(3, false)
		peer, _ := store.Snapshot().Peer("db-2")
		return peer.Alive
	}, 5*time.Second, 20*time.Millisecond)

	require.NoError(t, store.Forget(c.within(5*time.Second), "db-2"))
	becomes("")

	_, there := store.Snapshot().Peer("db-2")
	require.True(t, there, "the living successor stays")
	require.NoError(t, store.Forget(c.within(5*time.Second), "db-2"))

	require.Eventually(t,
		func() bool {
			return store.Snapshot().Forgotten()["db-2"] == 3
		},
		5*time.Second,
		20*time.Millisecond,
	)
}

func TestAnIncarnationThatWasDeclaredGoneIsNotAdmittedAgain(t *testing.T) {
	c := newCluster(t)
	store := c.start(c.config("test", "db-1", 1, 1))
	defer c.stop(store)

	c.admit(store, "db-1", 1, 1)
	c.admit(store, "db-2", 2, 3)
	require.NoError(t, store.Forget(c.within(5*time.Second), "db-2"))

	_, err := store.Admit(
		c.within(5*time.Second),
		peerset.Join{
			Identity: who("db-2", 3),
			Address:  address(2),
			Kind:     "member",
		},
	)
	require.ErrorIs(t, err, peerset.ErrEvicted)
	c.admit(store, "db-2", 2, 4)
}

func TestLeasesHaveOneHolderAndAFence(t *testing.T) {
	c := newCluster(t)
	store := c.start(c.config("test", "db-1", 1, 1))
	defer c.stop(store)

	c.admit(store, "db-1", 1, 1)
	c.admit(store, "db-2", 2, 1)

	ctx := c.within(20 * time.Second)
	ttl := 300 * time.Millisecond

	lease, ok, err := store.Hold(ctx, who("db-1", 1), peerset.LeaseWriter, ttl)
	require.NoError(t, err)
	require.True(t, ok)

	_, ok, err = store.Hold(ctx, who("db-2", 1), peerset.LeaseWriter, ttl)
	require.NoError(t, err)
	require.False(t, ok, "a fresh lease has one holder")
	require.NoError(t, store.Put(ctx, who("db-1", 1), "db.k", "v", lease))

	require.Eventually(t, func() bool {
		_, ok, err := store.Hold(ctx, who("db-2", 1), peerset.LeaseWriter, ttl)
		return err == nil && ok
	}, 5*time.Second, 50*time.Millisecond, "a lease that nobody renews expires")

	require.ErrorIs(t,
		store.Put(ctx, who("db-1", 1), "db.k", "stale", lease),
		peerset.ErrStaleEpoch,
	)

	_, err = store.Seize(ctx, who("db-1", 1), lease, "test")
	require.ErrorIs(t, err, peerset.ErrStaleEpoch, "another took it since it was seen")
	lease.Epoch++
	seized, err := store.Seize(ctx, who("db-1", 1), lease, "test")
	require.NoError(t, err)
	require.Equal(t, lease.Epoch+1, seized.Epoch)

	_, _, err = store.Hold(ctx,
		peerset.Identity{
			Name:        "web-1",
			Role:        "web",
			Incarnation: 1,
		},
		peerset.LeaseWriter,
		ttl,
	)
	require.ErrorIs(t, err, peerset.ErrForbidden)
}

func TestAMemberComesBackWithoutQuorum(t *testing.T) {
	c := newCluster(t)
	first := c.start(c.config("test", "db-1", 1, 1))
	c.admit(first, "db-1", 1, 1)

	second := c.member(first, "db-2", 2, 1)
	third := c.member(first, "db-3", 3, 1)

	require.Eventually(t,
		func() bool {
			return len(first.Snapshot().Voters) == 3
		},
		10*time.Second,
		20*time.Millisecond,
	)

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

	require.Eventually(t,
		func() bool { return alone.Snapshot().Quorum },
		15*time.Second,
		20*time.Millisecond,
	)
}

func TestAStrangerIsRefused(t *testing.T) {
	c := newCluster(t)
	first := c.start(c.config("test", "db-1", 1, 1))
	defer c.stop(first)

	_, err := peers.Open(
		c.within(2*time.Second),
		c.config("other", "db-2", 2, 1, address(1)),
	)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func ptr[T any](value T) *T { return &value }

func writeFile(t *testing.T, path, text string) {
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}
