package galera_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// steal gives a lease to another node, as it happens to one who was not heard of for too long.
func (r *rig) steal(lease string) {
	r.set.mu.Lock()
	defer r.set.mu.Unlock()

	other := peerset.Identity{Name: "db-3", Role: "db", Incarnation: 1}
	r.set.take(other, lease)
	r.set.renewed[lease] = time.Now().Add(time.Hour)
}

func TestAJoinEndsWithItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.moves()

		r.say(primary("db-1", ours), primary("db-3", ours))
		r.start()
		r.counts(starts, 1)

		r.steal(peerset.LeaseGaleraJoin)
		r.counts(stops, 1)
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

				r.say(at("db-1", ours, "7"), at("db-3", ours, "8"))
				r.start()
				r.counts(begins, 1)

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

		r.say(at("db-1", ours, "7"), at("db-3", ours, "8"))
		r.start()
		r.counts(begins, 1)

		r.quorum(false)

		r.set.mu.Lock()
		renewed := r.set.renewed[peerset.LeaseGaleraBootstrap]
		r.set.mu.Unlock()

		r.eventually("stopped", func() bool {
			return r.server.count(stops) > 0
		})

		require.Less(t, time.Since(renewed), r.config.Times.LeaseTTL*6/5)
	})
}

func TestAJoinGoesOnWhenThePeerSetFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.moves()

		r.say(primary("db-1", ours), primary("db-3", ours))
		r.start()
		r.counts(starts, 1)

		r.quorum(false)

		// A bootstrap's lease would be lost by now, and its server stopped.
		time.Sleep(2 * r.config.Times.LeaseTTL)
		require.Zero(t, r.server.count(stops))
	})
}

func TestABlindJoinTakesItsTurnOnceThereIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.moves()
		r.quorum(false)
		r.start()
		r.counts(starts, 1)
		require.Empty(t, r.holder(peerset.LeaseGaleraJoin))

		r.quorum(true)
		r.holds(peerset.LeaseGaleraJoin)
		require.Equal(t, 1, r.server.count(starts))
		require.Zero(t, r.server.count(stops))
	})
}
