package peers_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What SQLite has for texts and rectangles is not in the program: it weighs, and who speaks SQL to a member could
// reach it. Where the linker finds the archive's own again, this fails.
func TestTheStoreKnowsNoTablesForTextsAndRectangles(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	store := c.founder()
	defer c.stop(store)

	var modules []string
	err := store.Write(c.within(5*time.Second), func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT name FROM pragma_module_list ORDER BY name`)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()

		modules = nil
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			modules = append(modules, name)
		}

		return rows.Err()
	})
	require.NoError(t, err)
	require.Contains(t, modules, "dbstat")

	for _, left := range []string{"fts3", "fts4", "fts5", "rtree", "geopoly"} {
		require.NotContains(t, modules, left)
	}
}
