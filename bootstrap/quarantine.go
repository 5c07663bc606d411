package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hornero/hornero/bootstrap/immutable"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/status"
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
	// drainPatience bounds how long a node in quarantine takes to give its work up; by then nobody uses it any more.
	drainPatience = 5 * time.Minute
)

// fileDrift tells what somebody did to the files that the agent wrote.
func (a *Agent) fileDrift() ([]status.Finding, error) {
	return a.files.drift(a.manifest.Templates)
}

// surroundings are what this node and the peer set say that a quarantine depends on.
func (a *Agent) surroundings() immutable.Situation {
	a.mu.Lock()
	defer a.mu.Unlock()

	return immutable.Situation{
		Node:    a.node.Node,
		Role:    a.node.Role,
		Peers:   a.set.Snapshot(),
		Returns: a.driver == nil, // a server that was stopped is not started again
	}
}

// giveUpWork gives the node's work up, under a lease: two nodes that drift at once must not each take the other
// for the one that stays. The lease is given up when the peer set knows that this node does not serve.
func (a *Agent) giveUpWork(ctx context.Context, reason string) error {
	name := a.node.Role + "." + quarantineLease

	lease, held, err := a.set.Hold(ctx, name, quarantineTTL)
	if err != nil {
		return fmt.Errorf("take lease %s: %w", name, err)
	}

	if !held {
		return errOther
	}

	err = a.renewer().during(ctx, lease, drainPatience, func(ctx context.Context) error {
		return a.giveUpUnder(ctx, lease, reason)
	})

	// The lease is released also when ctx ended: the next node need not wait until it expires.
	after, done := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer done()

	if released := a.set.Release(after, lease); released != nil {
		a.Log.Debug("release lease", "lease", name, "err", released)
	}

	return err
}

// giveUpUnder decides again from what the peer set says after the lease was taken, leaves, and waits until that
// is known.
func (a *Agent) giveUpUnder(ctx context.Context, lease peerset.Lease, reason string) error {
	// Another node may have left under the lease before: a snapshot as new as the lease shows that.
	err := a.awaitSnapshot(ctx, func(s peerset.Snapshot) bool {
		return s.Leases[lease.Name].Epoch >= lease.Epoch
	})
	if err != nil {
		return err
	}

	if move, why := a.watch.decide(); move != immutable.Leave {
		return errors.New(why)
	}

	a.Log.Warn("quarantine: this node gives its work up; replace it", "reason", reason)
	a.note(peerset.EventQuarantine, reason)

	a.mu.Lock()
	driven := a.driver != nil
	a.mu.Unlock()

	// It hands over first, and only then stops to serve.
	if driven {
		if err := a.Drain(ctx, 0); err != nil {
			a.Log.Warn("drain", "err", err)
		}
	}

	a.watch.setQuarantine(reason)

	// The next node decides by the peer set: the lease is kept until that knows of this one.
	return a.awaitSnapshot(ctx, func(s peerset.Snapshot) bool {
		peer, ok := s.Peer(a.node.Node)
		return ok && peer.Draining && !peer.Healthy
	})
}

// awaitSnapshot waits until the peer set is as wanted.
func (a *Agent) awaitSnapshot(ctx context.Context, wanted func(peerset.Snapshot) bool) error {
	for {
		// The channel is taken before the snapshot is read, so that no change falls in between.
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

// Drift compares the whole node at once, returns everything that is not as it was baked or written, and has it
// acted on.
func (a *Agent) Drift(ctx context.Context) (status.Image, error) {
	a.mu.Lock()
	ready := a.phase == PhaseServing
	a.mu.Unlock()

	if !ready || a.Image == nil {
		return status.Image{}, errNothingToCompare
	}

	return a.watch.checkNow(ctx)
}

func (a *Agent) serveDrift(w http.ResponseWriter, r *http.Request) {
	found, err := a.Drift(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}

	w.Header().Set("Content-Type", "application/json")

	// An error means that the caller went away.
	_ = json.NewEncoder(w).Encode(found)
}
