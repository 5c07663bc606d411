package peers_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/canonical/go-dqlite/v2/app"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peers"
	"github.com/hornero/hornero/bootstrap/peerset"
)

func TestMembersReplacedOneByOneLeaveTheWantedVoters(t *testing.T) {
	t.Parallel()

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

		c.eventually(15*time.Second, func() bool { return other.Snapshot().Quorum })

		// always at another address, with an empty disk
		all[n%3] = c.member(other, name, 4+n, incarnation)

		c.eventually(20*time.Second, func() bool {
			s := all[n%3].Snapshot()
			return s.Quorum && len(s.Voters) == 3 && slices.Contains(
				s.Voters,
				c.endpoint(4+n),
			)
		}, "replacement %d", n+1)
	}

	for _, store := range all {
		require.Equal(t, "this one", decision(store))
		defer c.stop(store)
	}
}

func TestALeaderHandsOverBeforeItIsEvicted(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	all := three(c)

	for _, store := range all {
		defer func() { _ = store.Crash() }()
	}

	c.eventually(5*time.Second, func() bool {
		return all[1].Snapshot().Leader != ""
	})

	leader := c.leader(all[1])
	next := (leader + 1) % 3
	other := all[next]
	began := time.Now()

	err := other.Forget(
		c.within(10*time.Second),
		fmt.Sprintf("db-%d", leader+1),
	)
	require.NoError(t, err, "it runs, and leads")

	c.report(
		other,
		fmt.Sprintf("db-%d", next+1),
		1,
		peerset.Report{State: "after"},
	)
	require.Less(t,
		time.Since(began),
		8*time.Second,
		"nobody has to find out that it is gone",
	)

	c.eventually(10*time.Second, func() bool {
		s := other.Snapshot()
		return s.Quorum && len(s.Voters) > 0 && !slices.Contains(
			s.Voters,
			c.endpoint(leader+1),
		)
	})
}

func TestAFounderThatDiesBeforeItHasFoundedFoundsOnce(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	config := c.config("test", "db-1", 1, 1)
	founding := filepath.Join(config.Dir, "founding")

	// dqlite is there, and what makes it a peer set is not.
	writeFile(t, founding, "")
	require.NoError(t, c.bare(config).Close())

	founded := func(config peers.Config) string {
		store := c.start(config)
		defer c.stop(store)

		c.eventually(10*time.Second, func() bool {
			return store.Snapshot().Founded != ""
		})

		return store.Snapshot().Founded
	}

	first := founded(config)
	require.NoFileExists(t, founding)
	require.Equal(t, first, founded(config))

	// It died after the founding was written, and before it was noted.
	writeFile(t, founding, "")
	require.Equal(t, first, founded(config))

	// It died between dqlite's two files: nobody can have joined it.
	config = c.config("test", "db-2", 2, 1)
	writeFile(t, filepath.Join(config.Dir, "founding"), "")
	writeFile(t, filepath.Join(config.Dir, "info.yaml"), "ID: 1\n")
	require.NotEmpty(t, founded(config))
}

// TestTwoVersionsLiveSideBySide opens a store of the first schema, and one of a schema to come.
func TestTwoVersionsLiveSideBySide(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	config := c.config("test", "db-1", 1, 1)
	c.stop(c.founder())

	c.edit(config, toFirstSchema)

	store := c.start(config)
	c.eventually(10*time.Second, func() bool {
		return store.Snapshot().Schema > 1
	}, "the first look adds what is missing")

	require.Empty(t, c.texts(store))
	c.admit(store, "db-2", 2, 1)
	require.Equal(t,
		[]string{"joined: db-2 joined at " + c.address(2) + ", as a member"},
		c.texts(store),
	)

	ctx := c.within(30 * time.Second)
	lease, ok, err := store.Hold(ctx,
		who("db-2", 1),
		"db.task",
		time.Minute,
	)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, store.Put(ctx,
		who("db-2", 1),
		"db.task",
		"v",
		lease,
	))
	c.stop(store)

	c.edit(config, toNewerSchema)

	store = c.start(config)
	c.admit(store, "db-3", 3, 1)

	lease, ok, err = store.Hold(ctx,
		who("db-3", 1),
		peerset.LeaseWriter,
		time.Minute,
	)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, store.Put(ctx, who("db-3", 1), "db.k", "v", lease))

	c.report(store, "db-3", 1, peerset.Report{State: "synced", Healthy: true})
	c.admit(store, "db-2", 4, 2)

	c.eventually(10*time.Second, func() bool {
		lease, ok, err = store.Hold(ctx,
			who("db-3", 1),
			"db.task",
			time.Minute,
		)
		return err == nil && ok
	}, "its holder was evicted")

	require.NoError(t, store.Put(ctx,
		who("db-3", 1),
		"db.task",
		"w",
		lease,
	))

	c.eventually(10*time.Second, func() bool {
		s := store.Snapshot()
		peer, _ := s.Peer("db-3")
		written := s.Settings["db.k"] == "v" && s.Holder(peerset.LeaseWriter) == "db-3"

		return peer.Healthy && written && s.Schema == 99
	})

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

// toFirstSchema takes back what the versions after the first added.
var toFirstSchema = []string{
	`DROP TABLE events`,
	`DELETE FROM meta WHERE key = 'schema'`,
}

// toNewerSchema makes a store that of a version that is yet to come.
var toNewerSchema = []string{
	`ALTER TABLE peers ADD COLUMN zone TEXT NOT NULL DEFAULT ''`,
	`ALTER TABLE leases ADD COLUMN why TEXT NOT NULL DEFAULT ''`,
	`ALTER TABLE events ADD COLUMN weight INTEGER NOT NULL DEFAULT 0`,
	`ALTER TABLE settings ADD COLUMN changed TEXT NOT NULL DEFAULT ''`,
	`UPDATE peers SET zone = 'north'`,
	`UPDATE leases SET why = 'it was free'`,
	`UPDATE settings SET changed = 'today'`,
	`CREATE TABLE volumes (name TEXT PRIMARY KEY)`,
	`UPDATE meta SET value = '99' WHERE key = 'schema'`,
	`INSERT INTO meta (key, value) VALUES ('newer', 'x')`,
}

// edit changes a store while its member does not run.
func (c *cluster) edit(config peers.Config, statements []string) {
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
		err := db.QueryRowContext(
			c.within(5*time.Second),
			query,
		).Scan(&value)
		require.NoError(c.t, err, query)
	})

	return value
}

// bare starts dqlite in the folder of a set's only member, and nothing else of the member. It listens on a socket of
// this test's: go-dqlite's own name for it is the same for all first members on a machine.
func (c *cluster) bare(config peers.Config) *app.App {
	endpoint := net.JoinHostPort(config.Address, strconv.Itoa(c.port))
	socket := fmt.Sprintf("@hornero-test-%s-%d", endpoint, os.Getpid())

	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", socket)
	}

	node, err := app.New(
		config.Dir,
		app.WithAddress(endpoint),
		app.WithExternalConn(dial, nil),
		app.WithUnixSocket(socket),
	)
	require.NoError(c.t, err)
	require.NoError(c.t, node.Ready(c.within(10*time.Second)))

	return node
}

func (c *cluster) database(config peers.Config, use func(*sql.DB)) {
	node := c.bare(config)

	db, err := node.Open(c.within(10*time.Second), "hornero")
	require.NoError(c.t, err)
	use(db)
	require.NoError(c.t, db.Close())
	require.NoError(c.t, node.Close())
}

func TestTheStoreStaysSmall(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	config := c.config("test", "db-1", 1, 1)
	store := c.founder()
	defer c.stop(store)

	c.admit(store, "db-2", 2, 1)
	lease := c.hold(store, "db-1", 1, peerset.LeaseWriter)

	var most int64

	for n := range 4000 {
		facts := map[string]string{"f": strings.Repeat("x", n%900)}
		report := peerset.Report{
			State: fmt.Sprint("state-", n),
			Facts: facts,
		}
		require.NoError(t, store.Report(
			t.Context(),
			who("db-2", 1),
			report,
		))

		if n%4 == 0 {
			value := strings.Repeat("y", n%2000)
			require.NoError(t, store.Put(
				t.Context(),
				who("db-1", 1),
				"db.k",
				value,
				lease,
			))
		}

		if n >= 1500 && n%100 == 0 {
			most = max(most, sizeOf(t, config.Dir))
		}
	}

	// dqlite's segments are of 8 MiB, and it keeps some open and some closed ones.
	require.Less(t, most, int64(48<<20))
	require.Less(t,
		sizeOf(t, config.Dir),
		int64(48<<20),
	)
	t.Logf("at most %.1f MiB", float64(most)/(1<<20))
}

// sizeOf is of a folder's files, some of which may go meanwhile.
func sizeOf(t *testing.T, dir string) (bytes int64) {
	require.NoError(t, filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil
		}

		if info, err := entry.Info(); err == nil {
			bytes += info.Size()
		}

		return nil
	}))

	return bytes
}

func TestARoleFillsNoStore(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	store := c.founder()
	defer c.stop(store)

	ctx := c.within(60 * time.Second)
	own := who("db-1", 1)

	var lease peerset.Lease

	for n := range 100 {
		held, _, err := store.Hold(ctx,
			own,
			fmt.Sprintf("db.task-%d", n),
			time.Minute,
		)
		require.NoError(t, err)

		lease = held
		require.NoError(t, store.Put(ctx,
			own,
			fmt.Sprintf("db.key-%d", n),
			"v",
			lease,
		))
	}

	_, _, err := store.Hold(ctx, own, "db.one-more", time.Minute)
	require.ErrorIs(t, err, peerset.ErrForbidden)
	require.ErrorIs(t,
		store.Put(ctx, own, "db.one-more", "v", lease),
		peerset.ErrForbidden,
	)
	require.NoError(t,
		store.Put(ctx, own, "db.key-3", "w", lease),
		"what is there may change",
	)

	_, held, err := store.Hold(ctx, own, peerset.LeaseWriter, time.Minute)
	require.NoError(t, err)
	require.True(t, held)
}
