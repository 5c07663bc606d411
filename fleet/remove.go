package fleet

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hornero/hornero/internal/status"
)

// leftover tells a node that no group of stack.yaml has: it was scaled away, or a roll made it.
func (f *Fleet) leftover(m member) bool {
	return !slices.ContainsFunc(f.Stack.All(), nodeNamed(m.Node))
}

// leftovers are the nodes that go, in the order in which they do: of each group the highest number first, and those
// that hold data last, as the others may use it.
func (f *Fleet) leftovers(members []member) []member {
	var all []member
	for _, m := range members {
		if f.leftover(m) {
			all = append(all, m)
		}
	}

	rank := func(m member) int {
		switch {
		case f.isDatabase(m.Role):
			return 2
		case f.mayBeMember(m.Role):
			return 1
		}

		return 0
	}

	slices.SortStableFunc(all, func(a, b member) int {
		return cmp.Or(
			cmp.Compare(rank(a), rank(b)),
			cmp.Compare(len(b.Node), len(a.Node)), // db-10 before db-9
			cmp.Compare(b.Node, a.Node),
		)
	})

	return all
}

// removals are what an operator is asked about before leftovers go.
func (f *Fleet) removals(leftovers []member) []Removal {
	var all []Removal

	for _, m := range leftovers {
		// What a roll made holds nothing that the nodes do not hold that it was made beside.
		if m.Extra != "" {
			continue
		}

		// Any other node of its role does what it did; only data go for good.
		if f.isDatabase(m.Role) {
			all = append(all, Removal{
				What:  fmt.Sprintf("node %s (Droplet %d), which stack.yaml names no more", m.Node, m.Droplet.ID),
				Loses: "its copy of the data",
				Data:  true,
			})
		}
	}

	return all
}

// removeLeftovers takes the nodes away that no group of stack.yaml has, one after the other.
func (f *Fleet) removeLeftovers(ctx context.Context) error {
	members, err := f.nodes(ctx)
	if err != nil {
		return err
	}
	standing := f.standing(members)

	for _, m := range f.leftovers(members) {
		// A roll that stands there waits for its operator.
		if m.Extra != "" && standing[m.Role] {
			continue
		}

		if err := f.remove(ctx, m); err != nil {
			return fmt.Errorf("remove %s: %w", m.Node, err)
		}
	}

	return nil
}

// remove takes a node away for good: it hands over, leaves the peer set, and its Droplet is deleted. Killed halfway,
// the next run goes on: a node that has left the peer set is only deleted.
func (f *Fleet) remove(ctx context.Context, m member) error {
	members, err := f.nodes(ctx)
	if err != nil {
		return err
	}
	answers := f.askAll(ctx, members)
	known := newest(answers)

	if gone, forgotten := known.Forgotten[m.Node]; !forgotten || gone < m.Incarnation {
		if err := f.checkRemove(m, answers, known); err != nil {
			return err
		}

		if err := f.checkGuards(ctx, m.Node, answers); err != nil {
			return err
		}

		f.drain(ctx, m)

		if err := f.forget(ctx, m.Node, answers); err != nil {
			return err
		}
	}

	if err := f.deleteDroplet(ctx, m.Droplet.ID); err != nil {
		return err
	}

	f.progress("%s: removed (Droplet %d)", m.Node, m.Droplet.ID)

	return nil
}

// checkRemove refuses to take a node away for good that the others need. Of a role that stack.yaml has no more the last
// one goes, too.
func (f *Fleet) checkRemove(m member, answers []answer, known status.PeerSet) error {
	if !slices.ContainsFunc(f.Stack.All(), nodeOf(m.Role)) {
		return f.checkConsensus(m.Node, answers, known)
	}

	// No successor takes its place: also a client must not be the last.
	if err := checkServing(m.Node, m.Role, answers); err != nil {
		return err
	}

	return f.checkLeave(m.Node, m.Role, answers, known)
}

// errNobodyForgets means that no member of the peer set could be told that a node is gone.
var errNobodyForgets = errors.New("no member of the peer set takes it; `hornero status` says what they wait for")

// forget declares a node gone: nobody waits for it after the next outage, and its name is free.
func (f *Fleet) forget(ctx context.Context, name string, answers []answer) error {
	problem := errNobodyForgets
	known := newest(answers)

	// A peer set that was never founded knows nobody.
	if known.Founded == "" {
		return nil
	}

	if !knows(known, name) {
		return nil
	}

	for _, a := range answers {
		m := a.member
		if a.err != nil || m.Node == name || !f.isMember(m.Node, m.Role, known) {
			continue
		}

		var said bytes.Buffer

		// It is alive on purpose: it hands over until it is gone.
		code, err := f.shell.run(ctx, m, "hornero-bootstrap forget --yes --force "+name, nil, nil, &said)
		if err == nil && code == 0 {
			return nil
		}

		problem = errors.Join(err, fmt.Errorf("%s: exit %d: %s", m.Node, code, bytes.TrimSpace(said.Bytes())))
	}

	return fmt.Errorf("declare %s gone: %w", name, problem)
}

// knows tells whether a node is in the peer set.
func knows(set status.PeerSet, name string) bool {
	return slices.ContainsFunc(set.Peers, func(peer status.Peer) bool { return peer.Name == name })
}
