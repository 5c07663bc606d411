package fleet

import (
	"context"

	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/stack"
)

// isTwin tells a node that was refused because another Droplet of the same name and incarnation came first. Two
// operators who launch a stack at once make such twins; the surplus one was destroyed, but the peer set knows it.
func isTwin(a answer, known status.PeerSet) bool {
	if a.err != nil || a.status.Phase != "refused" {
		return false
	}

	for _, peer := range known.Peers {
		if peer.Name == a.member.Node {
			elsewhere := peer.Address != "" && peer.Address != a.member.private()
			return elsewhere && peer.Incarnation == a.member.Incarnation
		}
	}

	return false
}

// replaceTwins launches the next incarnation of nodes that were refused for a twin, and tells whether there was any.
// Such a node was never in the peer set and holds nothing.
func (s *startup) replaceTwins(ctx context.Context, answers []answer) (bool, error) {
	f, known := s.fleet, newest(answers)
	var twins []member
	var nodes []stack.Node

	for _, a := range answers {
		if !isTwin(a, known) {
			continue
		}

		node, err := f.Stack.Node(a.member.Node)
		if err != nil {
			return false, err
		}

		twins = append(twins, a.member)
		nodes = append(nodes, node)
	}

	if len(twins) == 0 {
		return false, nil
	}

	f.progress("%s: another up launched it, too, and that one came first; it is launched anew", twins[0].Node)

	images, err := f.imagesOf(ctx, nodes)
	if err != nil {
		return false, err
	}

	for _, node := range nodes {
		next, err := f.order(
			ctx,
			node,
			images[choiceOf(node)],
			nextIncarnation(known, twins, node.Name),
			false,
			f.consensus(without(s.members, node.Name)),
		)
		if err != nil {
			return false, err
		}

		fresh, err := f.create(ctx, s.vpc, next)
		if err != nil {
			return false, err
		}

		f.assignLaunched(ctx, fresh)
	}

	// The twins are surplus now.
	s.members, err = f.ensureNodes(ctx, s.vpc)

	return true, err
}
