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

func TestADirectoryThatIsEmptiedWhileTheServerIsDownIsNoEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.say(at("db-1", ours, "7"))
		r.start()
		r.says(galera.FactEvidence, "stopped")

		entries, err := filepath.Glob(r.path("*"))
		require.NoError(t, err)

		for _, entry := range entries {
			require.NoError(t, os.RemoveAll(entry))
		}

		r.says(galera.FactEvidence, "torn")

		r.say(at("db-1", ours, "7"), at("db-3", ours, "8"))

		r.reason("db-3 is to bootstrap")
		require.Zero(t, r.server.count(begins))
	})
}

func TestAWipeThatBrokeOffLeavesNoEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, map[string]string{
			"ibdata1":         "",
			"grastate.dat":    state(ours, "12"),
			"sst_in_progress": "",
		})

		r.disk.wiping = func() error {
			require.NoError(t, r.disk.BeginTransfer())
			os.Remove(r.path("sst_in_progress"))
			return errors.New("no space left on device")
		}

		r.say(primary("db-1", ours))
		r.start()
		r.eventually("wiped", func() bool {
			return r.disk.count(wipes) > 0
		})

		r.say(dead(primary("db-1", ours)), at("db-3", ours, "8"))

		r.says(galera.FactEvidence, "torn")

		r.say(at("db-1", ours, "7"), at("db-3", ours, "8"))

		r.reason("db-3 is to bootstrap")
		require.Zero(t, r.server.count(begins))
	})
}

func TestATornMarkIsReadWheneverItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.say(at("db-1", ours, "7"))
		r.start()
		r.says(galera.FactEvidence, "stopped")
		require.NoError(t, os.WriteFile(r.path("hornero-transfer"), nil, 0o600))

		r.say(at("db-1", ours, "7"), at("db-3", ours, "8"))

		r.reason("db-3 is to bootstrap")
		require.Zero(t, r.server.count(begins))
	})
}

func TestARecoveredPositionIsRememberedByTheDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("-1"))
		r.disk.recover = func() (galera.Position, error) {
			return galera.Position{UUID: ours, Seqno: 12}, nil
		}
		r.say(at("db-1", ours, "7"))
		r.start()
		r.says(galera.FactSeqno, "12")
		r.start()
		r.says(galera.FactEvidence, "stopped")
		require.Equal(t, 1, r.disk.count(recoveries))
	})
}

func TestADirectoryThatCannotBeReadIsNoEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.say(at("db-1", ours, "7"))
		r.start()
		r.says(galera.FactEvidence, "stopped")
		require.NoError(t, os.Remove(r.path("grastate.dat")))
		require.NoError(t, os.Mkdir(r.path("grastate.dat"), 0o700))
		r.reason("cannot tell what the data directory holds")
		require.Empty(t, r.fact(galera.FactEvidence))
	})
}

// TestWhoLostSightOfThePeersDoesNotTakeTheDeadForAlive: they look alive for a while once there is a quorum
// again, to a node whose own server was down all the time, too.
func TestWhoLostSightOfThePeersDoesNotTakeTheDeadForAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.config.Times.DelayScale = 0.1

		r.say(at("db-1", ours, "10"), dead(at("db-3", ours, "10")))
		r.start()
		r.reason("waits for the evidence of db-3")

		r.quorum(false)
		r.reason("the peer set has no quorum")

		r.say(at("db-3", ours, "10"))

		back := time.Now()
		r.quorum(true)
		r.counts(begins, 1)
		require.GreaterOrEqual(t, time.Since(back), galera.DelayQuorumLost/10)
	})
}
