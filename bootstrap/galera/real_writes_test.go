//go:build realdb

package galera_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// TestClientsWriteOnTheWriterOnly: whoever has the database's password and reaches a node that does not take the writes
// only reads there, while what the writer wrote gets in; and no file of a node has the password.
func TestClientsWriteOnTheWriterOnly(t *testing.T) {
	const refused = "ERROR 1290"

	w := newWorld(t)
	w.stack = []string{"db-1", "db-2"}
	first := w.launch("db-1", 1, 1, true)
	w.synced(60*time.Second, "db-1")

	second := w.launch("db-2", 2, 1, false)
	w.synced(60*time.Second, "db-1", "db-2")
	w.writes("db-1")

	require.NoError(t, first.asUser(password, "CREATE TABLE pages (id INT PRIMARY KEY)"))
	require.NoError(t, first.asUser(password, "INSERT INTO pages VALUES (1)"))

	second.has(1)
	require.NoError(t, second.login(password), "it reads")
	require.ErrorContains(t, second.asUser(password, "INSERT INTO pages VALUES (2)"), refused)
	require.ErrorContains(t, second.asUser(password, "DROP TABLE pages"), refused)
	require.NoError(t, second.exec("INSERT INTO wordpress.pages VALUES (3)"), "root is the operator")

	t.Log("another node takes the writes: it takes them at once, and the first is closed, and goes on with Galera")
	second.seize()
	require.NoError(t, second.asUser(password, "INSERT INTO pages VALUES (4)"))
	w.eventually(20*time.Second, "the first is closed", func() error {
		err := first.asUser(password, "INSERT INTO pages VALUES (FLOOR(RAND() * 1000000) + 10)")
		if err == nil {
			return errors.New("it takes writes")
		}

		return nil
	})
	require.ErrorContains(t, first.asUser(password, "INSERT INTO pages VALUES (5)"), refused)
	require.NoError(t, second.asUser(password, "DELETE FROM pages WHERE id <> 1"))
	first.has(1)

	t.Log("the writer leaves: the other one takes the writes again")
	second.leave()
	w.writes("db-1")
	require.NoError(t, first.asUser(password, "INSERT INTO pages VALUES (6)"))

	t.Log("nobody finds the password in what a node keeps on its disk")
	first.keepsNo("HOME \"and\"")
	second.keepsNo("HOME \"and\"")
}

// has waits until a node has a number of rows.
func (n *node) has(want int) {
	n.w.t.Helper()

	db := n.sql()
	defer db.Close()

	n.w.eventually(10*time.Second, "the rows", func() error {
		var rows int

		err := db.QueryRow("SELECT COUNT(*) FROM wordpress.pages").Scan(&rows)
		if err == nil && rows != want {
			err = fmt.Errorf("%d rows", rows)
		}

		return err
	})
}

// seize makes the node take the writes from another as it does where that one is out of its view.
func (n *node) seize() {
	n.w.t.Helper()

	require.NoError(n.w.t, n.server.TakeWrites(n.w.t.Context()))

	seen := peerset.Lease{
		Name:  peerset.LeaseWriter,
		Epoch: n.w.set.Snapshot().Leases[peerset.LeaseWriter].Epoch,
	}

	_, err := peerset.Bind(n.w.set, n.who()).Seize(n.w.t.Context(), seen, "asked to")
	require.NoError(n.w.t, err)
}

// keepsNo looks through the files of a node's server.
func (n *node) keepsNo(secret string) {
	n.w.t.Helper()

	looked := 0
	err := filepath.WalkDir(n.w.host(n.dir+"/data"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}

		text, err := os.ReadFile(path)
		require.False(n.w.t, bytes.Contains(text, []byte(secret)), path)

		looked++

		return err
	})
	require.NoError(n.w.t, err)
	require.Positive(n.w.t, looked)
}
