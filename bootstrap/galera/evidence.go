package galera

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Evidence is what a node that is in no primary component can say about its data.
type Evidence string

// Kinds of evidence. A node that starts, joins or serves gives none: what it has may change any moment.
const (
	EvidenceNone       Evidence = ""
	EvidenceEmpty      Evidence = "empty"       // it never had data
	EvidenceTorn       Evidence = "torn"        // a half-finished state transfer: nothing usable
	EvidenceStopped    Evidence = "stopped"     // the server is down at a known position
	EvidenceNonPrimary Evidence = "non-primary" // the server runs outside the primary component, at a known position
	EvidenceUnreadable Evidence = "unreadable"  // there is data, and no position could be recovered from it
)

func (e Evidence) positioned() bool {
	return e == EvidenceStopped || e == EvidenceNonPrimary
}

// rank breaks ties between equal positions: a server that runs need not be started.
func (e Evidence) rank() int {
	if e == EvidenceNonPrimary {
		return 0
	}

	return 1
}

// nodeEvidence is one node's evidence, as the peer set holds it.
type nodeEvidence struct {
	name     string
	kind     Evidence
	position Position
	reason   string // why there is none, if the node says
}

// missing names a node whose evidence is missing, with the reason that it gave.
func (e nodeEvidence) missing() string {
	switch {
	case e.reason != "":
		return e.name + " (" + e.reason + ")"
	case e.kind == EvidenceUnreadable:
		return e.name + " (its data cannot be read)"
	}

	return e.name
}

func (e nodeEvidence) String() string {
	if e.kind.positioned() {
		return string(e.kind) + " at " + e.position.String()
	}

	return string(e.kind)
}

// allEvidence returns what every known database node says, sorted by name. Unreachable is not absent: a node that is
// not alive says nothing, whatever it said before, because it may have gone on since.
func (in Input) allEvidence() []nodeEvidence {
	byName := map[string]nodeEvidence{}

	// A node that never came is waited for as well, unless somebody declared it gone.
	for _, name := range in.Expected {
		if in.Peers.Settings[peerset.ForgottenPrefix+name] == "" {
			byName[name] = nodeEvidence{name: name}
		}
	}

	for _, peer := range in.Peers.Role(in.Role) {
		byName[peer.Name] = in.discountReplaced(evidenceOf(peer))
	}

	// What the node sees itself is newer than what it reported.
	byName[in.Node] = in.discountReplaced(in.own())

	return slices.SortedFunc(maps.Values(byName), func(a, b nodeEvidence) int {
		return cmp.Compare(a.name, b.name)
	})
}

// discountReplaced drops the evidence of a new incarnation that has nothing yet. It says nothing of the data that the
// incarnation before it held, unless that one was declared gone.
func (in Input) discountReplaced(e nodeEvidence) nodeEvidence {
	before := in.Peers.Settings[peerset.ReplacedPrefix+e.name]
	hasNothing := e.kind == EvidenceEmpty || e.kind == EvidenceTorn

	if before == "" || !hasNothing {
		return e
	}

	return nodeEvidence{
		name:   e.name,
		reason: "it is new and empty; nobody accounts for what its incarnation " + before + " held",
	}
}

func evidenceOf(peer peerset.Peer) nodeEvidence {
	if !peer.Alive {
		return nodeEvidence{name: peer.Name}
	}

	e := nodeEvidence{
		name:     peer.Name,
		kind:     Evidence(peer.Facts[FactEvidence]),
		position: factPosition(peer),
		reason:   peer.Facts[FactReason],
	}

	// A position that names no place in a history is no evidence.
	if e.kind.positioned() && !e.position.Known() {
		e.kind = EvidenceNone
	}

	return e
}

func factPosition(peer peerset.Peer) Position {
	// Without a number nobody knows how far the data got: that is not the same as its beginning.
	seqno, err := strconv.ParseInt(peer.Facts[FactSeqno], 10, 64)
	if err != nil {
		seqno = UnknownSeqno
	}

	return Position{UUID: peer.Facts[FactUUID], Seqno: seqno}
}

// own is this node's own evidence, from what it sees rather than from what it last reported.
func (in Input) own() nodeEvidence {
	kind, position := in.Local.evidence()
	e := nodeEvidence{
		name:     in.Node,
		kind:     kind,
		position: position,
	}

	if in.Local.RecoveryFailures > 0 {
		e.reason = "its data cannot be read: " + in.Local.Trouble
	}

	return e
}

// blank tells that no history was ever begun here.
func (l Local) blank() bool {
	return l.down() && (l.Content == ContentPristine || l.Content == ContentBlank)
}

func (l Local) evidence() (Evidence, Position) {
	if l.Process == ProcessRunning {
		position := Position{UUID: l.Wsrep.UUID, Seqno: l.Wsrep.Seqno}

		// The position of a primary component moves with each write.
		if l.Wsrep.primary() || !position.Known() {
			return EvidenceNone, position
		}

		return EvidenceNonPrimary, position
	}

	if !l.down() {
		return EvidenceNone, Position{}
	}

	switch l.Content {
	case ContentPristine, ContentBlank:
		return EvidenceEmpty, Position{}
	case ContentTorn:
		return EvidenceTorn, Position{}
	case ContentUnreadable:
		return EvidenceUnreadable, Position{}
	case ContentKnown:
		return EvidenceStopped, l.Position
	}

	return EvidenceNone, Position{}
}

func list(names []string) string {
	return strings.Join(names, ", ")
}
