package galera

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// verdict is what the evidence of all known database nodes says.
type verdict struct {
	best     string // who is to bootstrap
	position Position
	evidence map[string]string
	refusal  string // or why nobody may
}

func (in Input) weigh() verdict {
	record, found, err := recordOf(in.Peers)
	if err != nil {
		return verdict{refusal: err.Error()}
	}

	said := in.testimonies()
	v := verdict{evidence: map[string]string{}}
	var positioned []testimony
	var missing, torn []string

	for _, t := range said {
		v.evidence[t.name] = t.String()

		switch {
		case t.kind == EvidenceNone:
			missing = append(missing, t.missing())
			v.evidence[t.name] = "nothing"
		case t.kind == EvidenceUnreadable:
			missing = append(missing, t.missing())
		case t.kind == EvidenceTorn:
			torn = append(torn, t.name)
		case t.kind.positioned():
			positioned = append(positioned, t)

		case t.kind != EvidenceEmpty: // a later bootstrap's word
			missing = append(missing, fmt.Sprintf(
				"%s (it says %q, which this node does not understand)",
				t.name,
				t.kind,
			))
		}
	}

	switch {
	case len(positioned) > 0:
		return in.weighPositions(v, record, positioned, missing)

	case found && record.UUID != "" && len(missing) == 0:
		v.refusal = fmt.Sprintf(
			"no database node holds data of cluster %s any more; restore a backup, or destroy the stack",
			record.UUID,
		)

	case len(torn) > 0 && len(missing) == 0:
		v.refusal = "only half-finished state transfers are left, on " + list(torn)
	case !found && in.Founder && in.Local.Content == ContentPristine && len(torn) == 0:
		v.best = in.Node
	case found && record.UUID == "" && record.Invited == nil && in.mine(record) && in.Local.blank():
		v.best = in.Node
	case len(missing) > 0 && record.UUID == "":
		v.refusal = "waits for the first database node to begin, or for word of " + list(missing) +
			"; one that will never come can be declared gone: hornero-bootstrap forget NAME"
	case len(missing) > 0:
		v.refusal = waitsFor(missing)
	default:
		v.best = said[0].name
	}

	return v
}

// waitsFor says what is missing, and what an operator can do about it. The command is refused nowhere where it
// is advised: the peer set has its quorum, and takes it for nodes that never came.
func waitsFor(missing []string) string {
	name, _, _ := strings.Cut(missing[0], " ")
	return "waits for the evidence of " + list(missing) + ": bring each back, or declare it gone for good, data " +
		"and all, on any other database node or proxy: hornero-bootstrap forget " + name
}

func (in Input) weighPositions(v verdict, record Record, positioned []testimony, missing []string) verdict {
	uuid := cmp.Or(record.UUID, positioned[0].position.UUID)
	for _, t := range positioned {
		if t.position.UUID != uuid {
			v.refusal = fmt.Sprintf(
				"%s holds data of another cluster (%s, not %s); positions of two clusters cannot be compared: "+
					"replace the node that is wrong",
				t.name,
				t.position,
				uuid,
			)

			return v
		}
	}

	if len(missing) > 0 {
		v.refusal = waitsFor(missing)
		return v
	}

	slices.SortFunc(positioned, func(a, b testimony) int {
		return cmp.Or(
			cmp.Compare(b.position.Seqno, a.position.Seqno),
			cmp.Compare(
				rank(a.kind),
				rank(b.kind),
			),
			cmp.Compare(a.name, b.name),
		)
	})

	v.best, v.position = positioned[0].name, positioned[0].position

	return v
}

func rank(kind Evidence) int {
	if kind == EvidenceNonPrimary {
		return 0
	}

	return 1
}

// testimonies returns what every known database node says, sorted by name. Unreachable is not absent: a node that is
// not alive says nothing, whatever it said before, because it may have gone on since.
func (in Input) testimonies() []testimony {
	said := map[string]testimony{}
	for _, name := range in.Expected {
		if in.Peers.Settings[peerset.ForgottenPrefix+name] == "" {
			said[name] = testimony{name: name}
		}
	}

	for _, peer := range in.Peers.Role(Role) {
		said[peer.Name] = in.heir(testimonyOf(peer))
	}

	said[in.Node] = in.heir(in.own())

	return slices.SortedFunc(
		maps.Values(said),
		func(a, b testimony) int {
			return cmp.Compare(a.name, b.name)
		},
	)
}

// heir takes the word of a new incarnation that has nothing yet for what it is: it says nothing of the data
// that the one before it had, unless that one was declared gone.
func (in Input) heir(t testimony) testimony {
	before := in.Peers.Settings[peerset.ReplacedPrefix+t.name]
	if before == "" || t.kind != EvidenceEmpty && t.kind != EvidenceTorn {
		return t
	}

	return testimony{
		name:   t.name,
		reason: "it is new and empty; nobody accounts for what its incarnation " + before + " held",
	}
}

func testimonyOf(peer peerset.Peer) testimony {
	t := testimony{name: peer.Name}
	if !peer.Alive {
		return t
	}

	t.kind, t.reason = Evidence(peer.Facts[FactEvidence]), peer.Facts[FactReason]
	t.position = factPosition(peer)
	if t.kind.positioned() && !t.position.Known() {
		t.kind = EvidenceNone
	}

	return t
}

func factPosition(peer peerset.Peer) Position {
	seqno, err := strconv.ParseInt(peer.Facts[FactSeqno], 10, 64)
	if err != nil {
		seqno = UnknownSeqno
	}

	return Position{
		UUID:  peer.Facts[FactUUID],
		Seqno: seqno,
	}
}

// own is this node's own evidence, from what it sees rather than from what it last reported.
func (in Input) own() testimony {
	kind, position := in.Local.evidence()
	t := testimony{
		name:     in.Node,
		kind:     kind,
		position: position,
	}
	if in.Local.Unread > 0 {
		t.reason = "its data cannot be read: " + in.Local.Trouble
	}

	return t
}

func (l Local) blank() bool {
	return (l.Process == ProcessStopped || l.Process == ProcessFailed) &&
		(l.Content == ContentPristine || l.Content == ContentBlank)
}

func (l Local) evidence() (Evidence, Position) {
	switch l.Process {
	case ProcessRunning:
		position := Position{
			UUID:  l.Wsrep.UUID,
			Seqno: l.Wsrep.Seqno,
		}
		if l.Wsrep.primary() || !position.Known() {
			return EvidenceNone, position
		}

		return EvidenceNonPrimary, position

	case ProcessStopped, ProcessFailed:
	default:
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
