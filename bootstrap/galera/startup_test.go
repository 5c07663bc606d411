package galera_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
)

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

		r.say(primary("db-1", ours), primary("db-3", ours))
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

		r.say(primary("db-1", ours), primary("db-3", ours))

		r.quorum(true)
		r.synced()
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

		r.say(primary("db-1", ours), primary("db-3", ours))
		r.start()
		r.synced()
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
		r.counts(starts, 2)
		r.reason("start 1 failed")

		// Each state lasts for several looks.
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

		r.synced() // without waiting for its hour to pass
	})
}

// transferring is a server in the middle of a state transfer that an earlier agent began.
func transferring(t *testing.T) *rig {
	r := newRig(t, map[string]string{"ibdata1": "", "sst_in_progress": ""})
	r.server.process = galera.ProcessStarting

	r.say(primary("db-1", ours), primary("db-3", ours))

	return r
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
		r.holds(peerset.LeaseGaleraJoin)

		// Without a moving byte it would be stopped in this time.
		time.Sleep(2 * r.config.Times.Stall)
		require.Zero(t, r.server.count(stops), "bytes move")
		require.Equal(t, "db-2", r.holder(peerset.LeaseGaleraJoin))
		require.FileExists(t, r.path("hornero-transfer"))

		r.server.edit(func(s *server) { s.onStart = serve })
		still()
		r.counts(stops, 1) // for no byte moves
		r.synced()
		require.Equal(t, 1, r.server.count(starts))
		r.released(peerset.LeaseGaleraJoin)
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
		r.holds(peerset.LeaseGaleraJoin)
		require.Zero(t, r.server.count(stops))
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
		r.counts(starts, 1)

		r.say(at("db-1", ours, "10"), at("db-3", ours, "10"))

		r.quorum(true)
		r.counts(stops, 1)
		r.counts(begins, 1) // from its own data, which is the most advanced
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

		r.say(primary("db-1", ours), primary("db-3", ours))
		r.start()
		r.counts(starts, 1)
		require.Contains(t, told(), `wsrep_sst_donor = "db-3"`)

		takes("db-3")
		r.counts(starts, 2)
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
