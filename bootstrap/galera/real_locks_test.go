//go:build realdb

package galera_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUsersAndGrantsDoNotWaitForALockForEver(t *testing.T) {
	w := newWorld(t)
	n := w.launch("db-1", 31, 1, true)
	w.synced(60*time.Second, "db-1")

	db := n.sql()
	defer db.Close()

	somebody, err := db.Conn(t.Context())
	require.NoError(t, err)

	grants := w.host(n.dir + "/hornero/grants.sql")

	for lock, said := range map[string]string{
		"FLUSH TABLES WITH READ LOCK":        "number 1047", // as a backup, Galera refuses at once
		"LOCK TABLES mysql.global_priv READ": "did not get it done in time",
	} {
		_, err = somebody.ExecContext(t.Context(), lock)
		require.NoError(t, err)

		began := time.Now()

		require.ErrorContains(t,
			n.server.Apply(t.Context(), grants),
			said,
			lock,
		)

		require.Less(t, time.Since(began), 20*time.Second, lock)

		_, err = somebody.ExecContext(t.Context(), "UNLOCK TABLES")
		require.NoError(t, err)
	}

	w.eventually(20*time.Second, "applied", func() error {
		return n.server.Apply(t.Context(), grants)
	})
}
