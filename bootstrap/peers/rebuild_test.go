package peers_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/canonical/go-dqlite/v2/client"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peers"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// three are members that hold a lease, a setting and events.
func three(c *cluster) []*peers.Store {
	first := c.start(c.config("test", "db-1", 1, 1))
	c.admit(first, "db-1", 1, 1)

	all := []*peers.Store{
		first,
		c.member(first, "db-2", 2, 1),
		c.member(first, "db-3", 3, 1),
	}

	lease, ok, err := first.Hold(
		c.within(5*time.Second),
		who("db-1", 1),
		peerset.LeaseGaleraBootstrap,
		time.Minute,
	)
	require.NoError(c.t, err)
	require.True(c.t, ok)

	require.NoError(c.t, first.Put(
		c.within(5*time.Second),
		who("db-1", 1),
		"galera.decision",
		"this one",
		lease,
	))

	for _, store := range all {
		require.Eventually(c.t, func() bool {
			s := store.Snapshot()
			return len(s.Voters) == 3 && s.Settings["galera.decision"] != ""
		}, 15*time.Second, 20*time.Millisecond)
	}

	return all
}

// lose ends two of three members, for good, without a word.
func (c *cluster) lose(all []*peers.Store, keep int) {
	for n, store := range all {
		if n != keep {
			require.NoError(c.t, store.Crash())

			require.NoError(
				c.t,
				os.RemoveAll(c.config("test", fmt.Sprintf("db-%d", n+1), n+1, 1).Dir),
			)
		}
	}

	require.Eventually(
		c.t,
		func() bool {
			return !all[keep].Snapshot().Quorum
		},
		15*time.Second,
		20*time.Millisecond,
	)
}

func TestAPeerSetIsRebuiltFromOneSurvivor(t *testing.T) {
	c := newCluster(t)
	all := three(c)
	survivor := c.config("test", "db-2", 2, 1)
	founded := all[1].Snapshot().Founded
	before, err := peers.Look(survivor.Dir)
	require.NoError(t, err)
	require.Len(t, before.Voters, 3)
	require.Positive(t, before.Index)
	c.lose(all, 1)

	begun := time.Now()
	_, err = all[1].Events(c.within(time.Second), 0, 1)
	require.ErrorIs(t, err, peerset.ErrUnavailable)
	require.Less(t, time.Since(begun), 3*time.Second, "who asks need not wait for a quorum")

	basis, err := peers.Rebuild(t.Context(), survivor.Dir) // beside the member that still runs
	require.NoError(t, err)
	require.GreaterOrEqual(t, basis.Index, before.Index)

	_, err = peers.Rebuild(t.Context(), survivor.Dir)
	require.NoError(t, err, "twice is once")
	require.False(t, all[1].Snapshot().Quorum, "nothing changes before the member opens again")
	require.NoError(t, all[1].Crash())

	store := c.start(survivor)
	defer c.stop(store)

	require.Eventually(t, func() bool {
		s := store.Snapshot()
		return s.Quorum && s.Era() == 1 && len(s.Voters) == 1
	}, 15*time.Second, 20*time.Millisecond)

	snapshot := store.Snapshot()
	require.Equal(t, founded, snapshot.Founded)
	require.Equal(t, "this one", snapshot.Settings["galera.decision"])
	require.Equal(t, "db-1", snapshot.Holder(peerset.LeaseGaleraBootstrap))
	require.Len(t, snapshot.Peers, 3)

	held := snapshot.Leases[peerset.LeaseGaleraBootstrap]
	require.Equal(t, int64(1), held.Epoch, "who held it holds on")

	require.NoError(t, store.Release(
		c.within(5*time.Second),
		who("db-1", 1),
		held,
	))

	// one that was held, and one that the survivor never saw
	for _, name := range []string{held.Name, peerset.LeaseWriter} {
		var next peerset.Lease
		require.Eventually(t, func() (ok bool) {
			next, ok, err = store.Hold(
				c.within(5*time.Second),
				who("db-3", 1),
				name,
				time.Minute,
			)

			return err == nil && ok
		}, 5*time.Second, 20*time.Millisecond)

		require.Greater(t,
			next.Epoch,
			int64(1000),
			"the lost voters may have given out epochs that the survivor never saw",
		)
	}

	texts := c.texts(store)
	require.Contains(t, texts, "joined: db-3 joined at 127.0.0.13, as a member")

	require.Contains(t,
		texts,
		"rebuilt: the peer set was rebuilt from the member at 127.0.0.12: era 1 begins",
	)

	// The others join anew: one as its next incarnation, one as it was, with nothing left.
	for _, other := range []struct{ number, incarnation int }{
		{1, 2},
		{3, 1},
	} {
		name := fmt.Sprintf("db-%d", other.number)
		welcome := c.admit(store, name, other.number, other.incarnation)
		config := c.config("test", name, other.number, other.incarnation, welcome.Members...)
		config.Era = welcome.Snapshot.Era()
		joined := c.start(config)
		defer c.stop(joined)

		require.Eventually(t,
			func() bool {
				return joined.Snapshot().Settings["galera.decision"] == "this one"
			},
			15*time.Second,
			20*time.Millisecond,
		)
	}

	require.Eventually(t,
		func() bool {
			return len(store.Snapshot().Voters) == 3
		},
		15*time.Second,
		20*time.Millisecond,
	)

	again, err := peers.Look(survivor.Dir)
	require.NoError(t, err)
	require.Equal(t, 1, again.Era)
}

// A loss of power may have left the era of a member that had just joined without its bytes.
func TestAMemberWhoseEraIsTornJoinsAnew(t *testing.T) {
	c := newCluster(t)
	all := three(c)
	defer c.stop(all[0])
	defer c.stop(all[1])

	require.NoError(t, all[2].Crash())

	config := c.config("test", "db-3", 3, 1)
	require.NoError(t, os.WriteFile(filepath.Join(config.Dir, "era"), nil, 0o600))
	require.False(t, peers.Known(config.Dir))

	again := c.member(all[0], "db-3", 3, 1)
	defer c.stop(again)

	require.Eventually(t,
		func() bool {
			return again.Snapshot().Settings["galera.decision"] == "this one"
		},
		15*time.Second,
		20*time.Millisecond,
	)

	require.DirExists(t, config.Dir+".lost", "what it had is kept")
}

func TestARebuildThatTheOldPeerSetOvertookIsDropped(t *testing.T) {
	c := newCluster(t)
	all := three(c)
	config := c.config("test", "db-3", 3, 1)
	_, err := peers.Rebuild(t.Context(), config.Dir)
	require.NoError(t, err)

	lease := all[0].Snapshot().Leases[peerset.LeaseGaleraBootstrap]
	require.NoError(t, all[0].Put(
		c.within(5*time.Second),
		who("db-1", 1),
		"galera.decision",
		"another",
		lease,
	))

	require.Eventually(t,
		func() bool {
			return all[2].Snapshot().Settings["galera.decision"] == "another"
		},
		5*time.Second,
		20*time.Millisecond,
	)

	require.NoError(t, all[2].Crash())

	all[2] = c.start(config)

	for _, store := range all {
		defer c.stop(store)
	}

	require.Eventually(t, func() bool {
		s := all[2].Snapshot()
		return s.Quorum && len(s.Voters) == 3 && s.Settings["galera.decision"] == "another"
	}, 15*time.Second, 20*time.Millisecond)

	require.Zero(t, all[2].Snapshot().Era())
	require.NoDirExists(t, config.Dir+peers.Prepared[1])
}

func TestAnInterruptedRebuildIsFinishedOrBeginsAnew(t *testing.T) {
	c := newCluster(t)
	all := three(c)
	config := c.config("test", "db-1", 1, 1)
	c.lose(all, 0)
	require.NoError(t, all[0].Crash())

	// It died while it copied.
	require.NoError(t, os.MkdirAll(config.Dir+peers.Prepared[0], 0o700))
	require.NoError(t, os.WriteFile(config.Dir+peers.Prepared[0]+"/half", nil, 0o600))

	_, err := peers.Rebuild(t.Context(), config.Dir)
	require.NoError(t, err)

	// It died between the two renames.
	require.NoError(t, peers.SetAside(config.Dir))

	require.True(t,
		peers.Known(config.Dir),
		"no node founds, or asks to join, over a rebuilt peer set",
	)

	store := c.start(config)
	defer c.stop(store)

	require.Eventually(t,
		func() bool {
			s := store.Snapshot()
			return s.Quorum && s.Era() == 1
		},
		15*time.Second,
		20*time.Millisecond,
	)

	require.Equal(t, "this one", store.Snapshot().Settings["galera.decision"])
}

func TestARebuildThatItsMachinesEndBrokeOffIsDropped(t *testing.T) {
	c := newCluster(t)
	config := c.config("test", "db-1", 1, 1)
	store := c.start(config)
	c.admit(store, "db-1", 1, 1)
	require.NoError(t, store.Crash())

	_, err := peers.Rebuild(t.Context(), config.Dir)
	require.NoError(t, err)

	basis := filepath.Join(config.Dir+peers.Prepared[1], "basis.json")
	text, err := os.ReadFile(basis)
	require.NoError(t, err)

	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	require.NoError(t, err)

	require.Contains(t,
		string(text),
		strings.TrimSpace(string(boot)),
	)

	require.NoError(t, os.WriteFile(
		basis,
		[]byte(strings.Replace(
			string(text),
			strings.TrimSpace(string(boot)),
			"the one before",
			1,
		)),
		0o600,
	))

	store = c.start(config)
	defer c.stop(store)

	require.Eventually(t,
		func() bool { return store.Snapshot().Quorum },
		15*time.Second,
		20*time.Millisecond,
	)

	require.Zero(t, store.Snapshot().Era())
	require.NoDirExists(t, config.Dir+peers.Prepared[1])
}

func TestTheOldPeerSetAndTheRebuiltNeverMeet(t *testing.T) {
	c := newCluster(t)
	all := three(c)
	config := c.config("test", "db-1", 1, 1)
	require.NoError(t, all[1].Crash())
	require.NoError(t, all[2].Crash())

	require.Eventually(t,
		func() bool {
			return !all[0].Snapshot().Quorum
		},
		15*time.Second,
		20*time.Millisecond,
	)

	_, err := peers.Rebuild(t.Context(), config.Dir)
	require.NoError(t, err)
	require.NoError(t, all[0].Crash())

	store := c.start(config)
	defer c.stop(store)

	require.Eventually(t,
		func() bool {
			s := store.Snapshot()
			return s.Quorum && s.Era() == 1
		},
		15*time.Second,
		20*time.Millisecond,
	)

	// What was taken for dead comes back, a majority of the old peer set, and goes on by itself.
	second, third := c.start(c.config(
		"test",
		"db-2",
		2,
		1,
	)), c.start(c.config("test", "db-3", 3, 1))
	defer func() {
		_ = second.Crash()
		_ = third.Crash()
	}()

	require.Eventually(t,
		func() bool {
			return second.Snapshot().Quorum && third.Snapshot().Quorum
		},
		15*time.Second,
		20*time.Millisecond,
	)

	require.NoError(t, second.Forget(c.within(10*time.Second), "db-9"))
	require.NoError(t, store.Forget(c.within(10*time.Second), "db-8"))

	require.Never(t, func() bool {
		_, theirs := store.Snapshot().Forgotten()["db-9"]
		_, ours := second.Snapshot().Forgotten()["db-8"]
		return theirs || ours || second.Snapshot().Era() != 0 || !store.Snapshot().Quorum
	}, 2*time.Second, 50*time.Millisecond)

	dial := func(to int) error {
		own := c.config("test", "db-2", 2, 1).TLS.Clone()
		own.ClientCAs = nil
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()

		connection, err := client.New(ctx,
			net.JoinHostPort(
				address(to),
				fmt.Sprint(c.port),
			),
			client.WithDialFunc(client.DialFuncWithTLS(client.DefaultDialFunc, own)),
		)
		if err == nil {
			defer connection.Close()

			_, err = connection.Cluster(ctx)
		}

		return err
	}
	require.NoError(t, dial(3), "of the same era")
	require.Error(t, dial(1), "of another")
}

func TestThereIsNothingToRebuildFrom(t *testing.T) {
	_, err := peers.Look(t.TempDir())
	require.ErrorIs(t, err, peers.ErrNoMember)
	_, err = peers.Rebuild(t.Context(), t.TempDir())
	require.ErrorIs(t, err, peers.ErrNoMember)
}
