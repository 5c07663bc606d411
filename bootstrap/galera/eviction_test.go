package galera_test

import (
	"os"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
)

const (
	member  = "8757040c-e9d8-11f1-8af6-6fa319e3e265"
	another = "8757040c-e9d8-11f1-8af7-6fa319e3e265"
)

// evicted is which members the server was told to evict.
func (r *rig) evicted() (members []string) {
	r.server.edit(func(s *server) {
		members = append(members, s.evicted...)
	})

	return members
}

func with(peer peerset.Peer, fact, value string) peerset.Peer {
	peer.Facts[fact] = value
	return peer
}

func TestAServerThatEndedIsToldOfBeforeSystemdNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.server.edit(func(s *server) {
			serve(s)
			s.wsrep.Member = member
		})

		r.say(primary("db-3", ours))
		r.start()
		r.holds(peerset.LeaseWriter)
		require.Empty(t, r.fact(galera.FactEnded))

		// the unit is active still
		r.server.edit(func(s *server) { s.process = galera.ProcessStarting })
		r.server.ended <- member
		r.says(galera.FactEnded, member)
		r.released(peerset.LeaseWriter)
		require.Zero(t, r.server.count(starts))

		t.Log("its node joins again: what is about to start is another member")
		require.NoError(t, os.WriteFile(r.path("gvwstate.dat"), nil, 0o600))

		r.server.edit(func(s *server) {
			s.process = galera.ProcessFailed
			s.onStart = serve
		})

		r.synced()
		require.Equal(t, 1, r.server.count(starts))
		require.NoFileExists(t, r.path("gvwstate.dat"))
		require.Empty(t, r.fact(galera.FactEnded))
	})
}

func TestAServerThatEndedIsEvictedByTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.server.edit(func(s *server) {
			serve(s)
			s.wsrep.Incoming = []string{"10.0.0.1", "10.0.0.2"}
		})

		r.start()
		r.synced()

		r.say(
			peer("db-3", galera.StateWaiting, galera.FactEnded, another),
			peer("db-1", galera.StateWaiting, galera.FactEnded, "x'; DROP TABLE t; --"),
		)

		r.reason("in a primary component")
		require.Empty(t, r.evicted(), "db-3 is in no view, and what db-1 says names no member")

		r.say(peer("db-1", galera.StateWaiting, galera.FactEnded, member))
		r.eventually("evicted", func() bool {
			return len(r.evicted()) > 0
		})

		r.say(peer("db-1", galera.StateWaiting, galera.FactEnded, another))
		r.eventually("evicted again", func() bool {
			return len(r.evicted()) > 1
		})
		require.Equal(t, []string{member, another}, r.evicted(), "each once")

		r.server.edit(func(s *server) {
			s.wsrep.Incoming = []string{"10.0.0.2"}
			s.wsrep.Evicted = true
		})

		r.eventually("forgotten", func() bool {
			return len(r.evicted()) > 2
		})
		require.Equal(t, []string{member, another, ""}, r.evicted())
	})
}

func TestAServerStartsWhenTheOthersNoLongerCountTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.config.Times.ViewTimeout = 0

		r.server.edit(func(s *server) {
			serve(s)
			s.wsrep.Member = member
			s.onStart = serve
		})

		counts := with(primary("db-3", ours), galera.FactView, "10.0.0.3 10.0.0.2")
		forgets := with(primary("db-3", ours), galera.FactView, "10.0.0.3")

		r.say(counts)
		r.start()
		r.synced()

		r.server.edit(func(s *server) { s.process = galera.ProcessFailed })
		r.reason("waits until db-3 no longer counts the server that ended here")
		require.Zero(t, r.server.count(starts))

		r.say(forgets)
		r.synced()

		t.Log("it does not wait for ever")

		r.config.Times.ViewTimeout = 30 * times.Tick
		r.say(counts)
		r.start()
		r.synced()

		before := r.server.count(starts)
		r.server.edit(func(s *server) { s.process = galera.ProcessFailed })
		r.eventually("joined", func() bool {
			return r.server.count(starts) > before && r.driver.Status().State == galera.StateSynced
		})
	})
}
