package reservedip_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/cloud"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/bootstrap/reservedip"
)

func TestOneHoldsTheAddressAndAnotherTakesItOver(t *testing.T) {
	w := newWorld(t)
	one := w.start("proxy-1", 11)
	w.heldBy("proxy-1")
	w.until("an event says so", func() bool { return len(one.notes) == 1 })
	require.Contains(t, one.notes[0], "203.0.113.9 reaches proxy-1 (Droplet 11), ")
	require.Contains(t, one.keeper.Status().Warning, "it can do more than move a reserved IP")

	two := w.start("proxy-2", 12)
	time.Sleep(quick().TTL) // nothing is to happen meanwhile
	require.Equal(t, []string{"11 at epoch 1"}, w.moves)
	one.stop() // dead: it gives nothing up
	w.heldBy("proxy-2")

	// The same name on a new Droplet: it comes back while another holds the lease.
	w.start("proxy-1", 13)
	time.Sleep(quick().TTL)

	require.True(t,
		w.read(func() bool { return w.lease.Holder == "proxy-2" }),
		"who comes back takes nothing away",
	)

	require.Equal(t, []string{"11 at epoch 1", "12 at epoch 2"}, w.moves)

	require.Equal(t,
		reservedip.Status{
			Address: address,
			Holds:   true,
			Active:  true,
			Warning: two.keeper.Status().Warning,
		},
		two.keeper.Status(),
	)
}

func TestWhoDoesNotServeGivesItUpAndWhoLeavesWaits(t *testing.T) {
	w := newWorld(t)
	one := w.start("proxy-1", 11)
	w.heldBy("proxy-1")
	w.set(func() { one.healthy = false })

	// Longer than the grace period: the lease would have been given up by now.
	time.Sleep(3 * quick().Grace)

	require.True(t,
		w.read(func() bool { return w.lease.Holder == "proxy-1" }),
		"nobody else serves",
	)

	two := w.start("proxy-2", 12)
	w.heldBy("proxy-2")

	require.Eventually(t,
		func() bool {
			return one.keeper.Fact() == ""
		},
		5*time.Second,
		time.Millisecond,
	)

	w.set(func() { one.healthy = true })
	two.keeper.Leave(t.Context())

	require.True(t,
		w.read(func() bool { return w.droplet == 11 }),
		"when Leave returns the other has the address",
	)

	w.heldBy("proxy-1")
}

// Without a quorum nothing moves. What happened meanwhile is repaired when there is one.
func TestNothingMovesWithoutQuorum(t *testing.T) {
	w := newWorld(t)
	one := w.start("proxy-1", 11)
	w.heldBy("proxy-1")
	w.until("it is seen", func() bool { return len(one.notes) == 1 })
	w.set(func() { w.quorum = false })
	w.start("proxy-2", 12)

	require.Eventually(t,
		func() bool {
			return !one.keeper.Status().Holds
		},
		5*time.Second,
		time.Millisecond,
		"the lease is not certain any more",
	)

	w.set(func() { w.droplet = 0 }) // whatever happens to it

	// Longer than the lease lives, so that a second holder would have come.
	time.Sleep(2 * quick().TTL)
	require.Equal(t, []string{"11 at epoch 1"}, w.moves)
	w.set(func() { w.quorum = true })
	w.until("it is repaired then", func() bool { return len(w.moves) == 2 })
}

// A node that lost the lease does not move the address, whatever it has seen before.
func TestALateHolderMovesNothing(t *testing.T) {
	w := newWorld(t)
	one := w.start("proxy-1", 11)
	w.heldBy("proxy-1")
	w.until("it is seen", func() bool { return len(one.notes) == 1 })

	// Another took the lease and the address while this one did not look; it renews for ever.
	w.set(func() {
		w.lease.Holder, w.lease.Epoch, w.renewed, w.droplet = "proxy-9", 2, time.Now().Add(time.Hour), 19
	})

	require.Eventually(t,
		func() bool {
			return !one.keeper.Status().Holds
		},
		5*time.Second,
		time.Millisecond,
	)

	time.Sleep(2 * quick().TTL)
	require.Equal(t, []string{"11 at epoch 1"}, w.moves)
}

func TestATokenThatIsRefused(t *testing.T) {
	w := newWorld(t)
	w.refuse[11] = &cloud.Failure{
		What:    "get reserved IP " + address,
		Status:  401,
		Message: "Unable to authenticate you",
	}

	one := w.start("proxy-1", 11)
	w.until("it says so", func() bool { return len(one.notes) > 0 })

	require.Contains(t,
		one.notes[0],
		"401 Unable to authenticate you; the token is not valid any more",
	)

	require.Contains(t,
		one.keeper.Status().Problem,
		"`hornero secrets set digitalocean.reserved_ip_token`",
	)

	require.Equal(t, peerset.ReservedIPUnable, one.keeper.Fact())
	w.start("proxy-2", 12)
	w.heldBy("proxy-2")
	w.set(func() { delete(w.refuse, 11) })

	require.Eventually(t,
		func() bool {
			return one.keeper.Status().Problem == "" && one.keeper.Fact() == ""
		},
		5*time.Second,
		time.Millisecond,
		"it finds out that the API answers again",
	)

	require.Len(t, one.notes, 1)
	require.Len(t, w.moves, 1, "only proxy-2 moved it")
}

// A busy API is a problem only when it lasts. The holder gets the address in the end.
func TestTheAPIIsBusyForAWhile(t *testing.T) {
	w := newWorld(t)
	w.refuse[11] = &cloud.Failure{Status: 422, Message: "Droplet already has a pending event."}
	one := w.start("proxy-1", 11)
	require.Eventually(t,
		func() bool {
			return strings.Contains(one.keeper.Status().Problem, "pending event")
		},
		5*time.Second,
		time.Millisecond,
	)

	w.set(func() { delete(w.refuse, 11) })
	w.heldBy("proxy-1")

	require.Eventually(t,
		func() bool {
			return one.keeper.Status().Problem == ""
		},
		5*time.Second,
		time.Millisecond,
	)

	require.Equal(t, []string{"11 at epoch 1"}, w.moves)
}

// A token that may read and not change is a problem that a successful read does not end.
func TestATokenThatOnlyReads(t *testing.T) {
	w := newWorld(t)
	one := w.start("proxy-1", 11)
	w.heldBy("proxy-1")
	w.until("it is seen", func() bool { return len(one.notes) == 1 })

	w.set(func() {
		w.refuse[11] = errors.New("assign: 422 The droplet already has a reserved IP.")
		w.droplet = 99
	})

	w.until("it says so, once", func() bool { return len(one.notes) == 2 })

	// Long enough for many attempts: none of them may tell the same again.
	time.Sleep(10 * quick().LongestRetry)
	require.True(t, w.read(func() bool { return len(one.notes) == 2 }))
}
