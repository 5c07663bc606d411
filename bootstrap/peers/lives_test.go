package peers_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/canonical/go-dqlite/v2/app"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peers"
	"github.com/hornero/hornero/bootstrap/peerset"
)

func TestMembersReplacedOneByOneLeaveTheWantedVoters(t *testing.T) {
	c := newCluster(t)
	all := three(c)

	for n := range 6 {
		name, incarnation := fmt.Sprintf("db-%d", n%3+1), n/3+2
		other := all[(n+1)%3]

		if n%2 == 0 {
			require.NoError(t, all[n%3].Crash())
		} else {
			c.stop(all[n%3])
		}

		require.Eventually(t,
			func() bool { return other.Snapshot().Quorum },
			15*time.Second,
			20*time.Millisecond,
		)

		// always at another address, with an empty disk
		all[n%3] = c.member(other, name, 4+n, incarnation)

		require.Eventually(t, func() bool {
			s := all[n%3].Snapshot()
			return s.Quorum && len(s.Voters) == 3 && strings.Contains(
				strings.Join(s.Voters, " "),
				address(4+n),
			)
		}, 20*time.Second, 20*time.Millisecond, "replacement %d", n+1)
	}

	for _, store := range all {
		require.Equal(t, "this one", store.Snapshot().Settings["galera.decision"])
		defer c.stop(store)
	}
}

func TestALeaderHandsOverBeforeItIsEvicted(t *testing.T) {
	c := newCluster(t)
	all := three(c)
	for _, store := range all {
		defer func() { _ = store.Crash() }()
	}

	require.Eventually(t,
		func() bool {
			return all[1].Snapshot().Leader != ""
		},
		5*time.Second,
		20*time.Millisecond,
	)

	leader := 0

	for n := range all {
		if all[1].Snapshot().Leader == net.JoinHostPort(
			address(n+1),
			fmt.Sprint(c.port),
		) {
			leader = n
		}
	}

	other := all[(leader+1)%3]
	began := time.Now()

	require.NoError(t,
		other.Forget(
			c.within(10*time.Second),
			fmt.Sprintf("db-%d", leader+1),
		),
		"it runs, and leads",
	)

	require.NoError(t, other.Report(
		c.within(5*time.Second),
		who(fmt.Sprintf("db-%d", (leader+1)%3+1), 1),
		peerset.Report{State: "after"},
	))

	require.Less(t, time.Since(began), 8*time.Second, "nobody has to find out that it is gone")

	require.Eventually(t, func() bool {
		s := other.Snapshot()
		return s.Quorum &&
			len(s.Voters) > 0 &&
			!strings.Contains(
				strings.Join(s.Voters, " "),
				address(leader+1)+":",
			)
	}, 10*time.Second, 20*time.Millisecond)
}

func TestAFounderThatDiesBeforeItHasFoundedFoundsOnce(t *testing.T) {
	c := newCluster(t)
	config := c.config("test", "db-1", 1, 1)
	// dqlite is there, and what makes it a peer set is not.
	writeFile(t, filepath.Join(config.Dir, "founding"), "")

	dial := config.TLS.Clone()
	dial.ClientCAs = nil

	half, err := app.New(
		config.Dir,
		app.WithAddress(net.JoinHostPort(
			address(1),
			fmt.Sprint(c.port),
		)),
		app.WithTLS(config.TLS, dial),
	)
	require.NoError(t, err)
	require.NoError(t, half.Ready(c.within(10*time.Second)))
	require.NoError(t, half.Close())

	founded := func(config peers.Config) string {
		store := c.start(config)
		defer c.stop(store)

		require.Eventually(t,
			func() bool {
				return store.Snapshot().Founded != ""
			},
			10*time.Second,
			10*time.Millisecond,
		)

		return store.Snapshot().Founded
	}

	first := founded(config)
	require.NoFileExists(t, filepath.Join(config.Dir, "founding"))
	require.Equal(t, first, founded(config))

	// It died after the founding was written, and before it was noted.
	writeFile(t, filepath.Join(config.Dir, "founding"), "")
	require.Equal(t, first, founded(config))

	// It died between dqlite's two files: nobody can have joined it.
	config = c.config("test", "db-2", 2, 1)
	writeFile(t, filepath.Join(config.Dir, "founding"), "")
	writeFile(t, filepath.Join(config.Dir, "info.yaml"), "ID: 1\n")
	require.NotEmpty(t, founded(config))
}

// TestTwoVersionsLiveSideBySide opens a store of the first schema, and one of a schema to come.
func TestTwoVersionsLiveSideBySide(t *testing.T) {
	c := newCluster(t)
	config := c.config("test", "db-1", 1, 1)
	store := c.start(config)
	c.admit(store, "db-1", 1, 1)
	c.stop(store)
	c.edit(config, // back to the first version's
		`DROP TABLE events`, `DELETE FROM meta WHERE key = 'schema'`)

	store = c.start(config)
	require.Eventually(t,
		func() bool {
			return store.Snapshot().Schema > 1
		},
		10*time.Second,
		10*time.Millisecond,
		"the first look adds what is missing",
	)

	require.Empty(t, c.texts(store))
	c.admit(store, "db-2", 2, 1)
	require.Equal(t, []string{"joined: db-2 joined at 127.0.0.12, as a member"}, c.texts(store))

	ctx := c.within(30 * time.Second)
	lease, ok, err := store.Hold(ctx, who("db-2", 1), "db.task", time.Minute)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, store.Put(ctx, who("db-2", 1), "db.task", "v", lease))
	c.stop(store)

	c.edit(config, // on to one that this version does not know
		`ALTER TABLE peers ADD COLUMN zone TEXT NOT NULL DEFAULT ''`, `ALTER TABLE leases ADD COLUMN why TEXT NOT NULL DEFAULT ''`,
		`ALTER TABLE events ADD COLUMN weight INTEGER NOT NULL DEFAULT 0`, `ALTER TABLE settings ADD COLUMN changed TEXT NOT NULL DEFAULT ''`,
		`UPDATE peers SET zone = 'north'`, `UPDATE leases SET why = 'it was free'`, `UPDATE settings SET changed = 'today'`,
		`CREATE TABLE volumes (name TEXT PRIMARY KEY)`, `UPDATE meta SET value = '99' WHERE key = 'schema'`,
		`INSERT INTO meta (key, value) VALUES ('newer', 'x')`)

	store = c.start(config)
	c.admit(store, "db-3", 3, 1)

	lease, ok, err = store.Hold(ctx, who("db-3", 1), peerset.LeaseWriter, time.Minute)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, store.Put(ctx, who("db-3", 1), "db.k", "v", lease))

	require.NoError(t, store.Report(ctx,
		who("db-3", 1),
		peerset.Report{State: "synced", Healthy: true},
	))

	c.admit(store, "db-2", 4, 2)

	require.Eventually(t, func() bool {
		lease, ok, err = store.Hold(ctx, who("db-3", 1), "db.task", time.Minute)
		return err == nil && ok
	}, 10*time.Second, 20*time.Millisecond, "its holder was evicted")

	require.NoError(t, store.Put(ctx, who("db-3", 1), "db.task", "w", lease))

	require.Eventually(t, func() bool {
		s := store.Snapshot()
		peer, _ := s.Peer("db-3")

		return peer.Healthy &&
			s.Settings["db.k"] == "v" &&
			s.Holder(peerset.LeaseWriter) == "db-3" &&
			s.Schema == 99
	}, 10*time.Second, 20*time.Millisecond)

	require.NoError(t, store.Crash())

	for query, says := range map[string]string{
		`SELECT value FROM meta WHERE key = 'schema'`:        "99", // nobody takes a newer version's schema back
		`SELECT zone FROM peers WHERE name = 'db-1'`:         "north",
		`SELECT zone FROM peers WHERE name = 'db-2'`:         "", // that was the incarnation before
		`SELECT why FROM leases WHERE name = 'db.task'`:      "", // and that the holder before
		`SELECT changed FROM settings WHERE key = 'db.task'`: "",
	} {
		require.Equal(t, says, c.value(config, query), query)
	}
}

// edit changes a store behind its member's back.
func (c *cluster) edit(config peers.Config, statements ...string) {
	c.database(config, func(db *sql.DB) {
		for _, statement := range statements {
			_, err := db.ExecContext(c.within(5*time.Second), statement)
			require.NoError(c.t, err, statement)
		}
	})
}

// value is what a query of a store without its member returns.
func (c *cluster) value(config peers.Config, query string) (value string) {
	c.database(config, func(db *sql.DB) {
		require.NoError(
			c.t,
			db.QueryRowContext(c.within(5*time.Second), query).Scan(&value),
			query,
		)
	})

	return value
}

func (c *cluster) database(config peers.Config, use func(*sql.DB)) {
	dial := config.TLS.Clone()
	dial.ClientCAs = nil

	node, err := app.New(
		config.Dir,
		app.WithAddress(net.JoinHostPort(config.Address, fmt.Sprint(c.port))),
		app.WithTLS(config.TLS, dial),
	)
	require.NoError(c.t, err)
	require.NoError(c.t, node.Ready(c.within(10*time.Second)))

	db, err := node.Open(c.within(10*time.Second), "hornero")
	require.NoError(c.t, err)
	use(db)
	require.NoError(c.t, db.Close())
	require.NoError(c.t, node.Close())
}

func TestTheStoreStaysSmall(t *testing.T) {
	c := newCluster(t)
	config := c.config("test", "db-1", 1, 1)
	store := c.start(config)
	defer c.stop(store)

	c.admit(store, "db-1", 1, 1)
	c.admit(store, "db-2", 2, 1)

	lease, _, err := store.Hold(
		c.within(5*time.Second),
		who("db-1", 1),
		peerset.LeaseWriter,
		time.Minute,
	)
	require.NoError(t, err)

	size := func() (bytes int64) {
		require.NoError(t, filepath.WalkDir(config.Dir, func(_ string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				if info, err := entry.Info(); err == nil {
					bytes += info.Size()
				}
			}

			return nil
		}))

		return bytes
	}

	var most int64

	for n := range 4000 {
		ctx := context.Background()
		require.NoError(t, store.Report(ctx,
			who("db-2", 1),
			peerset.Report{
				State: fmt.Sprint("state-", n),
				Facts: map[string]string{"f": strings.Repeat("x", n%900)},
			},
		))

		if n%4 == 0 {
			require.NoError(t, store.Put(ctx,
				who("db-1", 1),
				"db.k",
				strings.Repeat("y", n%2000),
				lease,
			))
		}

		if n >= 1500 && n%100 == 0 {
			most = max(most, size())
		}
	}

	// dqlite's segments are of 8 MiB, and it keeps some open and some closed ones.
	require.Less(t, most, int64(48<<20))
	require.Less(t, size(), int64(48<<20))
	t.Logf("at most %.1f MiB", float64(most)/(1<<20))
}

func TestARoleFillsNoStore(t *testing.T) {
	c := newCluster(t)
	store := c.start(c.config("test", "db-1", 1, 1))
	defer c.stop(store)

	c.admit(store, "db-1", 1, 1)

	ctx := c.within(60 * time.Second)
	var lease peerset.Lease

	for n := range 100 {
		var err error
		lease, _, err = store.Hold(ctx,
			who("db-1", 1),
			fmt.Sprintf("db.task-%d", n),
			time.Minute,
		)
		require.NoError(t, err)

		require.NoError(t, store.Put(ctx,
			who("db-1", 1),
			fmt.Sprintf("db.key-%d", n),
			"v",
			lease,
		))
	}

	_, _, err := store.Hold(ctx, who("db-1", 1), "db.one-more", time.Minute)
	require.ErrorIs(t, err, peerset.ErrForbidden)

	require.ErrorIs(t,
		store.Put(ctx, who("db-1", 1), "db.one-more", "v", lease),
		peerset.ErrForbidden,
	)

	require.NoError(t,
		store.Put(ctx, who("db-1", 1), "db.key-3", "w", lease),
		"what is there may change",
	)

	_, held, err := store.Hold(ctx, who("db-1", 1), peerset.LeaseWriter, time.Minute)
	require.NoError(t, err)
	require.True(t, held)
}
