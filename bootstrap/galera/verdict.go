package galera

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// verdict is what the evidence of all known database nodes says.
type verdict struct {
	best     string // who is to bootstrap
	position Position
	evidence map[string]string
	refusal  string // or why nobody may
}

// sortedEvidence is the evidence by what it is worth.
type sortedEvidence struct {
	said       map[string]string // by node
	positioned []nodeEvidence
	torn       []string
	missing    []string
}

func sortEvidence(all []nodeEvidence) sortedEvidence {
	s := sortedEvidence{said: map[string]string{}}

	for _, e := range all {
		s.said[e.name] = e.String()

		switch {
		case e.kind == EvidenceNone:
			s.said[e.name] = "nothing"
			s.missing = append(s.missing, e.missing())
		case e.kind == EvidenceUnreadable:
			s.missing = append(s.missing, e.missing())
		case e.kind == EvidenceTorn:
			s.torn = append(s.torn, e.name)
		case e.kind.positioned():
			s.positioned = append(s.positioned, e)

		// A later version of this program may know more kinds of evidence.
		case e.kind != EvidenceEmpty:
			missing := fmt.Sprintf("%s (it says %q, which this node does not understand)", e.name, e.kind)
			s.missing = append(s.missing, missing)
		}
	}

	return s
}

// weigh finds who is to bootstrap, or why nobody may.
func (in Input) weigh() verdict {
	record, found, err := recordOf(in.Peers)
	if err != nil {
		return verdict{refusal: err.Error()}
	}

	all := in.allEvidence()
	s := sortEvidence(all)
	v := verdict{evidence: s.said}

	switch {
	case len(s.positioned) > 0:
		v.best, v.position, v.refusal = s.mostAdvanced(record)
	case found && record.UUID != "" && len(s.missing) == 0:
		v.refusal = fmt.Sprintf(
			"no database node holds data of cluster %s any more; restore a backup, or destroy the stack",
			record.UUID,
		)

	case len(s.torn) > 0 && len(s.missing) == 0:
		v.refusal = "only half-finished state transfers are left, on " + list(s.torn)
	case in.mayBegin(record, found, len(s.torn) > 0):
		v.best = in.Node
	case len(s.missing) > 0:
		v.refusal = waitsForFirst(record, s.missing)
	// All have spoken and nobody has data: any node may begin, and the first by name does.
	default:
		v.best = all[0].name
	}

	return v
}

// mayBegin tells whether this node begins a new history without waiting for the others. The founder does in a directory
// that was never used. The node that recorded the intent goes on with it, unless somebody may have come in already.
func (in Input) mayBegin(record Record, found, torn bool) bool {
	if !found {
		return in.Founder && in.Local.Content == ContentPristine && !torn
	}

	return record.UUID == "" && record.Invited == nil && in.mine(record) && in.Local.blank()
}

// waitsForFirst says what is missing where no data is left, or none was there yet.
func waitsForFirst(record Record, missing []string) string {
	if record.UUID != "" {
		return waitsFor(missing)
	}

	return "waits for the first database node to begin, or for word of " + list(missing) +
		"; one that will never come can be declared gone: hornero-bootstrap forget NAME"
}

// waitsFor says what is missing, and what an operator can do about it. The command is refused nowhere where it is
// advised: the peer set has its quorum, and takes it for nodes that never came.
func waitsFor(missing []string) string {
	name, _, _ := strings.Cut(missing[0], " ")

	return "waits for the evidence of " + list(missing) + ": bring each back, or declare it gone for good, data " +
		"and all, on any other database node or proxy: hornero-bootstrap forget " + name
}

// mostAdvanced returns the node with the most advanced data, or why it is not known. Ties go to a running server,
// then to the lowest name.
func (s sortedEvidence) mostAdvanced(record Record) (best string, position Position, refusal string) {
	// The recorded history counts; where none is recorded all must be of one.
	uuid := cmp.Or(record.UUID, s.positioned[0].position.UUID)

	for _, e := range s.positioned {
		if e.position.UUID != uuid {
			refusal = fmt.Sprintf(
				"%s holds data of another cluster (%s, not %s); positions of two clusters cannot be compared: "+
					"replace the node that is wrong",
				e.name,
				e.position,
				uuid,
			)

			return "", Position{}, refusal
		}
	}

	// Unreachable is not absent: a silent node may have more.
	if len(s.missing) > 0 {
		return "", Position{}, waitsFor(s.missing)
	}

	first := slices.MinFunc(s.positioned, func(a, b nodeEvidence) int {
		return cmp.Or(
			cmp.Compare(b.position.Seqno, a.position.Seqno),
			cmp.Compare(a.kind.rank(), b.kind.rank()),
			cmp.Compare(a.name, b.name),
		)
	})

	return first.name, first.position, ""
}
