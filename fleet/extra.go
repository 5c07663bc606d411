package fleet

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/hornero/hornero/stack"
)

// The strategies by which the nodes of a role are replaced.
const (
	StrategyRolling   = "rolling"
	StrategyCanary    = "canary"
	StrategyBlueGreen = "blue-green"
)

// extrasOf are the nodes of a role that a roll made beside those of stack.yaml.
func extrasOf(members []member, role string) []member {
	var all []member
	for _, m := range members {
		if m.Role == role && m.Extra != "" {
			all = append(all, m)
		}
	}

	return all
}

// standing are the roles whose roll waits for its operator: they are left as they are until he says how it ends.
func (f *Fleet) standing(members []member) map[string]bool {
	roles := map[string]bool{}

	for _, m := range members {
		if m.Extra == StrategyCanary || m.Extra == StrategyBlueGreen {
			roles[m.Role] = true
		}
	}

	return roles
}

// extraNode is a node like another, with the next number of its group that nobody has.
func (f *Fleet) extraNode(like stack.Node, members []member) stack.Node {
	number := 1

	for {
		name := like.Group + "-" + strconv.Itoa(number)
		_, there := find(members, name)

		if !there && !slices.ContainsFunc(f.Stack.All(), nodeNamed(name)) {
			like.Name = name
			return like
		}

		number++
	}
}

// launchExtra launches a node beside those of stack.yaml, and waits until it serves.
func (f *Fleet) launchExtra(
	ctx context.Context,
	like stack.Node,
	strategy string,
) (member, error) {
	vpc, err := f.ensureVPC(ctx)
	if err != nil {
		return member{}, err
	}

	all, err := f.members(ctx)
	if err != nil {
		return member{}, err
	}

	members, _ := current(all)
	node := f.extraNode(like, members)

	image, err := f.image(ctx, node)
	if err != nil {
		return member{}, err
	}

	known := f.peerSet(ctx, members)
	next, err := f.order(ctx, node, image, nextIncarnation(known, all, node.Name), false, f.consensus(members))
	if err != nil {
		return member{}, err
	}

	next.extra = strategy

	fresh, err := f.launch(ctx, vpc, next)
	if err != nil {
		return member{}, err
	}

	// Until the switch it has no traffic.
	if strategy == StrategyBlueGreen {
		return fresh, f.awaitNode(ctx, fresh)
	}

	return fresh, f.awaitServing(ctx, fresh)
}

// replaceBesideExtra recreates the only node of its role: an extra one does its work meanwhile.
func (f *Fleet) replaceBesideExtra(ctx context.Context, node stack.Node) error {
	extra, err := f.ensureExtra(ctx, node)
	if err != nil {
		return fmt.Errorf("launch an extra node beside %s: %w", node.Name, err)
	}

	if err := f.replace(ctx, node); err != nil {
		return err
	}

	return f.remove(ctx, extra)
}

// ensureExtra launches an extra node of the same group for a rolling replacement, or takes one that a run has left
// which did not end.
func (f *Fleet) ensureExtra(ctx context.Context, node stack.Node) (member, error) {
	members, err := f.nodes(ctx)
	if err != nil {
		return member{}, err
	}

	for _, m := range extrasOf(members, node.Role) {
		asWanted, err := f.asWanted(ctx, m, node)
		if err != nil {
			return member{}, err
		}

		if m.Extra == StrategyRolling && asWanted {
			return m, f.awaitServing(ctx, m)
		}

		// It is of an earlier roll: from another image, or with other settings.
		if err := f.remove(ctx, m); err != nil {
			return member{}, err
		}
	}

	return f.launchExtra(ctx, node, StrategyRolling)
}

// asWanted tells whether a Droplet was made from what a node would be launched from now.
func (f *Fleet) asWanted(
	ctx context.Context,
	m member,
	node stack.Node,
) (bool, error) {
	image, err := f.image(ctx, node)
	if err != nil {
		return false, err
	}

	made, err := f.made(ctx, node, image)

	return made == m.Made, err
}
