package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// Up makes what exists equal what the stack says, waits until it serves, and returns the address of its first load
// balancer, or "" when it has none. It may be killed at any moment and run again; run twice, it changes nothing.
func (f *Fleet) Up(ctx context.Context) (string, Breakdown, error) {
	start := time.Now()
	var took Breakdown

	// Before anything is made that costs money.
	leaving, err := f.check(ctx)
	if err != nil {
		return "", took, err
	}

	// What the nodes are given has the Spaces' keys.
	if err := f.ensureSpaces(ctx); err != nil {
		return "", took, err
	}

	vpc, err := f.ensureVPC(ctx)
	if err != nil {
		return "", took, err
	}

	// Before the nodes: they come up while those boot.
	var waiting []string
	err = ensured(func() (err error) {
		waiting, err = f.renewBalancers(ctx, vpc, leaving)
		return err
	})
	if err != nil {
		return "", took, err
	}

	if err := f.reconcileFirewalls(ctx); err != nil {
		return "", took, err
	}

	members, err := f.launchAll(ctx, vpc)
	if err != nil {
		return "", took, err
	}

	if members, err = f.finishRollBack(ctx, vpc, members); err != nil {
		return "", took, err
	}

	took.Launched = time.Since(start).Seconds()

	url, err := f.await(ctx, vpc, members, waiting, start, &took)
	if err != nil {
		return url, took, f.rollBackUnfinished(ctx, err)
	}

	if err := f.removeSurplus(ctx); err != nil {
		return url, took, err
	}

	if err := f.ensureRecords(ctx); err != nil {
		return url, took, err
	}

	return url, took, f.changeAll(ctx, leaving)
}

// launchAll makes the Droplets that are missing, and has all of them in their project.
func (f *Fleet) launchAll(ctx context.Context, vpc string) ([]member, error) {
	members, err := f.ensureNodes(ctx, vpc)
	if err != nil {
		return nil, err
	}

	return members, f.ensureProject(ctx)
}

// changeAll changes what is there and otherwise than wanted. Only a stack that serves is changed: each of these takes a
// node away.
func (f *Fleet) changeAll(ctx context.Context, leaving leavingBalancers) error {
	if err := f.rollAll(ctx); err != nil {
		return err
	}

	if err := f.ensureBackups(ctx); err != nil {
		return err
	}

	if err := f.removeLeftovers(ctx); err != nil {
		return err
	}

	if err := f.removeTraffic(ctx, leaving); err != nil {
		return err
	}

	// Last, as firewalls of roles that are gone go after the nodes, and no rule names any more what is gone.
	return f.reconcileFirewalls(ctx)
}

// Check looks for what would end an Up halfway, and asks whether what cannot be made again may go. It changes nothing.
// Where it returns nil no other command changes the stack.
func (f *Fleet) Check(ctx context.Context) error {
	if _, err := f.check(ctx); err != nil {
		return err
	}

	return f.awaitTakenLock(ctx)
}

func (f *Fleet) check(ctx context.Context) (leavingBalancers, error) {
	var leaving leavingBalancers

	if err := f.checkGiven(); err != nil {
		return leaving, err
	}

	if err := f.checkReserved(ctx); err != nil {
		return leaving, err
	}

	if err := f.checkPlanned(ctx); err != nil {
		return leaving, err
	}

	if err := f.checkDomain(ctx); err != nil {
		return leaving, err
	}

	if err := f.checkProject(ctx); err != nil {
		return leaving, err
	}

	if err := f.checkKeys(ctx); err != nil {
		return leaving, err
	}

	if err := f.tellStrays(ctx); err != nil {
		return leaving, err
	}

	if err := f.tellForeignFirewalls(ctx); err != nil {
		return leaving, err
	}

	all, err := f.members(ctx)
	if err != nil {
		return leaving, err
	}

	// Nodes that run need no image: theirs may be pruned.
	kept, _ := current(all)
	missing := f.missing(kept)

	if err := f.checkCatalogue(ctx, missing, len(missing)); err != nil {
		return leaving, err
	}

	if leaving, err = f.leavingBalancers(ctx); err != nil {
		return leaving, err
	}

	// Asked now, although they go last: who says no has lost nothing.
	removals := append(f.removals(f.leftovers(kept)), leaving.removals()...)

	return leaving, f.confirm(ctx, removals...)
}

// checkGiven looks for the secrets that only the operator can give.
func (f *Fleet) checkGiven() error {
	if missing := f.Secrets.Missing(f.Stack, f.Manifests); len(missing) > 0 {
		return errors.New(strings.Join(missing, "\n"))
	}

	return nil
}

// ensureNodes launches what is missing until one look finds every node: a Droplet that is being deleted is
// listed for a while, and may be gone at the next look.
func (f *Fleet) ensureNodes(ctx context.Context, vpc string) ([]member, error) {
	for {
		kept, err := f.reconcile(ctx)
		if err != nil {
			return nil, err
		}

		if missing := f.missing(kept); len(missing) > 0 {
			if err := f.launchMissing(ctx, vpc, kept, missing); err != nil {
				return nil, err
			}

			continue
		}

		kept, err = f.awaitAddresses(ctx, kept)
		if err != nil || kept != nil {
			return f.named(kept), err
		}
	}
}

func (f *Fleet) missing(kept []member) []stack.Node {
	return slices.DeleteFunc(f.Stack.All(), func(node stack.Node) bool {
		_, there := find(kept, node.Name)
		return there
	})
}

// named are the members that stack.yaml names; the others are waited for by nobody.
func (f *Fleet) named(members []member) []member {
	return slices.DeleteFunc(slices.Clone(members), f.leftover)
}

// relaunchGone launches the members whose Droplet is gone, and tells whether there was any.
func (f *Fleet) relaunchGone(
	ctx context.Context,
	vpc string,
	members []member,
) ([]member, bool, error) {
	all, err := f.members(ctx)
	if err != nil {
		return members, false, err
	}

	// By number: a node's next Droplet bears the same name.
	exists := map[int]bool{}
	for _, m := range all {
		exists[m.Droplet.ID] = true
	}

	gone := slices.ContainsFunc(members, func(m member) bool {
		return !exists[m.Droplet.ID]
	})
	if gone {
		members, err = f.ensureNodes(ctx, vpc)
	}

	return members, gone, err
}

// reconcile destroys what is surplus, and returns the others. When two operators launch the same node at once, the
// later sees both Droplets, and both operators keep the same one.
func (f *Fleet) reconcile(ctx context.Context) ([]member, error) {
	all, err := f.members(ctx)
	if err != nil {
		return nil, err
	}

	kept, surplus := current(all)
	for _, m := range surplus {
		if f.servesOn(m, kept) {
			continue
		}

		f.progress("%s: Droplet %d is surplus (incarnation %d) and is destroyed", m.Node, m.Droplet.ID, m.Incarnation)

		if err := f.deleteDroplet(ctx, m.Droplet.ID); err != nil {
			return nil, err
		}
	}

	if err := f.turnOn(ctx, kept); err != nil {
		return nil, err
	}

	return kept, nil
}

// servesOn tells a node without data that has traffic until its successor serves: a replacement did not end.
func (f *Fleet) servesOn(m member, kept []member) bool {
	successor, there := find(kept, m.Node)
	client := f.manifest(m.Role).Peers == roles.Client

	return there && client && successor.Incarnation > m.Incarnation && len(f.trafficOf(m)) > 0
}

// removeSurplus takes away those that served until their successors did.
func (f *Fleet) removeSurplus(ctx context.Context) error {
	all, err := f.members(ctx)
	if err != nil {
		return err
	}

	_, surplus := current(all)
	for _, m := range surplus {
		if err := f.drainAndDestroy(ctx, m); err != nil {
			return err
		}
	}

	return nil
}

// turnOn starts the Droplets that are off: a node that nobody turned off on purpose is to run, and one that somebody
// did would be waited for in vain.
func (f *Fleet) turnOn(ctx context.Context, members []member) error {
	for i, m := range members {
		// A locked one has an event under way, which may start it.
		if m.Droplet.Status != "off" || m.Droplet.Locked {
			continue
		}

		f.progress("%s: Droplet %d is off and is turned on", m.Node, m.Droplet.ID)

		err := f.powerOn(ctx, m.Droplet.ID)
		if do.IsNotFound(err) {
			continue // it was being deleted, and the next look launches the node anew
		}

		// Somebody else turned it on meanwhile.
		if err != nil && do.Status(err) != http.StatusUnprocessableEntity {
			return fmt.Errorf("turn on %s: %w", m.Node, err)
		}

		droplet, err := do.WaitDropletStatus(ctx, f.Client, m.Droplet.ID, "active", do.WaitOptions{})
		if err != nil {
			return fmt.Errorf("turn on %s: %w", m.Node, err)
		}

		members[i] = f.member(*droplet)
	}

	return nil
}
