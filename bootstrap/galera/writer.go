package galera

import (
	"slices"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// WriterMove is what to do about the lease that says which node takes the writes.
type WriterMove string

// The moves. The lease is sticky: a holder keeps it until it must not be the writer.
const (
	WriterKeep  WriterMove = "keep"  // hold it: take, renew, or try until the holder's time is up
	WriterSeize WriterMove = "seize" // take it at once: Galera's quorum has excluded the holder
	WriterYield WriterMove = "yield" // give it up
	WriterPass  WriterMove = "pass"  // leave it alone
)

// Writer decides about the writer lease, from the same input as Decide. state is the state that Decide gave.
func Writer(in Input, state State) WriterMove {
	holder := in.Peers.Holder(peerset.LeaseWriter)
	mine := in.holdsWriter()

	switch {
	// An agent that just started has not looked yet, and the server may serve as it did.
	case state == "":
		return WriterPass
	case !in.mayWrite(state) && mine:
		return WriterYield
	case !in.mayWrite(state):
		return WriterPass
	}

	others := !mine && holder != ""
	if others && in.Local.Wsrep.synced() && in.mustReplace(holder) {
		return WriterSeize
	}

	return WriterKeep
}

// mustReplace tells whether a holder is out of this node's view, all members of the view are known, and this node is
// the one to follow: the first by name.
func (in Input) mustReplace(holder string) bool {
	view := in.view()
	if len(view) == 0 || view[0] != in.Node || slices.Contains(view, holder) {
		return false
	}

	// A member without an address is an arbitrator only where the stack has one: the holder may be without an address
	// for a moment.
	arbiters := min(in.Local.Wsrep.Arbiters, in.arbitrators())

	return len(view)+arbiters == in.Local.Wsrep.Size
}

func (in Input) arbitrators() int {
	count := 0
	for _, role := range in.Arbitrators {
		count += len(in.Peers.Role(role))
	}

	return count
}

// mayWrite tells whether this node can take the writes: Primary, Synced, staying, with room on its disk. Without
// room, or as a donor, it may only when nobody else can.
func (in Input) mayWrite(state State) bool {
	switch {
	// A node that leaves keeps the writes only until another can take them.
	case in.Leave:
		serves := in.Local.Process == ProcessRunning && in.Local.Wsrep.synced()
		return serves && in.holdsWriter() && len(in.otherWriters()) == 0

	case state == StateSynced:
		return !in.Local.Short || !in.roomElsewhere()
	case state == StateDonor:
		return len(in.otherWriters()) == 0
	}

	return false
}

func (in Input) holdsWriter() bool {
	lease := in.Peers.Leases[peerset.LeaseWriter]
	return lease.Holder == in.Node && lease.Incarnation == in.Incarnation
}

// otherWriters returns the other nodes that could take the writes now.
func (in Input) otherWriters() []string {
	var names []string
	for _, peer := range in.Peers.Role(in.Role) {
		serves := peer.Alive && peer.Healthy && State(peer.State) == StateSynced
		if serves && peer.Name != in.Node && !leaves(peer) {
			names = append(names, peer.Name)
		}
	}

	return names
}

// roomElsewhere tells whether another node that could take the writes now has room for them. All hold the same
// data, and may well be short at once: then nothing moves.
func (in Input) roomElsewhere() bool {
	return slices.ContainsFunc(in.otherWriters(), func(name string) bool {
		peer, _ := in.Peers.Peer(name)
		return peer.Facts[FactShort] == ""
	})
}

// view returns the names of the members of this node's Galera view, sorted. Members are told by address: a name's new
// incarnation has another one.
func (in Input) view() []string {
	var names []string
	for _, peer := range in.Peers.Role(in.Role) {
		if slices.Contains(in.Local.Wsrep.Incoming, peer.Address) {
			names = append(names, peer.Name)
		}
	}

	return names
}

// Healthy tells whether proxies may send clients here. A donor by rsync holds its writes back for the
// transfer's time; it serves nevertheless while it is the writer or nobody else serves, because a pause is
// better than no database.
func Healthy(in Input, state State) bool {
	if in.Leave && state != StateSynced {
		return false
	}

	return state == StateSynced || state == StateDonor && (in.holdsWriter() || len(in.otherWriters()) == 0)
}

func (in Input) inView(name string) bool {
	return slices.Contains(in.view(), name)
}
