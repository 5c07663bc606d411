package peerset

import "fmt"

// Out tells why an incarnation is in the peer set no longer: a newer one has its name, or it was declared gone. It is
// nil for one that is in, and for one that the snapshot does not know yet.
func (s Snapshot) Out(who Identity) error {
	peer, known := s.Peer(who.Name)

	if known && peer.Incarnation > who.Incarnation {
		return fmt.Errorf("%s incarnation %d: %w: incarnation %d is at %s",
			who.Name, who.Incarnation, ErrEvicted, peer.Incarnation, peer.Address)
	}

	// A name that is in use again says nothing of the incarnations after the one that is gone.
	if gone, was := s.Forgotten()[who.Name]; was && !known && gone >= who.Incarnation {
		return fmt.Errorf("%s incarnation %d: %w: incarnation %d was declared gone",
			who.Name, who.Incarnation, ErrEvicted, gone)
	}

	return nil
}
