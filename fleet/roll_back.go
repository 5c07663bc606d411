package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/stack"
)

// undo removes what the roll made beside the nodes of stack.yaml, and marks its image so that the next run does not
// roll again.
func (s *rollState) undo(ctx context.Context, reason string) error {
	f := s.fleet
	f.progress("roll %s: goes back: %s", s.Role, reason)

	// As the cloud has them: one may be there of which its launch did not tell.
	_, extras, err := s.sides(ctx)
	if err != nil {
		return err
	}

	// First what the next run goes by.
	for _, m := range extras {
		if s.servesElsewhere(m.Droplet.Image) {
			continue
		}

		if err := f.reject(ctx, m.Droplet.Image); err != nil {
			return err
		}
	}

	if err := s.restore(ctx); err != nil {
		return err
	}

	for _, m := range extras {
		if err := f.remove(ctx, m); err != nil {
			return fmt.Errorf("roll back %s: %w: %w", s.Role, ErrHalfway, err)
		}
	}

	return fmt.Errorf("roll %s: %w: %s", s.Role, ErrRolledBack, reason)
}

// servesElsewhere tells that nodes which the roll found serve with the same image: then it is not what is bad.
func (s *rollState) servesElsewhere(image *godo.Image) bool {
	return slices.ContainsFunc(s.members, func(m member) bool {
		return m.Extra == "" && sameImage(m.Droplet.Image, image)
	})
}

func sameImage(a, b *godo.Image) bool {
	return a != nil && b != nil && a.ID == b.ID
}

// reject marks an image so that nothing is launched from it any more.
func (f *Fleet) reject(ctx context.Context, image *godo.Image) error {
	if image == nil {
		return nil
	}

	err := do.TagImage(ctx, f.Client, image.ID, []string{record.RejectedTag}, do.WaitOptions{})
	if err != nil {
		return fmt.Errorf("reject image %s: %w", image.Name, err)
	}

	f.progress("image %s (%d) is not used again; `hornero images accept %d` takes that back",
		image.Name, image.ID, image.ID)

	return nil
}

// restore has stack.yaml put back as it was before the roll.
func (s *rollState) restore(ctx context.Context) error {
	if s.Restore == nil {
		return nil
	}

	return s.Restore(ctx)
}

// failed ends a roll whose first new node was good and a later one is not: when that node is what is bad, all go back.
func (s *rollState) failed(ctx context.Context, problem error) error {
	if !errors.Is(problem, errBad) || ctx.Err() != nil {
		return fmt.Errorf("roll %s: %w: %w", s.Role, ErrHalfway, problem)
	}

	bad, err := s.badImage(ctx)
	if err != nil {
		return err
	}

	if bad == nil {
		return fmt.Errorf("roll %s: %w: %w; the nodes that serve have the same image, so what changed is in "+
			"stack.yaml or the secrets: put that back, too", s.Role, ErrHalfway, problem)
	}

	return s.rollBack(ctx, bad, problem.Error())
}

// badImage is the one that the roll brings: nil when the nodes that it found have the same.
func (s *rollState) badImage(ctx context.Context) (*godo.Image, error) {
	members, err := s.fleet.nodes(ctx)
	if err != nil {
		return nil, err
	}

	for _, node := range s.outdated {
		m, there := find(members, node.Name)
		if !there || m.Droplet.Image == nil {
			continue
		}

		before, found := find(s.members, node.Name)
		if found && before.Droplet.Image != nil && !sameImage(before.Droplet.Image, m.Droplet.Image) {
			return m.Droplet.Image, nil
		}
	}

	return nil, nil
}

// rollBack makes the nodes anew that were launched from a bad image, each from the one that it had before. That the
// image is marked is all that the next run has to know when this one is killed.
func (s *rollState) rollBack(ctx context.Context, bad *godo.Image, reason string) error {
	f := s.fleet
	f.progress("roll %s: goes back: %s", s.Role, reason)

	if err := f.reject(ctx, bad); err != nil {
		return err
	}

	if err := s.restore(ctx); err != nil {
		return err
	}

	nodes, err := s.nodesBack(ctx, bad)
	if err != nil {
		return err
	}

	for _, node := range nodes {
		if err := f.putBack(ctx, node); err != nil {
			return fmt.Errorf("roll back %s: %w: %w", s.Role, ErrHalfway, err)
		}
	}

	if err := s.removeExtras(ctx); err != nil {
		return err
	}

	return fmt.Errorf("roll %s: %w: %s", s.Role, ErrRolledBack, reason)
}

// putBack makes a node anew, and takes away what its failed successor had not yet taken the place of.
func (f *Fleet) putBack(ctx context.Context, node stack.Node) error {
	if err := f.replace(ctx, node); err != nil {
		return err
	}

	all, err := f.members(ctx)
	if err != nil {
		return err
	}

	_, surplus := current(all)

	for _, m := range surplus {
		if m.Node != node.Name {
			continue
		}

		if err := f.drainAndDestroy(ctx, m); err != nil {
			return err
		}
	}

	return nil
}

// nodesBack are the nodes of the role that go back, with the images that they had: first those that do not serve.
func (s *rollState) nodesBack(ctx context.Context, bad *godo.Image) ([]stack.Node, error) {
	f := s.fleet

	members, err := f.nodes(ctx)
	if err != nil {
		return nil, err
	}

	serves := map[string]bool{}
	for _, a := range f.askAll(ctx, members) {
		serves[a.member.Node] = a.err == nil && a.status.Healthy
	}

	var down, others []stack.Node

	for _, node := range f.Stack.All() {
		m, there := find(members, node.Name)

		switch {
		case node.Role != s.Role || there && !sameImage(m.Droplet.Image, bad):
			continue
		case serves[node.Name]:
			others = append(others, s.asBefore(ctx, node))
		default:
			down = append(down, s.asBefore(ctx, node))
		}
	}

	return append(down, others...), ctx.Err()
}

// asBefore is a node with the image that it had when the roll began, if that can still be launched.
func (s *rollState) asBefore(ctx context.Context, node stack.Node) stack.Node {
	before, there := find(s.members, node.Name)
	if !there || before.Droplet.Image == nil {
		return node
	}

	pinned := node
	pinned.Image = before.Droplet.Image.ID

	// One that was deleted meanwhile, or that another roll went back from: then what is wanted now.
	if _, err := s.fleet.pinnedImage(ctx, pinned); err != nil {
		return node
	}

	return pinned
}

// checkReplaced looks whether the nodes that were replaced still serve, before the next one goes.
func (s *rollState) checkReplaced(ctx context.Context, nodes []stack.Node) error {
	if len(nodes) == 0 {
		return nil
	}

	members, err := s.fleet.nodes(ctx)
	if err != nil {
		return err
	}

	var replaced []member

	for _, node := range nodes {
		if m, there := find(members, node.Name); there {
			replaced = append(replaced, m)
		}
	}

	patience := time.Now().Add(min(badHealth, s.fleet.Timeout))

	for {
		sick := firstSick(s.fleet.askAll(ctx, replaced))

		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case sick == nil:
			return nil
		case time.Now().After(patience):
			line := lineOf(*sick)
			return fmt.Errorf("%w: %s is not healthy any more: %s", errBad, line.Name, line.Reason)
		}

		pause.For(ctx, soakPause)
	}
}

// firstSick is the first answer of a node that does not serve; nil when all do.
func firstSick(answers []answer) *answer {
	for _, a := range answers {
		if a.err != nil || !a.status.Healthy {
			return &a
		}
	}

	return nil
}

// awaitBegun waits for the nodes that a roll has replaced which did not end: with one that comes to nothing it goes
// back.
func (s *rollState) awaitBegun(ctx context.Context) error {
	for _, m := range s.begun() {
		err := s.fleet.awaitServing(ctx, m)

		switch {
		case err == nil:
		case ctx.Err() != nil || !errors.Is(err, errBad):
			return err
		default:
			return s.rollBack(ctx, m.Droplet.Image, err.Error())
		}
	}

	return nil
}

// begun are the nodes that a roll which did not end has replaced: an extra node of the same image is there still, and
// others have an earlier one.
func (s *rollState) begun() []member {
	var all []member
	there := slices.Concat(s.members, s.surplus)

	for _, m := range s.fleet.named(s.members) {
		same := func(other member) bool { return sameImage(other.Droplet.Image, m.Droplet.Image) }
		earlier := func(other member) bool {
			return other.Role == s.Role && other.Extra == "" && !same(other)
		}

		if m.Role == s.Role && slices.ContainsFunc(s.extras, same) && slices.ContainsFunc(there, earlier) {
			all = append(all, m)
		}
	}

	return all
}

// finishRollBack makes the nodes anew that do not serve and have an image which a roll went back from: it was killed on
// its way.
func (f *Fleet) finishRollBack(ctx context.Context, vpc string, members []member) ([]member, error) {
	rejected, err := do.ImagesByTag(ctx, f.Client, record.RejectedTag)
	if err != nil {
		return members, err
	}

	bad := slices.DeleteFunc(slices.Clone(members), func(m member) bool {
		return !slices.ContainsFunc(rejected, func(image godo.Image) bool {
			return sameImage(m.Droplet.Image, &image)
		})
	})

	for _, a := range f.askAll(ctx, bad) {
		if a.err == nil && a.status.Healthy {
			continue
		}

		node, err := f.Stack.Node(a.member.Node)
		if err != nil {
			return members, err
		}

		f.progress("%s: it does not serve, and a roll went back from its image", node.Name)

		if err := f.putBack(ctx, node); err != nil {
			return members, fmt.Errorf("roll back %s: %w: %w", node.Role, ErrHalfway, err)
		}
	}

	if len(bad) == 0 {
		return members, nil
	}

	return f.ensureNodes(ctx, vpc)
}

// rollBackUnfinished goes back from a roll that was killed, when the stack does not serve for one of its nodes.
func (f *Fleet) rollBackUnfinished(ctx context.Context, problem error) error {
	if ctx.Err() != nil {
		return problem
	}

	for _, role := range f.rollOrder() {
		s, err := f.rollState(ctx, Roll{Role: role})
		if err != nil {
			return errors.Join(problem, err)
		}

		sick := firstSick(f.askAll(ctx, s.begun()))
		if sick == nil || s.strategy != "" {
			continue
		}

		return s.rollBack(ctx, sick.member.Droplet.Image, problem.Error())
	}

	return problem
}
