package galera_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
)

func crashed(t *testing.T) *rig {
	r := newRig(t, whole("-1"))
	r.say(primary("db-1", ours), primary("db-3", ours))

	return r
}

func (r *rig) recovers(how func() (galera.Position, error)) {
	r.disk.edit(func(d *disk) { d.recover = how })
}

func refuses(said string) func() (galera.Position, error) {
	return func() (galera.Position, error) {
		return galera.Position{}, &galera.RecoveryError{
			Trouble: galera.TroubleOf("[ERROR] " + said),
			Err:     errors.New("exit status 1"),
		}
	}
}

func TestARecoveryThatFailsForAPassingReasonIsTriedUntilItWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, said := range []string{
			"InnoDB: Unable to lock ./ibdata1 error: 11",
			"Disk full (/tmp/x); no space left on device",
			"Out of memory",
		} {
			r := crashed(t)
			r.config.Times.Unreadable = time.Nanosecond
			r.recovers(refuses(said))
			r.start()
			r.eventually("recoveries", func() bool {
				return r.disk.count(recoveries) > 7
			})
			r.reason(said)
			require.Zero(t, r.disk.count(wipes))
			require.Contains(t, r.fact(galera.FactReason), said)

			r.server.edit(func(s *server) { s.onStart = serve })
			r.recovers(func() (galera.Position, error) {
				return galera.Position{UUID: ours, Seqno: 12}, nil
			})
			r.synced()
			require.Zero(t, r.disk.count(wipes))

			r.halt()
		}
	})
}

func TestUnreadableDataIsReplacedOnlyAfterLongEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := crashed(t)
		r.config.Times.Unreadable = 500 * time.Millisecond
		r.config.Times.Backoff = time.Millisecond
		r.server.onStart = serve
		r.recovers(refuses("InnoDB: Missing FILE_CHECKPOINT"))

		began := time.Now()
		r.start()
		r.eventually("wiped", func() bool {
			return r.disk.count(wipes) > 0
		})
		require.Greater(t, time.Since(began), 500*time.Millisecond)
		require.Greater(t, r.disk.count(recoveries), 4)
	})
}

func TestUnreadableDataStaysWhereOnlyOneOtherNodeHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := crashed(t)
		r.say(dead(primary("db-3", ours)))

		r.config.Times.Unreadable = time.Nanosecond
		r.recovers(refuses("InnoDB: Missing FILE_CHECKPOINT"))
		r.start()
		r.eventually("recoveries", func() bool {
			return r.disk.count(recoveries) > 8
		})
		require.Zero(t, r.disk.count(wipes))
	})
}
