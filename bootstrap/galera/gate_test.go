package galera_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peerset"
)

func (s *server) isOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.open
}

// writing starts a node that takes the writes.
func writing(r *rig) {
	r.server.onStart = serve
	r.say(primary("db-1", ours), primary("db-3", ours))
	r.start()
	r.holds(peerset.LeaseWriter)
}

// sends makes another node say where it sends its writes.
func (r *rig) sends(to string) {
	sender := primary("db-3", ours)
	sender.Facts[peerset.FactSendsTo] = to
	r.say(sender)
}

// The proxies are told of the writer by the lease: the first client must not find the server closed.
func TestAServerIsOpenBeforeItsNodeIsTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))

		before := "not opened"
		r.server.opens = func() { before = r.holder(peerset.LeaseWriter) }

		writing(r)
		require.Empty(t, before, "who had the writes when it was opened")
		require.True(t, r.server.isOpen())
	})
}

func TestAServerThatComesBackIsOpenedForItsWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		writing(r)

		r.server.edit(func(s *server) { s.open = false }) // as it starts
		r.eventually("open", r.server.isOpen)
		require.Equal(t, "db-2", r.holder(peerset.LeaseWriter))
	})
}

// What is under way through a proxy that has not heard of the new writer yet must not break off.
func TestAServerIsClosedWhenTheProxiesSendTheirWritesElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		writing(r)

		r.sends("db-2")
		r.steal(peerset.LeaseWriter)

		time.Sleep(3 * time.Second)
		require.True(t, r.server.isOpen(), "db-3 still sends its writes here")

		r.sends("db-3")
		r.eventually("closed", func() bool { return !r.server.isOpen() })
	})
}

// A proxy that never answers does not keep a node open.
func TestAServerIsClosedInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		r.config.Times.DrainGrace = 2 * time.Second
		writing(r)

		r.sends("db-2")
		r.steal(peerset.LeaseWriter)
		r.eventually("closed", func() bool { return !r.server.isOpen() })
	})
}

// A lease that was given up and that nobody took yet leaves the last writer open: the proxies send their clients there.
func TestAServerStaysOpenUntilAnotherNodeTakesTheWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, whole("12"))
		writing(r)

		r.disk.edit(func(d *disk) { d.space.Free = 0 })
		r.released(peerset.LeaseWriter)

		time.Sleep(3 * time.Second)
		require.True(t, r.server.isOpen())
	})
}
