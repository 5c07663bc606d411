package galera

import "slices"

// Wsrep is what the running server says of itself.
type Wsrep struct {
	ClusterStatus string // "Primary", "non-Primary", "Disconnected"
	LocalState    int    // as in Galera: 1 joining, 2 donor, 3 joined, 4 synced
	Views         int64  // primary components that the cluster's history had, this one among them
	Ready         bool
	Size          int
	UUID          string
	Seqno         int64
	Member        string   // the server's own UUID in Galera's views, another with each start
	Evicted       bool     // the server remembers members that were evicted
	Incoming      []string // addresses of the view's database nodes, without ports
	Arbiters      int      // members of the view that have no address for clients: arbitrators
	Paused        int64    // for how long flow control stopped replication, in nanoseconds
	PausesAsked   int64    // how often this node asked for that
}

// Galera's numbers of a node's state.
const (
	wsrepDonor  = 2
	wsrepJoined = 3
	wsrepSynced = 4
)

func (w Wsrep) primary() bool { return w.ClusterStatus == "Primary" }

func (w Wsrep) synced() bool {
	return w.primary() && w.Ready && w.LocalState == wsrepSynced
}

func (w Wsrep) donor() bool {
	return w.primary() && w.LocalState == wsrepDonor
}

// unwritten tells that nothing was ever written in the cluster: each view takes a number of the history, and so does
// each write. Galera tells the members' addresses before the server knows of their view, so their number is compared,
// too.
func (w Wsrep) unwritten() bool {
	onlyViews := w.Views > 0 && w.Seqno == w.Views
	wholeView := w.Size == len(w.Incoming)+w.Arbiters

	return w.primary() && onlyViews && wholeView
}

// foreignTo tells a history that is not the recorded one, which never becomes another.
func (w Wsrep) foreignTo(record Record) bool {
	running := Position{UUID: w.UUID}
	return running.Named() && record.UUID != "" && w.UUID != record.UUID
}

// likeBefore tells whether a server's view and state are what they were.
func (w Wsrep) likeBefore(before Wsrep) bool {
	return w.ClusterStatus == before.ClusterStatus &&
		w.LocalState == before.LocalState &&
		w.Ready == before.Ready &&
		w.Size == before.Size &&
		slices.Equal(w.Incoming, before.Incoming)
}
