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

// reported notes what the peer set said to a heartbeat.
func (a *Agent) reported(ctx context.Context, err error) {
	if !errors.Is(err, peerset.ErrEvicted) {
		if err == nil {
			a.setEvicted("")
		} else if ctx.Err() == nil {
			a.Log.Debug("report", "err", err)
		}

		return
	}

	if a.rejoin != nil && time.Since(a.refusedAt) >= rejoinEvery {
		err = a.rejoin(ctx)
		if err == nil {
			a.Log.Info("joined anew: the peer set did not have this node")
			return
		}

		if !errors.Is(err, peerset.ErrEvicted) && !errors.Is(err, peerset.ErrForbidden) {
			return // nobody answers: the next heartbeat tells
		}

		a.refusedAt = time.Now()

		// Who took the name is in the next snapshot.
		wait, cancel := context.WithTimeout(ctx, a.Heartbeat)
		defer cancel()

		_ = a.see(wait, a.succeededIn)
	}

	a.setEvicted(err.Error())
	a.because("evicted: " + err.Error())
}

func (a *Agent) setEvicted(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()

	a.evicted = why
}

// cutOff tells whether this node is out of the peer set and must not serve. A client that was replaced serves
// on until it is drained: it has nothing that its successor could miss, and the successor is not there yet. The
// caller holds the mutex.
func (a *Agent) cutOff() bool {
	return a.evicted != "" && !(a.manifest.Peers == roles.Client && a.succeededIn(a.set.Snapshot()))
}

// succeededIn tells whether a newer incarnation has this node's name.
func (a *Agent) succeededIn(s peerset.Snapshot) bool {
	peer, known := s.Peer(a.node.Node)
	return known && peer.Incarnation > a.node.Incarnation
}
