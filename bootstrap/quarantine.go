package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hornero/hornero/bootstrap/immutable"
	"github.com/hornero/hornero/bootstrap/peerset"
)

var (
	errNothingToCompare = errors.New(
		"this node is not configured yet, so there is nothing to compare; `hornero-bootstrap status` says what " +
			"it waits for",
	)
	errOther = errors.New("another node of the role is giving its work up")
)

// quarantineLease, after the role's name and a dot, is the lease under which a node of the role gives its work up.
const quarantineLease = "quarantine"

const (
	quarantineTTL = 10 * time.Second
	// drainPatience bounds how long a node in quarantine takes to give its work up; it is out of everybody's
	// way by then.
	drainPatience = 5 * time.Minute
)

// judge does about drift what the stack wants done.
func (a *Agent) judge(ctx context.Context) {
	move, reason := immutable.Decide(a.situation())
	if move == immutable.Leave {
		if err := a.leaveWork(ctx, reason); err != nil && ctx.Err() == nil {
			move, reason = immutable.Hold, err.Error()
		}
	}

	a.mu.Lock()
	defer a.mu.Unlock()

	switch move {
	case immutable.Back:
		a.Log.Info("quarantine ends", "reason", reason)
		a.truth.image.Quarantine = ""

	case immutable.Hold:
		if a.truth.image.Held != reason {
			a.Log.Warn("drift, and no quarantine", "reason", reason)
		}

		a.truth.image.Held = reason

		return
	}

	a.truth.image.Held = ""
}

func (a *Agent) situation() immutable.Situation {
	a.mu.Lock()
	defer a.mu.Unlock()

	return immutable.Situation{
		Action:      a.truth.image.Action,
		Drift:       a.truth.image.DriftFiles,
		Node:        a.node.Node,
		Role:        a.node.Role,
		Peers:       a.set.Snapshot(),
		Quarantined: a.truth.image.Quarantine != "",
		Returns:     a.driver == nil,
	}
}

// leaveWork gives the node's work up, under a lease: two nodes that drift at once must not each take the other
// for the one that stays. The lease is given up when the peer set knows that this node does not serve.
func (a *Agent) leaveWork(ctx context.Context, reason string) error {
	name := a.node.Role + "." + quarantineLease
	lease, held, err := a.set.Hold(ctx, name, quarantineTTL)
	if err != nil {
		return fmt.Errorf("take lease %s: %w", name, err)
	}

	if !held {
		return errOther
	}

	err = a.under(ctx, lease, drainPatience, func(ctx context.Context) error {
		return a.leaveUnder(ctx, lease, reason)
	})
	after, done := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer done()

	if released := a.set.Release(after, lease); released != nil {
		a.Log.Debug("release lease", "lease", name, "err", released)
	}

	return err
}

// leaveUnder decides again from what the peer set says after the lease was taken, leaves, and waits until that
// is known.
func (a *Agent) leaveUnder(ctx context.Context, lease peerset.Lease, reason string) error {
	if err := a.see(ctx, func(s peerset.Snapshot) bool {
		return s.Leases[lease.Name].Epoch >= lease.Epoch
	}); err != nil {
		return err
	}

	if move, why := immutable.Decide(a.situation()); move != immutable.Leave {
		return errors.New(why)
	}

	a.Log.Warn("quarantine: this node gives its work up; replace it", "reason", reason)
	a.note(peerset.EventQuarantine, reason)
	a.mu.Lock()
	driven := a.driver != nil
	a.mu.Unlock()

	if driven { // it hands over first, and only then stops to serve
		if err := a.Drain(ctx); err != nil {
			a.Log.Warn("drain", "err", err)
		}
	}

	a.mu.Lock()
	a.truth.image.Quarantine = reason
	a.mu.Unlock()

	return a.see(ctx, func(s peerset.Snapshot) bool {
		peer, ok := s.Peer(a.node.Node)
		return ok && peer.Draining && !peer.Healthy
	})
}

// see waits until the snapshot is as wanted.
func (a *Agent) see(ctx context.Context, wanted func(peerset.Snapshot) bool) error {
	for {
		changed := a.set.Changed()

		if wanted(a.set.Snapshot()) {
			return nil
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the peer set: %w", ctx.Err())
		case <-changed:
		case <-time.After(a.Heartbeat):
		}
	}
}
