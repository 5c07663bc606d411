//go:build realdb

package galera_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// renewed starts a node's agent anew with another document: what a newer Droplet in its place would be given.
func (n *node) renewed(secret string, issued time.Time) {
	n.stop()
	<-n.done

	path := n.w.host(n.dir + "/hornero/grants.sql")
	text, err := os.ReadFile(path)
	require.NoError(n.w.t, err)

	require.NoError(n.w.t, os.WriteFile(
		path,
		[]byte(strings.ReplaceAll(string(text), "100%", secret)),
		0o600,
	))

	n.issued = issued
	n.boot()
	n.w.synced(20*time.Second, "db-1", "db-2")

	_, err = peerset.Bind(n.w.set, n.who()).Seize(
		n.w.t.Context(),
		peerset.Lease{
			Name:  peerset.LeaseWriter,
			Epoch: n.w.set.Snapshot().Leases[peerset.LeaseWriter].Epoch,
		},
		"the other may have taken it meanwhile",
	)
	require.NoError(n.w.t, err)
}

// TestUsersAndMemory: users are made once and changed when the secret is, and the server is as large as its
// Droplet allows.
func TestUsersAndMemory(t *testing.T) {
	w := newWorld(t)
	w.stack = []string{"db-1", "db-2"}
	first := w.launch("db-1", 1, 1, true)
	w.synced(60*time.Second, "db-1") // who comes with it may be the first that takes the lease

	second := w.launch("db-2", 2, 1, false)
	w.synced(60*time.Second, "db-1", "db-2")

	granted := func() string {
		return w.set.Snapshot().Settings[galera.SettingGrants]
	}

	changed := func() string { // when the user's entry was last written
		db := second.sql()
		defer db.Close()

		var text string
		require.NoError(t,
			db.QueryRow("SELECT Priv FROM mysql.global_priv WHERE User = 'wordpress' AND Host = '%'").Scan(&text),
		)

		return text
	}

	require.NoError(t, second.login(password))

	t.Log("the same document again: nothing is made anew")

	record, entry := granted(), changed()
	require.NotEmpty(t, record)
	first.renewed("100%", time.Now())
	time.Sleep(time.Second)
	require.Equal(t, record, granted())
	require.Equal(t, entry, changed())

	t.Log("a newer document with another secret, on the writer: the other node has it, too")

	rotated := strings.ReplaceAll(password, "100%", "200%")
	first.renewed("200%", time.Now())
	w.eventually(10*time.Second, "the new password", func() error {
		return second.login(rotated)
	})
	require.ErrorContains(t, second.login(password), "Access denied")

	record = granted()

	t.Log("a node with the old document takes the writes: the new password stays")
	first.leave()

	w.eventually(10*time.Second, "another writer", func() error {
		if holder := w.set.Snapshot().Holder(peerset.LeaseWriter); holder != "db-2" {
			return errors.New(holder)
		}

		return nil
	})

	time.Sleep(time.Second)
	require.Equal(t, record, granted())
	require.NoError(t, second.login(rotated))

	t.Log("two fifths of the 512 MiB that the node says it has, in whole MiB")

	db := second.sql()
	defer db.Close()

	var pool, log, appliers int64
	require.NoError(t, db.QueryRow(
		"SELECT @@innodb_buffer_pool_size, @@innodb_log_file_size, @@wsrep_slave_threads",
	).Scan(
		&pool,
		&log,
		&appliers,
	))

	require.EqualValues(t, 204<<20, pool)
	require.EqualValues(t, 32<<20, log, "a small Droplet's")
	require.EqualValues(t, 4, appliers)
}
