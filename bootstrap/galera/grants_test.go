package galera_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
)

func applied(s *server) int { return s.applied }

// writes makes the rig's node the writer, with a document of its own, until the record of what was granted
// differs from before.
func (r *rig) writes(statements string, issued time.Time) {
	r.config.GrantsFile = filepath.Join(r.t.TempDir(), "grants.sql")
	require.NoError(r.t, os.WriteFile(r.config.GrantsFile, []byte(statements), 0o600))

	r.config.Issued = issued
	r.server.edit(serve)
	r.start()
	r.eventually("the writer", func() bool {
		return r.driver.Status().State == galera.StateSynced && r.holder("writer") == "db-2"
	})
}

func TestTheWriterAppliesPasswordsThatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		first, later := time.Now(), time.Now().Add(time.Hour)
		granted := func() string {
			return r.set.Snapshot().Settings[galera.SettingGrants]
		}

		r.writes("secret-one", first)
		r.eventually("recorded", func() bool { return granted() != "" })
		require.Equal(t, 1, r.server.count(applied))
		require.NotContains(t, granted(), "secret")

		before := granted()

		t.Log("the same again")
		r.writes("secret-one", later)
		time.Sleep(500 * time.Millisecond)
		require.Equal(t, 1, r.server.count(applied))

		t.Log("a node with a newer document takes the writes")
		r.writes("secret-two", later)
		r.eventually("recorded", func() bool { return granted() != before })
		require.Equal(t, 2, r.server.count(applied))

		t.Log("one with the old document does: the new passwords stay")
		r.writes("secret-one", first)
		time.Sleep(500 * time.Millisecond)
		require.Equal(t, 2, r.server.count(applied))
	})
}

func TestARefusedStatementIsTriedAgainInItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.config.Times.LeaseTTL = time.Second
		r.server.refuses = errors.New("the server did not get it done in time")
		r.writes("secret-one", time.Now())
		r.counts(applied, 1)

		r.eventually("and what happens is seen meanwhile", func() bool {
			r.server.edit(func(s *server) { s.wsrep.Size = 2 })
			return r.fact(galera.FactSize) == "2"
		})

		require.Equal(t, 1, r.server.count(applied))

		r.server.edit(func(s *server) { s.refuses = nil })
		r.eventually("recorded", func() bool {
			return r.set.Snapshot().Settings[galera.SettingGrants] != ""
		})
		require.Equal(t, 2, r.server.count(applied))
	})
}
