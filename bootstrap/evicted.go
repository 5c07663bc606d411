package bootstrap

import (
	"context"
	"errors"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/roles"
)

// rejoinEvery is how often a node that was refused asks to be let in again: another peer set may have been
// rebuilt since.
const rejoinEvery = time.Minute

// takeAnswer acts on what the peer set answered to a heartbeat: a node that is evicted asks to be let in again.
func (a *Agent) takeAnswer(ctx context.Context, err error) {
	switch {
	case err == nil:
		a.setEvicted("")
		return

	case !errors.Is(err, peerset.ErrEvicted):
		if ctx.Err() == nil {
			a.Log.Debug("report", "err", err)
		}

		return
	}

	// The peer set may have been rebuilt from a member that did not know this node yet: then it is let in again.
	if a.rejoin != nil && time.Since(a.rejectedAt) >= rejoinEvery {
		err = a.rejoin(ctx)
		if err == nil {
			a.Log.Info("joined anew: the peer set did not have this node")
			return
		}

		if !errors.Is(err, peerset.ErrEvicted) && !errors.Is(err, peerset.ErrForbidden) {
			// Nobody answered: the next heartbeat tries again.
			return
		}

		a.rejectedAt = time.Now()

		// Who took the name is in the next snapshot.
		wait, cancel := context.WithTimeout(ctx, a.Heartbeat)
		defer cancel()

		_ = a.awaitSnapshot(wait, a.isSucceeded)
	}

	a.setEvicted(err.Error())
	a.setReason("evicted: " + err.Error())
}

func (a *Agent) setEvicted(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()

	a.evicted = why
}

// isCutOff tells whether this node is out of the peer set and must not serve. A client that was replaced serves
// on until it is drained: it has nothing that its successor could miss, and the successor is not there yet.
func (a *Agent) isCutOff() bool {
	a.mu.Lock()
	evicted := a.evicted != ""
	a.mu.Unlock()

	if !evicted {
		return false
	}

	// A member stops at once: its successor may hold its leases already.
	replaced := a.manifest.Peers == roles.Client && a.isSucceeded(a.set.Snapshot())

	return !replaced
}

// isSucceeded tells whether a newer incarnation has this node's name.
func (a *Agent) isSucceeded(s peerset.Snapshot) bool {
	peer, known := s.Peer(a.node.Node)
	return known && peer.Incarnation > a.node.Incarnation
}
