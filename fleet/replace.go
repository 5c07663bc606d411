package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/roles"
)

// drainTimeout bounds the goodbye of a node that may be dead.
const drainTimeout = 15 * time.Second

// others is how many database nodes must be Primary and Synced before one is recreated.
const others = 2

// Replace recreates a node. Interrupted halfway, Up or another Replace finishes it.
func (f *Fleet) Replace(ctx context.Context, name string) error {
	node, err := f.Stack.Node(name)
	if err != nil {
		return err
	}

	if f.Stack.MayHold(node.Role) {
		if err := f.checkReserved(ctx); err != nil {
			return err // before the node that is there is drained
		}
	}

	vpc, err := f.ensureVPC(ctx)
	if err != nil {
		return err
	}

	all, err := f.members(ctx)
	if err != nil {
		return err
	}

	members, _ := current(all)
	answers := f.askAll(ctx, members)
	known := newest(answers)

	if err := f.safe(name, node.Role, answers, known); err != nil {
		return err
	}

	incarnation := next(known, all, name)
	old, there := find(members, name)
	client := f.Manifests[node.Role].Peers == roles.Client
	if there && !client {
		// A member is drained and gone before its successor takes the name: two of a name never serve.
		f.retire(ctx, old)
		if err := do.DeleteDroplet(ctx, f.Client, old.Droplet.ID, do.WaitOptions{}); err != nil {
			return err
		}

		f.say("%s: Droplet %d destroyed", name, old.Droplet.ID)
	}

	fresh, err := f.launch(ctx, vpc, node, incarnation, false, f.consensus(without(members, name)))
	if err != nil {
		return err
	}

	if err := f.awaitNode(ctx, fresh); err != nil {
		return err
	}

	if there && client {
		// A web node has no data: its successor serves before it goes, and it serves until then, although its
		// name is taken.
		f.retire(ctx, old)
		if err := do.DeleteDroplet(ctx, f.Client, old.Droplet.ID, do.WaitOptions{}); err != nil {
			return err
		}

		f.say("%s: Droplet %d destroyed", name, old.Droplet.ID)
	}

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

// safe refuses to recreate a database node unless two others hold the data for sure, or all that remain after a
// declared loss.
func (f *Fleet) safe(name, role string, answers []answer, known status.PeerSet) error {
	if f.Manifests[role].Driver != "galera" {
		return nil
	}

	remain := 0

	for _, node := range f.Stack.All() {
		if _, gone := known.Forgotten[node.Name]; node.Role == role && node.Name != name && !gone {
			remain++
		}
	}

	need := max(1, min(others, remain))
	good := 0

	for _, a := range answers {
		if a.member.Node != name && a.member.Role == role && a.err == nil && a.status.Healthy {
			good++
		}
	}

	if good < need {
		return fmt.Errorf("replace %s: %w: %d of the other database nodes are Primary and Synced, %d must be; "+
			"`hornero status` says what they wait for. "+
			"A node that is lost with its data is declared gone on any other database node or proxy: "+
			"hornero-bootstrap forget NAME", name, ErrUnsafe, good, need)
	}

	return nil
}

// retire lets a node hand over; one that is dead has nothing to hand over.
func (f *Fleet) retire(ctx context.Context, m member) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()

	f.say("%s: drains", m.Node)

	if code, err := f.shell.run(ctx,
		m,
		"hornero-bootstrap drain",
		nil,
		nil,
		nil,
	); err != nil || code != 0 {
		f.say("%s: did not drain (exit %d, %v); it goes all the same", m.Node, code, err)
	}
}

func (f *Fleet) awaitNode(ctx context.Context, m member) error {
	last := ""
	return do.Wait(ctx, "wait for "+m.Node, func(ctx context.Context) (do.State, error) {
		said, err := f.shell.status(ctx, m)
		if err != nil {
			return do.Pending, do.Seen("%v", err)
		}

		if said.State != last {
			last = said.State
			f.say("%s: %s", m.Node, last)
		}

		if said.Phase == "refused" {
			return do.Errored, fmt.Errorf("the node refused: %s", said.Reason)
		}

		if said.Healthy {
			return do.Done, nil
		}

		return do.Pending, do.Seen("%s", said.Reason)
	}, do.WaitOptions{
		Timeout: f.Timeout,
		Longest: time.Second,
	})
}

// writerOf finds who takes writes.
func writerOf(answers []answer) (member, status.Status, bool) {
	for _, a := range answers {
		if a.err == nil && a.status.Writer && a.status.Healthy {
			return a.member, a.status, true
		}
	}

	return member{}, status.Status{}, false
}
