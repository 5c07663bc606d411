package immutable

import (
	"fmt"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// What a stack can have done about drift.
const (
	Report     = "report"
	Quarantine = "quarantine"
)

// Situation is what is known when it is decided whether a node gives its work up.
type Situation struct {
	Action      string // Report or Quarantine
	Drift       int    // files that are not as they were baked or written
	Node        string
	Role        string
	Peers       peerset.Snapshot
	Quarantined bool // it gave its work up before
	Returns     bool // it can take its work up again: nothing was stopped
}

// Move is what to do.
type Move string

// The moves.
const (
	Stay  Move = "stay"  // nothing is to be done
	Leave Move = "leave" // give the work up
	Hold  Move = "hold"  // it should leave, and must not
	Back  Move = "back"  // take the work up again
)

// Decide tells what a node with drift does, and why. The last node of a role that serves stays: a drifted node
// is better than none. Without a quorum nobody knows who else serves.
func Decide(s Situation) (Move, string) {
	others := s.others()
	switch {
	case s.Quarantined && s.Returns && others == 0:
		return Back, "no other " + s.Role + " node serves"
	case s.Quarantined && s.Returns && s.Drift == 0:
		return Back, "everything is as it was baked again"
	case s.Quarantined, s.Action != Quarantine, s.Drift == 0:
		return Stay, ""
	case !s.Peers.Quorum:
		return Hold, "the peer set has no quorum, so nobody knows who else serves"
	case others == 0:
		return Hold, fmt.Sprintf("no other %s node serves", s.Role)
	}

	return Leave, fmt.Sprintf("%d files are not as the image has them", s.Drift)
}

// others counts the other nodes of the role that serve.
func (s Situation) others() int {
	count := 0
	for _, peer := range s.Peers.Role(s.Role) {
		if peer.Name != s.Node && peer.Alive && peer.Healthy && !peer.Draining {
			count++
		}
	}

	return count
}
