package peers_test

import (
	"crypto/tls"
	"fmt"
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
	first := c.founder()
	second := c.member(first, "db-2", 2, 1)
	third := c.member(first, "db-3", 3, 1)
	all := []*peers.Store{first, second, third}

	lease := c.hold(first, "db-1", 1, peerset.LeaseGaleraBootstrap)
	c.decide(first, lease, "this one")

	for _, store := range all {
		c.eventually(15*time.Second, func() bool {
			s := store.Snapshot()
			return len(s.Voters) == 3 && s.Settings["galera.decision"] != ""
		})
	}

	return all
}

// decide writes the setting by which the tests tell one state of the peer set from another.
func (c *cluster) decide(store *peers.Store, lease peerset.Lease, value string) {
	ctx := c.within(5 * time.Second)
	require.NoError(c.t, store.Put(ctx,
		who("db-1", 1),
		"galera.decision",
		value,
		lease,
	))
}

func decision(store *peers.Store) string {
	return store.Snapshot().Settings["galera.decision"]
}

// alone tells whether a member is the only voter of the first era after a rebuild.
func alone(store *peers.Store) bool {
	s := store.Snapshot()
	return s.Quorum && s.Era() == 1 && len(s.Voters) == 1
}

// lose ends two of three members, for good, without a word.
func (c *cluster) lose(all []*peers.Store, keep int) {
	for n, store := range all {
		if n != keep {
			require.NoError(c.t, store.Crash())

			gone := c.config("test", fmt.Sprintf("db-%d", n+1), n+1, 1)
			require.NoError(c.t, os.RemoveAll(gone.Dir))
		}
	}

	c.eventually(15*time.Second, func() bool {
		return !all[keep].Snapshot().Quorum
	})
}

func TestAPeerSetIsRebuiltFromOneSurvivor(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	all := three(c)
	survivor := c.config("test", "db-2", 2, 1)
	founded := all[1].Snapshot().Founded
	before, err := peers.ReadFolder(survivor.Dir)
	require.NoError(t, err)
	require.Len(t, before.Voters, 3)
	require.Positive(t, before.Index)
	c.lose(all, 1)

	c.rebuildBeside(all[1], before, survivor.Dir)
	require.NoError(t, all[1].Crash())

	store := c.start(survivor)
	defer c.stop(store)

	c.eventually(15*time.Second, func() bool { return alone(store) })

	held := c.sameAsBefore(store, founded)
	require.NoError(t, store.Release(
		c.within(5*time.Second),
		who("db-1", 1),
		held,
	))

	// One that was held, and one that the survivor never saw.
	for _, name := range []string{held.Name, peerset.LeaseWriter} {
		next := c.holdInTime(store, "db-3", name)
		lost := "the lost voters may have given out epochs that the survivor never saw"
		require.Greater(t, next.Epoch, int64(1000), lost)
	}

	texts := c.texts(store)
	require.Contains(t,
		texts,
		"joined: db-3 joined at "+c.address(3)+", as a member",
	)

	rebuilt := "rebuilt: the peer set was rebuilt from the member at " + c.address(2) +
		": era 1 begins"
	require.Contains(t, texts, rebuilt)

	// The others join anew: one as its next incarnation, one as it was, with nothing left.
	for _, other := range []struct{ number, incarnation int }{
		{1, 2},
		{3, 1},
	} {
		joined := c.joinEra(store, other.number, other.incarnation)
		defer c.stop(joined)

		c.eventually(15*time.Second, func() bool {
			return decision(joined) == "this one"
		})
	}

	c.eventually(15*time.Second, func() bool {
		return len(store.Snapshot().Voters) == 3
	})

	again, err := peers.ReadFolder(survivor.Dir)
	require.NoError(t, err)
	require.Equal(t, 1, again.Era)
}

// rebuildBeside rebuilds from a member's folder while the member still runs, without a quorum.
func (c *cluster) rebuildBeside(running *peers.Store, before peers.Survivor, dir string) {
	begun := time.Now()
	_, err := running.Events(c.within(time.Second), 0, 1)
	require.ErrorIs(c.t, err, peerset.ErrUnavailable)
	require.Less(c.t,
		time.Since(begun),
		3*time.Second,
		"who asks need not wait for a quorum",
	)

	// beside the member that still runs
	basis, err := peers.Rebuild(c.t.Context(), dir)
	require.NoError(c.t, err)
	require.GreaterOrEqual(c.t, basis.Index, before.Index)

	_, err = peers.Rebuild(c.t.Context(), dir)
	require.NoError(c.t, err, "twice is once")
	require.False(c.t,
		running.Snapshot().Quorum,
		"nothing changes before the member opens again",
	)
}

// sameAsBefore checks what a survivor brought along, and returns the lease that it knew.
func (c *cluster) sameAsBefore(store *peers.Store, founded string) peerset.Lease {
	snapshot := store.Snapshot()
	require.Equal(c.t, founded, snapshot.Founded)
	require.Equal(c.t, "this one", decision(store))
	require.Equal(
		c.t,
		"db-1",
		snapshot.Holder(peerset.LeaseGaleraBootstrap),
	)
	require.Len(c.t, snapshot.Peers, 3)

	held := snapshot.Leases[peerset.LeaseGaleraBootstrap]
	require.Equal(c.t, int64(1), held.Epoch, "who held it holds on")

	return held
}

// holdInTime takes a lease as soon as it is free.
func (c *cluster) holdInTime(at *peers.Store, name, lease string) (held peerset.Lease) {
	c.eventually(5*time.Second, func() bool {
		next, ok, err := at.Hold(
			c.within(5*time.Second),
			who(name, 1),
			lease,
			time.Minute,
		)
		held = next

		return err == nil && ok
	})

	return held
}

// joinEra starts a member that joins a peer set that was rebuilt.
func (c *cluster) joinEra(to *peers.Store, number, incarnation int) *peers.Store {
	name := fmt.Sprintf("db-%d", number)
	welcome := c.admit(to, name, number, incarnation)
	config := c.config(
		"test",
		name,
		number,
		incarnation,
		welcome.Members...,
	)
	config.Era = welcome.Snapshot.Era()

	return c.start(config)
}

// A loss of power may have left the era of a member that had just joined without its bytes.
func TestAMemberWhoseEraIsTornJoinsAnew(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	all := three(c)
	defer c.stop(all[0])
	defer c.stop(all[1])

	require.NoError(t, all[2].Crash())

	config := c.config("test", "db-3", 3, 1)
	require.NoError(t, os.WriteFile(
		filepath.Join(config.Dir, "era"),
		nil,
		0o600,
	))
	require.False(t, peers.Known(config.Dir))

	again := c.member(all[0], "db-3", 3, 1)
	defer c.stop(again)

	c.eventually(15*time.Second, func() bool { return decision(again) == "this one" })

	require.DirExists(t, config.Dir+".lost", "what it had is kept")
}

func TestARebuildThatTheOldPeerSetOvertookIsDropped(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	all := three(c)
	config := c.config("test", "db-3", 3, 1)
	_, err := peers.Rebuild(t.Context(), config.Dir)
	require.NoError(t, err)

	lease := all[0].Snapshot().Leases[peerset.LeaseGaleraBootstrap]
	c.decide(all[0], lease, "another")
	c.eventually(5*time.Second, func() bool {
		return decision(all[2]) == "another"
	})

	require.NoError(t, all[2].Crash())

	all[2] = c.start(config)

	for _, store := range all {
		defer c.stop(store)
	}

	c.eventually(15*time.Second, func() bool {
		s := all[2].Snapshot()
		return s.Quorum && len(s.Voters) == 3 && s.Settings["galera.decision"] == "another"
	})

	require.Zero(t, all[2].Snapshot().Era())
	require.NoDirExists(t, config.Dir+peers.Prepared[1])
}

func TestAnInterruptedRebuildIsFinishedOrBeginsAnew(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	all := three(c)
	config := c.config("test", "db-1", 1, 1)
	c.lose(all, 0)
	require.NoError(t, all[0].Crash())

	// It died while it copied.
	require.NoError(t, os.MkdirAll(config.Dir+peers.Prepared[0], 0o700))
	require.NoError(t, os.WriteFile(
		config.Dir+peers.Prepared[0]+"/half",
		nil,
		0o600,
	))

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

	c.eventually(15*time.Second, func() bool {
		s := store.Snapshot()
		return s.Quorum && s.Era() == 1
	})

	require.Equal(t, "this one", decision(store))
}

func TestARebuildThatItsMachinesEndBrokeOffIsDropped(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	config := c.config("test", "db-1", 1, 1)
	store := c.founder()
	require.NoError(t, store.Crash())

	_, err := peers.Rebuild(t.Context(), config.Dir)
	require.NoError(t, err)

	basis := filepath.Join(config.Dir+peers.Prepared[1], "basis.json")
	text, err := os.ReadFile(basis)
	require.NoError(t, err)

	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	require.NoError(t, err)

	boot := strings.TrimSpace(string(id))
	require.Contains(t, string(text), boot)

	writeFile(t,
		basis,
		strings.Replace(string(text), boot, "the one before", 1),
	)

	store = c.start(config)
	defer c.stop(store)

	c.eventually(15*time.Second, func() bool { return store.Snapshot().Quorum })

	require.Zero(t, store.Snapshot().Era())
	require.NoDirExists(t, config.Dir+peers.Prepared[1])
}

func TestTheOldPeerSetAndTheRebuiltNeverMeet(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	all := three(c)
	config := c.config("test", "db-1", 1, 1)
	require.NoError(t, all[1].Crash())
	require.NoError(t, all[2].Crash())

	c.eventually(15*time.Second, func() bool {
		return !all[0].Snapshot().Quorum
	})

	_, err := peers.Rebuild(t.Context(), config.Dir)
	require.NoError(t, err)
	require.NoError(t, all[0].Crash())

	store := c.start(config)
	defer c.stop(store)

	c.eventually(15*time.Second, func() bool {
		s := store.Snapshot()
		return s.Quorum && s.Era() == 1
	})

	// What was taken for dead comes back, a majority of the old peer set, and goes on by itself.
	second := c.start(c.config("test", "db-2", 2, 1))
	third := c.start(c.config("test", "db-3", 3, 1))

	defer func() {
		_ = second.Crash()
		_ = third.Crash()
	}()

	c.eventually(15*time.Second, func() bool {
		return second.Snapshot().Quorum && third.Snapshot().Quorum
	})

	require.NoError(t, second.Forget(c.within(10*time.Second), "db-9"))
	require.NoError(t, store.Forget(c.within(10*time.Second), "db-8"))

	// Members of two eras must not meet: neither sees what the other wrote.
	require.Never(t, func() bool {
		_, theirs := store.Snapshot().Forgotten()["db-9"]
		_, ours := second.Snapshot().Forgotten()["db-8"]
		return theirs || ours || second.Snapshot().Era() != 0 || !store.Snapshot().Quorum
	}, 2*time.Second, 50*time.Millisecond)

	own := c.config("test", "db-2", 2, 1).TLS
	require.NoError(t, c.ask(own, 3), "of the same era")
	require.Error(t, c.ask(own, 1), "of another")
}

// ask asks a member's dqlite who is in consensus, as a member of the first era.
func (c *cluster) ask(own *tls.Config, number int) error {
	own = own.Clone()
	own.ClientCAs = nil
	ctx := c.within(time.Second)
	dial := client.DialFuncWithTLS(client.DefaultDialFunc, own)

	connection, err := client.New(ctx,
		c.endpoint(number),
		client.WithDialFunc(dial),
	)
	if err != nil {
		return err
	}
	defer connection.Close()

	_, err = connection.Cluster(ctx)

	return err
}

func TestThereIsNothingToRebuildFrom(t *testing.T) {
	t.Parallel()

	_, err := peers.ReadFolder(t.TempDir())
	require.ErrorIs(t, err, peers.ErrNoMember)

	_, err = peers.Rebuild(t.Context(), t.TempDir())
	require.ErrorIs(t, err, peers.ErrNoMember)
}
