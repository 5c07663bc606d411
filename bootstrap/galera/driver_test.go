package galera_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

func (r *rig) fact(name string) string {
	peer, _ := r.set.Snapshot().Peer(r.config.Node)
	return peer.Facts[name]
}

func TestADirectoryThatIsEmptiedWhileTheServerIsDownIsNoEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.say(at("db-1", ours, "7"))
		r.start()
		r.eventually("evidence", func() bool {
			return r.fact(galera.FactEvidence) == "stopped"
		})

		entries, err := filepath.Glob(r.path("*"))
		require.NoError(t, err)

		for _, entry := range entries {
			require.NoError(t, os.RemoveAll(entry))
		}

		r.eventually("torn", func() bool {
			return r.fact(galera.FactEvidence) == "torn"
		})

		r.say(
			at("db-1", ours, "7"),
			at("db-3", ours, "8"),
		)

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

		r.say(
			dead(primary("db-1", ours)),
			at("db-3", ours, "8"),
		)

		r.eventually("torn", func() bool {
			return r.fact(galera.FactEvidence) == "torn"
		})

		r.say(
			at("db-1", ours, "7"),
			at("db-3", ours, "8"),
		)

		r.reason("db-3 is to bootstrap")
		require.Zero(t, r.server.count(begins))
	})
}

func TestATornMarkIsReadWheneverItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.say(at("db-1", ours, "7"))
		r.start()
		r.eventually("evidence", func() bool {
			return r.fact(galera.FactEvidence) == "stopped"
		})
		require.NoError(t, os.WriteFile(r.path("hornero-transfer"), nil, 0o600))

		r.say(
			at("db-1", ours, "7"),
			at("db-3", ours, "8"),
		)

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
		r.eventually("evidence", func() bool {
			return r.fact(galera.FactSeqno) == "12"
		})
		r.start()
		r.eventually("evidence", func() bool {
			return r.fact(galera.FactEvidence) == "stopped"
		})
		require.Equal(t, 1, r.disk.count(recoveries))
	})
}

func TestADirectoryThatCannotBeReadIsNoEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.say(at("db-1", ours, "7"))
		r.start()
		r.eventually("evidence", func() bool {
			return r.fact(galera.FactEvidence) == "stopped"
		})
		require.NoError(t, os.Remove(r.path("grastate.dat")))
		require.NoError(t, os.Mkdir(r.path("grastate.dat"), 0o700))
		r.reason("cannot tell what the data directory holds")
		require.Empty(t, r.fact(galera.FactEvidence))
	})
}

const (
	unreachable = "0 [ERROR] WSREP: failed to open gcomm backend connection: 110: failed to reach primary view\n"
	corrupt     = "0 [ERROR] InnoDB: Database page corruption on disk\n"
)

// fails makes every start fail with what the server logs.
func (r *rig) fails(log string) {
	r.server.edit(func(s *server) {
		s.log, s.onStart = log, fail
	})
}

func (r *rig) started(times int) {
	r.t.Helper()
	from := r.server.count(starts)
	r.eventually("starts", func() bool {
		return r.server.count(starts) >= from+times
	})
}

func TestFailuresThatSayNothingOfTheDataNeverWipeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.fails(unreachable)

		r.say(
			primary("db-1", ours),
			primary("db-3", ours),
		)

		r.start()
		r.started(6)
		require.Zero(t, r.disk.count(wipes))
		require.FileExists(t, r.path("ibdata1"))
	})
}

func TestABlindJoinNeverCountsAgainstTheData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.quorum(false)
		r.fails(corrupt)
		r.start()
		r.started(5)
		r.server.edit(func(s *server) {
			s.log, s.onStart = "", serve
		})

		r.say(
			primary("db-1", ours),
			primary("db-3", ours),
		)

		r.quorum(true)
		r.eventually("synced", func() bool {
			return r.driver.Status().State == galera.StateSynced
		})
		require.Zero(t, r.disk.count(wipes))
	})
}

func TestDataThatTheServerRefusesIsWipedAtLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.fails(corrupt)

		r.disk.wiping = func() error {
			r.server.edit(func(s *server) {
				s.log, s.onStart = "", serve
			})

			return r.disk.DataDir.Wipe()
		}

		r.say(
			primary("db-1", ours),
			primary("db-3", ours),
		)

		r.start()
		r.eventually("synced", func() bool {
			return r.driver.Status().State == galera.StateSynced
		})
		require.Equal(t, 1, r.disk.count(wipes))
		require.Equal(t, galera.WipeAfter+1, r.server.count(starts))
	})
}

func TestANewPrimaryBeginsTheCountAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.config.Times.Backoff = time.Hour
		r.fails(corrupt)
		r.say(primary("db-1", ours))
		r.start()
		r.reason("start 1 failed")
		r.say(primary("db-3", ours))
		r.eventually("another start at once", func() bool {
			return r.server.count(starts) == 2
		})
		r.reason("start 1 failed")
		r.say(peer("db-3", galera.StateNonPrimary))
		time.Sleep(10 * r.config.Times.Tick)
		r.say(primary("db-3", ours))
		time.Sleep(10 * r.config.Times.Tick)
		require.Equal(t, 2, r.server.count(starts), "who only comes back is no news")
	})
}

func TestQuorumBeginsTheCountAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.config.Times.Backoff = time.Hour
		r.fails(unreachable)
		r.say(primary("db-1", ours))
		r.start()
		r.reason("start 1 failed")
		r.quorum(false)
		r.reason("start 1 failed")
		time.Sleep(10 * r.config.Times.Tick)
		r.server.edit(func(s *server) { s.onStart = serve })
		r.quorum(true)

		r.eventually("synced, without waiting for its "+
			"hour to pass", func() bool {
			return r.driver.Status().State == galera.StateSynced
		})
	})
}

func crashed(t *testing.T) *rig {
	r := newRig(t, whole("-1"))
	r.say(
		primary("db-1", ours),
		primary("db-3", ours),
	)

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
		for _, said := range []string{"InnoDB: Unable to lock ./ibdata1 " +
			"error: 11", "Disk full (/tmp/x); no space left on device", "Out of memory"} {
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
			r.eventually("synced", func() bool {
				return r.driver.Status().State == galera.StateSynced
			})
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

// transferring is a server in the middle of a state transfer that an earlier agent began.
func transferring(t *testing.T) *rig {
	r := newRig(t, map[string]string{"ibdata1": "", "sst_in_progress": ""})
	r.server.process = galera.ProcessStarting

	r.say(
		primary("db-1", ours),
		primary("db-3", ours),
	)

	return r
}

func (r *rig) holder(lease string) string {
	return r.set.Snapshot().Holder(lease)
}

// moves makes bytes move until the test ends or stop is called.
func (r *rig) moves() (stop func()) {
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)

		for size := int64(1); ; size++ {
			os.Truncate(r.path("ibdata1"), size<<20)

			select {
			case <-ended:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()

	var once sync.Once
	stop = func() {
		once.Do(func() {
			close(ended)
			<-done
		})
	}
	r.t.Cleanup(stop)

	return stop
}

func TestATransferThatARestartedAgentFindsIsWatchedUnderTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := transferring(t)
		still := r.moves()
		r.start()
		r.eventually("the lease", func() bool {
			return r.holder(peerset.LeaseGaleraJoin) == "db-2"
		})
		time.Sleep(2 * r.config.Times.Stall)
		require.Zero(t, r.server.count(stops), "bytes move")
		require.Equal(t, "db-2", r.holder(peerset.LeaseGaleraJoin))
		require.FileExists(t, r.path("hornero-transfer"))
		r.server.edit(func(s *server) { s.onStart = serve })
		still()
		r.eventually("stopped, for no byte moves", func() bool {
			return r.server.count(stops) == 1
		})
		r.eventually("tried again", func() bool {
			return r.driver.Status().State == galera.StateSynced
		})
		require.Equal(t, 1, r.server.count(starts))
		r.eventually("the lease is free", func() bool {
			return r.holder(peerset.LeaseGaleraJoin) == ""
		})
	})
}

func TestATransferThatIsFoundBacksOffWhenItFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := transferring(t)
		r.config.Times.Backoff = time.Hour
		r.start()
		r.reason("start 1 failed")
		require.Zero(t, r.server.count(starts))
	})
}

func TestATransferThatIsFoundGoesOnWhileTheLeaseIsAnothers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := transferring(t)
		r.moves()

		other := peerset.Identity{
			Name:        "db-3",
			Role:        "db",
			Incarnation: 1,
		}

		lease, held, err := r.set.Hold(t.Context(), other, peerset.LeaseGaleraJoin, time.Hour)
		require.NoError(t, err)
		require.True(t, held)

		r.config.Times.LeaseTTL = time.Second // and nobody else takes it before it is released
		r.start()
		r.reason("receives the state of a donor")
		require.NoError(t, r.set.Release(t.Context(), other, lease))
		r.eventually("its turn", func() bool {
			return r.holder(peerset.LeaseGaleraJoin) == "db-2"
		})
		require.Zero(t, r.server.count(stops))
	})
}

func TestAServerThatHangsAfterItServedIsStartedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.say(
			primary("db-1", ours),
			primary("db-3", ours),
		)

		r.server.onStart = serve
		r.start()
		r.eventually("synced", func() bool {
			return r.driver.Status().State == galera.StateSynced
		})
		r.server.edit(func(s *server) { s.process = galera.ProcessStarting })
		r.reason("the server runs and does not answer")
		r.eventually("stopped", func() bool {
			return r.server.count(stops) == 1
		})
		r.eventually("synced", func() bool {
			return r.driver.Status().State == galera.StateSynced
		})
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
		r.eventually("synced", func() bool {
			return r.driver.Status().State == galera.StateSynced
		})

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

		r.say(
			primary("db-1", ours),
			primary("db-3", ours),
		)

		r.start()
		r.eventually("the writer", func() bool {
			return r.holder(peerset.LeaseWriter) == "db-2"
		})
		r.server.edit(func(s *server) {
			s.process, s.mute = galera.ProcessStopped, errors.New("systemd did not answer")
		})

		r.eventually("not healthy", func() bool {
			peer, _ := r.set.Snapshot().Peer("db-2")
			return !peer.Healthy
		})

		r.reason("the server does not answer, and systemd does not say why")
		r.eventually("it gives the writes up", func() bool {
			return r.holder(peerset.LeaseWriter) == ""
		})
		require.Empty(t, r.fact(galera.FactEvidence))
		require.Zero(t, r.server.count(starts)+r.server.count(begins)+r.server.count(stops))
		r.server.edit(func(s *server) {
			s.mute, s.onStart = nil, serve
		})
		r.eventually("synced", func() bool {
			return r.driver.Status().State == galera.StateSynced
		})
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

		r.say(
			primary("db-1", theirs),
			primary("db-3", theirs),
		)

		r.server.edit(serve)
		r.start()
		r.eventually("stopped", func() bool {
			return r.server.count(stops) == 1
		})
		r.reason("this node holds data of another cluster")

		self, _ := r.set.Snapshot().Peer("db-2")
		require.False(t, self.Healthy)
		require.Empty(t, r.holder(peerset.LeaseWriter))
		require.Zero(t, r.server.count(starts)+r.disk.count(wipes))
	})
}

// steal gives a lease to another node, as it happens to one who was not heard of for too long.
func (r *rig) steal(lease string) {
	r.set.mu.Lock()
	defer r.set.mu.Unlock()

	r.set.take(peerset.Identity{
		Name:        "db-3",
		Role:        "db",
		Incarnation: 1,
	}, lease)

	r.set.renewed[lease] = time.Now().Add(time.Hour)
}

func TestAJoinEndsWithItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.moves()

		r.say(
			primary("db-1", ours),
			primary("db-3", ours),
		)

		r.start()
		r.eventually("a start", func() bool {
			return r.server.count(starts) == 1
		})
		r.steal(peerset.LeaseGaleraJoin)
		r.eventually("stopped", func() bool {
			return r.server.count(stops) == 1
		})
		r.reason("waits its turn to join: db-3 is joining")
		require.Equal(t, 1, r.server.count(starts))
	})
}

func TestABootstrapEndsWithItsLease(t *testing.T) {
	for name, lose := range map[string]func(*rig){
		"to another": func(r *rig) { r.steal(peerset.LeaseGaleraBootstrap) },
		"in silence": func(r *rig) { r.quorum(false) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, whole("12"))
				r.moves()

				r.say(
					at("db-1", ours, "7"),
					at("db-3", ours, "8"),
				)

				r.start()
				r.eventually("a start", func() bool {
					return r.server.count(begins) == 1
				})
				lose(r)
				r.eventually("stopped", func() bool {
					return r.server.count(stops) > 0
				})
				require.Equal(t, 1, r.server.count(begins))
			})
		})
	}
}

func TestABootstrapEndsWhenItsLeasesTimeIsUpAndNotWhenThatIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.config.Times.LeaseTTL = 2 * time.Second
		r.set.late = r.config.Times.LeaseTTL / 5 // no whole number of tries fits into the lease's time
		r.moves()

		r.say(
			at("db-1", ours, "7"),
			at("db-3", ours, "8"),
		)

		r.start()
		r.eventually("a start", func() bool {
			return r.server.count(begins) == 1
		})
		r.quorum(false)
		r.set.mu.Lock()
		renewed := r.set.renewed[peerset.LeaseGaleraBootstrap]
		r.set.mu.Unlock()
		r.eventually("stopped", func() bool {
			return r.server.count(stops) > 0
		})

		require.Less(t,
			time.Since(renewed),
			r.config.Times.LeaseTTL*6/5,
		)
	})
}

func TestAJoinGoesOnWhenThePeerSetFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.moves()

		r.say(
			primary("db-1", ours),
			primary("db-3", ours),
		)

		r.start()
		r.eventually("a start", func() bool {
			return r.server.count(starts) == 1
		})
		r.quorum(false)
		time.Sleep(2 * r.config.Times.LeaseTTL)
		require.Zero(t, r.server.count(stops))
	})
}

func TestTwoThatDrainAtOnceDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.server.edit(serve)
		r.say(primary("db-1", ours))
		r.start()
		r.eventually("the writer", func() bool {
			return r.holder(peerset.LeaseWriter) == "db-2"
		})

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()

		drained := make(chan error, 1)
		go func() {
			drained <- r.driver.Drain(ctx)
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
		r.eventually("evidence", func() bool {
			return r.fact(galera.FactEvidence) == "stopped"
		})
		require.NoError(t, r.set.Forget(t.Context(), "db-2"))
		r.reason("it was declared gone")
		r.halt()

		t.Log("it reboots, remembers nothing of the peer set, and reaches nobody")

		r.set = newMemory()
		r.quorum(false)

		r.server.onStart = serve
		r.start()
		r.reason("it was declared gone")
		time.Sleep(50 * r.config.Times.Tick)
		require.Zero(t, r.server.count(starts))

		t.Log("its successor is not the one that was declared gone")
		r.halt()

		r.config.Incarnation = 2
		r.start()
		r.eventually("a start", func() bool {
			return r.server.count(starts) == 1
		})
	})
}

// TestABlindJoinThatNobodyAnswersGivesWayToEvidence is two nodes that are powered on together: both join
// whoever is at the remembered addresses before the peer set has its quorum back, and the third waits for what
// they have to say.
func TestABlindJoinThatNobodyAnswersGivesWayToEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.moves()
		r.quorum(false)
		r.start()
		r.eventually("a start", func() bool {
			return r.server.count(starts) == 1
		})

		r.say(
			at("db-1", ours, "10"),
			at("db-3", ours, "10"),
		)

		r.quorum(true)
		r.eventually("it stops", func() bool {
			return r.server.count(stops) == 1
		})

		r.eventually("and bootstraps from its own data, which is the "+
			"most advanced", func() bool {
			return r.server.count(begins) == 1
		})
	})
}

// TestWhoLostSightOfThePeersDoesNotTakeTheDeadForAlive: they look alive for a while once there is a quorum
// again, to a node whose own server was down all the time, too.
func TestWhoLostSightOfThePeersDoesNotTakeTheDeadForAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.config.Times.DelayScale = 0.1

		r.say(
			at("db-1", ours, "10"),
			dead(at("db-3", ours, "10")),
		)

		r.start()
		r.reason("waits for the evidence of db-3")
		r.quorum(false)
		r.reason("the peer set has no quorum")
		r.say(at("db-3", ours, "10"))

		back := time.Now()
		r.quorum(true)
		r.eventually("it bootstraps", func() bool {
			return r.server.count(begins) == 1
		})
		require.GreaterOrEqual(t, time.Since(back), galera.DelayQuorumLost/10)
	})
}

func TestABlindJoinTakesItsTurnOnceThereIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.moves()
		r.quorum(false)
		r.start()
		r.eventually("a start", func() bool {
			return r.server.count(starts) == 1
		})
		require.Empty(t, r.holder(peerset.LeaseGaleraJoin))
		r.quorum(true)
		r.eventually("the lease", func() bool {
			return r.holder(peerset.LeaseGaleraJoin) == "db-2"
		})
		require.Equal(t, 1, r.server.count(starts))
		require.Zero(t, r.server.count(stops))
	})
}

func TestAStartWhoseDonorBecomesTheWriterIsMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.config.ClusterFile = filepath.Join(t.TempDir(), "cluster.cnf")
		told := func() string {
			text, err := os.ReadFile(r.config.ClusterFile)
			require.NoError(t, err)
			return string(text)
		}

		takes := func(name string) {
			r.set.edit(func(s *peerset.Snapshot) {
				s.Leases[peerset.LeaseWriter] = peerset.Lease{
					Name:        peerset.LeaseWriter,
					Holder:      name,
					Incarnation: 1,
					Epoch:       s.Leases[peerset.LeaseWriter].Epoch + 1,
				}
			})
		}
		takes("db-1")

		r.say(
			primary("db-1", ours),
			primary("db-3", ours),
		)

		r.start()
		r.eventually("started", func() bool {
			return r.server.count(starts) == 1
		})
		require.Contains(t, told(), `wsrep_sst_donor = "db-3"`)
		takes("db-3")
		r.eventually("started anew", func() bool {
			return r.server.count(starts) == 2
		})
		require.Contains(t, told(), `wsrep_sst_donor = "db-1"`)
		require.Equal(t, 1, r.server.count(kills), "it would not hear a request to stop")

		require.NoError(t, os.WriteFile(r.path("sst_in_progress"), nil, 0o600))

		r.eventually("seen", func() bool {
			_, err := os.Stat(r.path("hornero-transfer"))
			return err == nil
		})

		takes("db-1")
		time.Sleep(50 * time.Millisecond)
		require.Equal(t, 1, r.server.count(stops), "a transfer that is under way goes on")
		require.Zero(t, r.server.count(func(s *server) int { return s.begins }))
	})
}
