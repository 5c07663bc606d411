package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/bootstrap/walls"
	"github.com/hornero/hornero/roles"
)

// wallKeeper has the rules in force that say who may reach the node. They stay when the agent ends: what it serves goes
// on, too. Only one goroutine at a time raises them.
type wallKeeper struct {
	doors   []roles.Port    // of the node
	leaving []walls.Leaving // likewise
	peers   wallPeers
	rules   string // in force, or tried
	looked  time.Time

	mu      sync.Mutex
	problem string
}

// status is why the rules are not as they should be; "" when they are.
func (k *wallKeeper) status() string {
	k.mu.Lock()
	defer k.mu.Unlock()

	return k.problem
}

// tell keeps what became of an attempt, and returns what was wrong before.
func (k *wallKeeper) tell(err error) (before string) {
	k.mu.Lock()
	defer k.mu.Unlock()

	before, k.problem = k.problem, ""
	if err != nil {
		k.problem = "not in force: " + err.Error()
	}

	return before
}

// raiseWalls lets the nodes of a snapshot in to what this node serves, and nobody else. Without its walls the node
// serves on: the cloud's firewall is before them.
func (a *Agent) raiseWalls(ctx context.Context, snapshot peerset.Snapshot) {
	if a.Walls == nil {
		return
	}

	err := a.applyWalls(ctx, snapshot)
	if ctx.Err() != nil {
		return
	}

	if before := a.walls.tell(err); before == "" && err != nil {
		a.note(peerset.EventWalls, a.walls.status())
	}
}

// applyWalls puts rules in force that are new, and those that are gone.
func (a *Agent) applyWalls(ctx context.Context, snapshot peerset.Snapshot) error {
	k := &a.walls

	if k.doors == nil {
		common, err := roles.Load(a.Roles, roles.Common)
		if err != nil {
			return err
		}

		k.leaving, err = leavingOf(slices.Concat(common.Egress, a.manifest.Egress), a.node.Settings)
		if err != nil {
			return err
		}

		k.doors = slices.Concat(
			common.Doors(),
			a.manifest.Doors(),
		)

		// A client has no dqlite: nobody is to be let in to whatever else listens there.
		if a.manifest.Peers == roles.Client {
			k.doors = slices.DeleteFunc(k.doors, isPeersPort)
		}
	}

	rules := walls.View{
		Role:    a.node.Role,
		Network: a.network,
		Clients: a.node.Settings[roles.SettingClients],
		Ports:   k.doors,
		Leaving: k.leaving,
		Peers:   k.peers.of(snapshot.Peers, time.Now()),
		Rights:  a.rights,
	}.Rules()

	if rules == k.rules {
		if time.Since(k.looked) < a.Times.QuickEvery {
			return nil
		}

		k.looked = time.Now()

		if a.Walls(ctx, "") == nil || ctx.Err() != nil {
			return nil
		}

		a.note(peerset.EventWalls, "the rules about who may reach this node were gone, and are loaded again")
	}

	k.rules, k.looked = rules, time.Now()

	err := a.Walls(ctx, rules)
	if err != nil {
		// They are tried again at the next look, as new ones.
		k.rules = ""
	}

	return err
}

func isPeersPort(port roles.Port) bool { return port.Port == roles.PeersPort }

// leavingOf are the users of the image whom its manifests name, by their numbers. One that the image has not has no
// processes.
func leavingOf(all []roles.Egress, settings map[string]string) ([]walls.Leaving, error) {
	var leaving []walls.Leaving

	for _, egress := range all {
		account, err := user.Lookup(egress.User)
		if unknown := user.UnknownUserError(""); errors.As(err, &unknown) {
			continue
		}

		if err != nil {
			return nil, fmt.Errorf("egress of %s: %w", egress.User, err)
		}

		uid, err := strconv.Atoi(account.Uid)
		if err != nil {
			return nil, fmt.Errorf("egress of %s: %w", egress.User, err)
		}

		leaving = append(leaving, walls.Leaving{
			UID:   uid,
			Ports: egress.Allowed(settings),
		})
	}

	return leaving, nil
}

// keepWalls follows the peer set until ctx ends.
func (a *Agent) keepWalls(ctx context.Context, set peerset.Set) {
	for ctx.Err() == nil {
		changed := set.Changed()
		a.raiseWalls(ctx, set.Snapshot())

		select {
		case <-ctx.Done():
		case <-changed:
		case <-time.After(a.Times.QuickEvery):
		}
	}
}
