package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

const (
	// drainTimeout bounds how long a node may drain, beside the time that others take to see it: it may be dead.
	drainTimeout = 15 * time.Second
	// requestTimeout is the same for one that answers requests: PHP may take a minute for one.
	requestTimeout = 75 * time.Second
)

// Replace recreates a node. Interrupted halfway, Up or another Replace finishes it.
func (f *Fleet) Replace(ctx context.Context, name string) error {
	node, err := f.Stack.Node(name)
	if err != nil {
		return err
	}

	// Checked here, because after this the node that is there is drained.
	if f.Stack.MayHoldReservedIP(node.Role) {
		if err := f.checkReserved(ctx); err != nil {
			return err
		}
	}

	if err := f.checkCatalogue(ctx, []stack.Node{node}, 1); err != nil {
		return err
	}

	kept, err := f.isKept(ctx, node)
	if err != nil {
		return err
	}

	// The only one of its role that hands over to nobody gets an extra one beside it for as long as it takes.
	if kept || f.isAlone(node) {
		return f.replaceBesideExtra(ctx, node)
	}

	return f.replace(ctx, node)
}

// isAlone tells the only node of a role whose nodes are gone before their successors take their names.
func (f *Fleet) isAlone(node stack.Node) bool {
	return f.mayBeMember(node.Role) && f.isOnly(node)
}

// isOnly tells the only node of its role.
func (f *Fleet) isOnly(node stack.Node) bool {
	others := func(other stack.Node) bool { return other.Role == node.Role && other.Name != node.Name }

	return !slices.ContainsFunc(f.Stack.All(), others)
}

// replace recreates a node, and waits until the new one serves.
func (f *Fleet) replace(ctx context.Context, node stack.Node) error {
	vpc, err := f.ensureVPC(ctx)
	if err != nil {
		return err
	}

	all, err := f.members(ctx)
	if err != nil {
		return err
	}

	// Before anything is touched: when this refuses, the old node serves on.
	next, err := f.successor(ctx, node, all)
	if err != nil {
		return fmt.Errorf("replace %s: %w", node.Name, err)
	}

	members, _ := current(all)
	old, there := find(members, node.Name)
	client := f.manifest(node.Role).Peers == roles.Client

	// A member is drained and gone before its successor takes the name: two of a name never serve.
	if there && !client {
		if err := f.drainAndDestroy(ctx, old); err != nil {
			return err
		}
	}

	fresh, err := f.launch(ctx, vpc, next)
	if err != nil {
		return err
	}

	// The old one serves until the load balancer sends to the new one.
	if err := f.awaitServing(ctx, fresh); err != nil {
		return err
	}

	// A web node has no data: it serves until its successor does, although its name is taken already.
	if there && client {
		return f.drainAndDestroy(ctx, old)
	}

	return nil
}

// successor makes ready what a node's next Droplet is launched from, if it is safe to recreate the node now.
func (f *Fleet) successor(
	ctx context.Context,
	node stack.Node,
	all []member,
) (order, error) {
	members, _ := current(all)
	answers := f.askAll(ctx, members)
	known := newest(answers)

	if err := f.checkLeave(node.Name, node.Role, answers, known); err != nil {
		return order{}, err
	}

	if err := f.checkGuards(ctx, node.Name, answers); err != nil {
		return order{}, err
	}

	image, err := f.image(ctx, node)
	if err != nil {
		return order{}, err
	}

	// Of all Droplets, also surplus ones: no incarnation may be given out twice.
	incarnation := nextIncarnation(known, all, node.Name)
	join := f.consensus(without(members, node.Name))

	// It never founds: the peer set may be out of reach, and a second one would split the stack.
	return f.order(ctx, node, image, incarnation, false, join)
}

func (f *Fleet) drainAndDestroy(ctx context.Context, m member) error {
	f.drain(ctx, m)

	if err := f.deleteDroplet(ctx, m.Droplet.ID); err != nil {
		return err
	}

	f.progress("%s: Droplet %d destroyed", m.Node, m.Droplet.ID)

	return nil
}

func without(members []member, node string) []member {
	var rest []member
	for _, m := range members {
		if m.Node != node {
			rest = append(rest, m)
		}
	}

	return rest
}

// drain lets a node hand over its work; a dead node has none to hand over.
func (f *Fleet) drain(ctx context.Context, m member) {
	f.leaveTraffic(ctx, m)

	notice, longest := f.noticeTime(m.Role), drainTimeout
	if f.manifest(m.Role).Driver == "" {
		longest = requestTimeout
	}

	ctx, cancel := context.WithTimeout(ctx, notice+longest)
	defer cancel()

	f.progress("%s: drains", m.Node)

	// Nodes of before know no notice.
	drain := fmt.Sprintf("hornero-bootstrap drain --notice %s 2>/dev/null || hornero-bootstrap drain", notice)

	code, err := f.shell.run(ctx, m, drain, nil, nil, nil)
	if err != nil || code != 0 {
		f.progress("%s: did not drain (exit %d, %v); it is destroyed all the same", m.Node, code, err)
	}
}

// awaitNode waits until a node is healthy, and reports its states.
func (f *Fleet) awaitNode(ctx context.Context, m member) error {
	last := ""
	cause := fmt.Errorf("%w after %s", do.ErrTimedOut, f.Timeout)
	waiting, moving, stop := withDeadline(ctx, f.Timeout, cause)
	defer stop()

	err := do.Wait(waiting, "wait for "+m.Node, func(ctx context.Context) (do.State, error) {
		said, err := f.shell.status(ctx, m)
		if err != nil {
			return do.Pending, do.Seen("%v", err)
		}

		moving.note(said)

		if said.State != last {
			last = said.State
			f.progress("%s: %s", m.Node, last)
		}

		// User-data does not change: waiting cannot help.
		if said.Phase == "refused" {
			return do.Errored, fmt.Errorf("the node refused: %s", said.Reason)
		}

		if said.Healthy {
			return do.Done, nil
		}

		return do.Pending, do.Seen("%s", said.Reason)
	}, do.WaitOptions{
		Timeout: longestStart,
		Longest: time.Second,
	})

	// Whoever was interrupted wants to hear no more.
	if err != nil && ctx.Err() == nil {
		f.tellLastWords(m)
		err = fmt.Errorf("%w: %w", errBad, err)
	}

	return err
}
