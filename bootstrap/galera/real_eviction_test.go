//go:build realdb

package galera_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// Only a server's process is lost: its agent says so, and the others evict it without waiting whether it
// speaks again. It comes back as another member.
func TestAServerThatIsKilledIsShutOutAtOnce(t *testing.T) {
	w := newWorld(t)
	w.launch("db-1", 51, 1, true)
	w.synced(60*time.Second, "db-1")
	w.launch("db-2", 52, 1, false)
	w.launch("db-3", 53, 1, false)
	w.synced(60*time.Second, "db-1", "db-2", "db-3")
	require.Equal(t, "db-1", w.set.Snapshot().Holder(peerset.LeaseWriter))
	require.NoError(t,
		w.nodes["db-1"].exec("CREATE TABLE wordpress.t (i INT PRIMARY KEY AUTO_INCREMENT)"),
	)

	require.Len(t,
		strings.Fields(w.nodes["db-1"].driver.Status().Facts[galera.FactView]),
		3,
	)

	outside := func() (times int) { // of a primary component, as all logged it
		for _, n := range w.nodes {
			times += strings.Count(n.log(), "Received NON-PRIMARY")
		}

		return times
	}

	var took []time.Duration

	// At the next death Galera must not remember whom it evicted at the last one.
	for range 3 {
		was, holder := outside(), w.set.Snapshot().Holder(peerset.LeaseWriter)
		struck := time.Now()
		w.nodes[holder].unit.kill()

		w.eventually(10*time.Second, "another writer", func() error {
			if now := w.set.Snapshot().Holder(peerset.LeaseWriter); now == holder || now == "" {
				return fmt.Errorf("%q holds the lease", now)
			}

			return nil
		})

		require.NoError(t,
			w.nodes[w.set.Snapshot().Holder(peerset.LeaseWriter)].exec("INSERT INTO wordpress.t VALUES ()"),
		)

		took = append(took, time.Since(struck))
		w.synced(60*time.Second, "db-1", "db-2", "db-3")

		require.Equal(t,
			was+1,
			outside(),
			"the others were in the primary component all the time; the one that starts is not at first",
		)
	}

	t.Logf("the next row after each death: %v", took)
	slices.Sort(took)
	require.Less(t, took[1], time.Second, "evs.suspect_timeout")
	require.Equal(t, 3, w.count("db-1"))
}
