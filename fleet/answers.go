package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/hornero/hornero/internal/status"
)

// answer is what a node says of itself, or why it does not.
type answer struct {
	member member
	status status.Status
	err    error
}

// askAll asks every node at once; the answers are in the members' order.
func (f *Fleet) askAll(ctx context.Context, members []member) []answer {
	answers := make([]answer, len(members))
	var group errgroup.Group

	for i, m := range members {
		group.Go(func() error {
			said, err := f.shell.status(ctx, m)
			answers[i] = answer{m, said, err}
			return nil
		})
	}

	_ = group.Wait() // each answer carries its own error

	return answers
}

// peerSet asks the nodes for the newest peer set that any of them knows; the zero value when none answers.
func (f *Fleet) peerSet(ctx context.Context, members []member) status.PeerSet {
	return newest(f.askAll(ctx, members))
}

// newest is what the best informed node says: one that sees a quorum before one that is cut off, of these the
// later era, of these the later generation, of these the first by name.
func newest(answers []answer) status.PeerSet {
	var best status.PeerSet
	for _, said := range answers {
		known := said.status.PeerSet
		if said.err != nil || known.Founded == "" {
			continue
		}

		if best.Founded == "" || newer(known, best) {
			best = known
		}
	}

	return best
}

func newer(one, other status.PeerSet) bool {
	if one.Quorum != other.Quorum {
		return one.Quorum
	}

	return cmp.Or(
		cmp.Compare(one.Era, other.Era),
		cmp.Compare(one.Generation, other.Generation),
	) > 0
}

// ErrRefused means that a node will not have the user-data it was launched with; waiting does not help.
var ErrRefused = errors.New("the node joins nothing")

func refused(answers []answer) error {
	for _, a := range answers {
		if a.err == nil && a.status.Phase == "refused" {
			return fmt.Errorf("wait for %s: %w: %s", a.member.Node, ErrRefused, a.status.Reason)
		}
	}

	return nil
}

// ErrUnfounded means that nobody there may found the peer set, and that nobody was ever in one. Waiting does not help.
var ErrUnfounded = errors.New("no node may found the peer set: all were launched to join one that is there. " +
	"They hold nothing of a peer set: `hornero destroy`, then `hornero up`")

// unfounded tells that all nodes ask to join a peer set that was never founded.
func unfounded(answers []answer) error {
	for _, a := range answers {
		if a.err != nil || !a.status.UnknownPeer {
			return nil
		}
	}

	// Nobody was asked: that is no proof that nobody founds.
	if len(answers) == 0 {
		return nil
	}

	return ErrUnfounded
}
