package bootstrap

import (
	"time"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// wallPeers are those whom the walls take for nodes of the stack: the peer set's, and clients that were replaced, which
// serve on until they are drained.
type wallPeers struct {
	before  []peerset.Peer // the peer set's, as last seen
	leaving []leavingPeer
}

type leavingPeer struct {
	peer  *peerset.Peer
	until time.Time
}

// of are they with these in the peer set.
func (w *wallPeers) of(peers []peerset.Peer, now time.Time) []peerset.Peer {
	for i := range w.before {
		old := &w.before[i]

		if next := find(peers, old.Name, ""); next != nil && old.Kind == peerset.KindClient &&
			old.Incarnation < next.Incarnation {
			w.leaving = append(w.leaving, leavingPeer{old, now.Add(api.DrainTime)})
		}
	}

	all, kept := peers[:len(peers):len(peers)], w.leaving[:0]

	for _, one := range w.leaving {
		// Its address may be somebody else's by now.
		if now.Before(one.until) && find(peers, "", one.peer.Address) == nil {
			kept = append(kept, one)
			all = append(all, *one.peer)
		}
	}

	w.before, w.leaving = peers, kept

	return all
}

// find is the peer with a name or an address; nil: there is none.
func find(peers []peerset.Peer, name, address string) *peerset.Peer {
	for i := range peers {
		if peers[i].Name == name || peers[i].Address == address {
			return &peers[i]
		}
	}

	return nil
}
