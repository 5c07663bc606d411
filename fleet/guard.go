package fleet

import (
	"fmt"

	"github.com/hornero/hornero/internal/status"
)

// minSynced is how many database nodes must be Primary and Synced before one is taken away.
const minSynced = 2

// checkLeave refuses to take a node away unless the others do its work without it. It only looks at what is known: the
// same answers always mean the same.
//
// A node of a role whose nodes are always clients is not looked at here: its successor serves before it goes.
func (f *Fleet) checkLeave(name, role string, answers []answer, known status.PeerSet) error {
	if !f.mayBeMember(role) {
		return nil
	}

	if f.isMember(name, role, known) {
		if err := f.checkConsensus(name, answers, known); err != nil {
			return err
		}
	}

	if f.isDatabase(role) {
		return f.checkData(name, role, answers, known)
	}

	return checkServing(name, role, answers)
}

// checkConsensus refuses to take a member of the peer set away when those that are left could agree on nothing. Who
// leaves hands a voter's part over to one that stands by, so all members that answer count.
func (f *Fleet) checkConsensus(name string, answers []answer, known status.PeerSet) error {
	// Without a quorum there is none to lose; whoever is dead is to be replaced then, too.
	if !known.Quorum {
		return nil
	}

	left := 0

	for _, a := range answers {
		m := a.member
		other := m.Node != name && f.isMember(m.Node, m.Role, known)

		if other && a.err == nil && a.status.PeerSet.Founded != "" {
			left++
		}
	}

	need := len(known.Voters)/2 + 1
	if left >= need {
		return nil
	}

	return fmt.Errorf("take %s away: %w: %d other members answer, and the peer set needs %d to agree on anything; "+
		"`hornero status` says what they wait for", name, ErrUnsafe, left, need)
}

// checkServing refuses to take the last node of a role away that serves. One that does not serve is not missed.
func checkServing(name, role string, answers []answer) error {
	serves := false

	for _, a := range answers {
		if a.member.Role != role || a.err != nil || !a.status.Healthy {
			continue
		}

		if a.member.Node != name {
			return nil
		}

		serves = true
	}

	if !serves {
		return nil
	}

	return fmt.Errorf("take %s away: %w: it is the last node of role %s that serves; "+
		"`hornero status` says what the others wait for", name, ErrUnsafe, role)
}

// checkData refuses to take a database node away unless two others hold the data for sure, or all that remain after a
// declared loss.
func (f *Fleet) checkData(name, role string, answers []answer, known status.PeerSet) error {
	remain := 0

	for _, node := range f.Stack.All() {
		_, gone := known.Forgotten[node.Name]
		if node.Role == role && node.Name != name && !gone {
			remain++
		}
	}

	// Nodes that were declared gone cannot be waited for; one synced node must be left in any case.
	need := max(1, min(minSynced, remain))
	synced := 0

	for _, a := range answers {
		other := a.member.Role == role && a.member.Node != name
		if other && a.err == nil && a.status.Healthy {
			synced++
		}
	}

	if synced >= need {
		return nil
	}

	return fmt.Errorf("take %s away: %w: %d of the other database nodes are Primary and Synced, %d must be; "+
		"`hornero status` says what they wait for. "+
		"A node that is lost with its data is declared gone on any other member of the peer set: "+
		"hornero-bootstrap forget NAME", name, ErrUnsafe, synced, need)
}
