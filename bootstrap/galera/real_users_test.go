//go:build realdb

package galera_test

import (
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

	n.rewriteGrants(secret)
	n.issued = issued
	n.boot()
	n.w.synced(20*time.Second, "db-1", "db-2")

	writer := peerset.Lease{
		Name:  peerset.LeaseWriter,
		Epoch: n.w.set.Snapshot().Leases[peerset.LeaseWriter].Epoch,
	}
	set := peerset.Bind(n.w.set, n.who())
	_, err := set.Seize(n.w.t.Context(), writer, "the other may have taken it meanwhile")
	require.NoError(n.w.t, err)
}

// TestUsersAndMemory: users are made once and changed when the secret is, and the server is as large as its
// Droplet allows.
func TestUsersAndMemory(t *testing.T) {
	w := newWorld(t)
	w.stack = []string{"db-1", "db-2"}
	first := w.launch("db-1", 1, 1, true)

	// A node that comes up beside it might take the writer lease first.
	w.synced(60*time.Second, "db-1")

	second := w.launch("db-2", 2, 1, false)
	w.synced(60*time.Second, "db-1", "db-2")

	granted := func() string {
		return w.set.Snapshot().Settings[galera.SettingGrants]
	}

	require.NoError(t, second.login(password))

	t.Log("the same document again: nothing is made anew")

	record, entry := granted(), second.usersEntry()
	require.NotEmpty(t, record)
	first.renewed("100%", time.Now())

	// Nothing is to happen, so there is nothing else to wait for.
	time.Sleep(time.Second)
	require.Equal(t, record, granted())
	require.Equal(t, entry, second.usersEntry())

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

	w.writes("db-2")

	time.Sleep(time.Second)
	require.Equal(t, record, granted())
	require.NoError(t, second.login(rotated))

	second.isAsLargeAsItsDroplet()
}

// usersEntry tells when the user's entry was last written.
func (n *node) usersEntry() (text string) {
	db := n.sql()
	defer db.Close()

	const entry = "SELECT Priv FROM mysql.global_priv WHERE User = 'wordpress' AND Host = '%'"
	require.NoError(n.w.t, db.QueryRow(entry).Scan(&text))

	return text
}

func (n *node) isAsLargeAsItsDroplet() {
	n.w.t.Log("two fifths of the 512 MiB that the node says it has, in whole MiB")
	db := n.sql()
	defer db.Close()

	const sizes = "SELECT @@innodb_buffer_pool_size, @@innodb_log_file_size, @@wsrep_slave_threads"
	var pool, log, appliers int64
	require.NoError(n.w.t, db.QueryRow(sizes).Scan(&pool, &log, &appliers))

	require.EqualValues(n.w.t, 204<<20, pool)
	require.EqualValues(n.w.t, 32<<20, log, "a small Droplet's")
	require.EqualValues(n.w.t, 4, appliers)
}
