package galera_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
)

func contains(text, part string) bool {
	return strings.Contains(text, part)
}

func whole(seqno string) map[string]string {
	return map[string]string{
		"ibdata1":      "",
		"grastate.dat": state(ours, seqno),
	}
}

func TestAServerThatHangsAfterItServedIsStartedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.say(primary("db-1", ours), primary("db-3", ours))

		r.server.onStart = serve
		r.start()
		r.synced()

		r.server.edit(func(s *server) { s.process = galera.ProcessStarting })
		r.reason("the server runs and does not answer")
		r.counts(stops, 1)
		r.synced()
		require.Equal(t, 2, r.server.count(starts))
	})
}

// TestAnAgentThatIsStoppedInTheMiddleOfAProbeTakesNothingBack: the server goes on serving, and its peers must not
// hear otherwise from an agent that broke its own question off.
func TestAnAgentThatIsStoppedInTheMiddleOfAProbeTakesNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.server.edit(serve)
		r.start()
		r.synced()

		asked := make(chan struct{})
		r.server.edit(func(s *server) { s.asked = asked })
		<-asked
		r.halt()

		self, _ := r.set.Snapshot().Peer("db-2")
		require.Equal(t, string(galera.StateSynced), self.State)
		require.True(t, self.Healthy)
	})
}

func TestADeadServerIsNotSyncedWhateverSystemdSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.server.edit(serve)

		r.say(primary("db-1", ours), primary("db-3", ours))
		r.start()
		r.holds(peerset.LeaseWriter)

		r.server.edit(func(s *server) {
			s.process, s.mute = galera.ProcessStopped, errors.New("systemd did not answer")
		})

		r.eventually("not healthy", func() bool {
			peer, _ := r.set.Snapshot().Peer("db-2")
			return !peer.Healthy
		})

		r.reason("the server does not answer, and systemd does not say why")
		r.released(peerset.LeaseWriter)
		require.Empty(t, r.fact(galera.FactEvidence))
		require.Zero(t, r.server.count(starts)+r.server.count(begins)+r.server.count(stops))

		r.server.edit(func(s *server) {
			s.mute, s.onStart = nil, serve
		})
		r.synced()
	})
}

func TestAServerOfAnotherHistoryIsStoppedAndKeepsItsData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.set.edit(func(s *peerset.Snapshot) {
			s.Settings = record(t, galera.Record{
				UUID:        theirs,
				Node:        "db-1",
				Incarnation: 1,
			})
		})

		r.say(primary("db-1", theirs), primary("db-3", theirs))

		r.server.edit(serve)
		r.start()
		r.counts(stops, 1)
		r.reason("this node holds data of another cluster")

		self, _ := r.set.Snapshot().Peer("db-2")
		require.False(t, self.Healthy)
		require.Empty(t, r.holder(peerset.LeaseWriter))
		require.Zero(t, r.server.count(starts)+r.disk.count(wipes))
	})
}

func TestTwoThatDrainAtOnceDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.server.edit(serve)
		r.say(primary("db-1", ours))
		r.start()
		r.holds(peerset.LeaseWriter)

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()

		drained := make(chan error, 1)
		go func() {
			drained <- r.driver.Drain(ctx, 0)
		}()
		r.reason("another node is to take the writes first")
		require.Equal(t, "yes", r.fact(galera.FactLeaving))

		r.say(peer("db-1", galera.StateSynced, galera.FactLeaving, "yes"))
		require.NoError(t, <-drained)
		require.Equal(t, 1, r.server.count(stops))
	})
}

func TestANodeThatWasDeclaredGoneNeverMeetsTheClusterAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.say(at("db-1", ours, "7"))
		r.start()
		r.says(galera.FactEvidence, "stopped")
		require.NoError(t, r.set.Forget(t.Context(), "db-2"))
		r.reason("it was declared gone")

		r.halt()

		t.Log("it reboots, remembers nothing of the peer set, and reaches nobody")

		r.set = newMemory()
		r.quorum(false)

		r.server.onStart = serve
		r.start()
		r.reason("it was declared gone")

		// Many looks later it is still not started.
		time.Sleep(50 * r.config.Times.Tick)
		require.Zero(t, r.server.count(starts))

		t.Log("its successor is not the one that was declared gone")
		r.halt()

		r.config.Incarnation = 2
		r.start()
		r.counts(starts, 1)
	})
}
