// Package galera owns the database node's life: it looks at the server, the data directory and the peer set, decides
// purely (Decide, Writer), and acts: start, bootstrap, join, stop. A bootstrap is written to the store before it
// is acted on, and only ever from data at a known position, when every known database node has reported.
//
// It must not know how the peer set works, how configuration is rendered, or what the database is used for.
package galera

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/hornero/hornero/internal/pause"
)

// Driver runs a database node.
type Driver struct {
	Config
	wake pause.Bell
	seen pause.Bell // the server's view or the node's own state changed: the writer may have to move
	gate gate

	mu         sync.Mutex
	local      Local
	leave      time.Time // when the node was told to give its work up; zero while it was not
	status     Status
	quorate    bool // the peer set had a quorum under this agent
	quorumLost bool
	drained    chan struct{}
	transfer   string // how far the state of a donor has come; "" while none does

	// Only the loop touches these.
	pending      Action // the last decision, and since when it stands
	pendingSince time.Time
	retryAt      time.Time
	seqno        int64 // as reported last
	seqnoTime    time.Time
	free         string // as reported last
	freeTime     time.Time
	tried        time.Time // the last attempt to get a turn to join
	stopping     time.Time // the last request to stop
	recovery     recoveryFailures
	goneMarked   bool
	compared     compared
	regrantAt    time.Time // before that users and grants are not tried again
	found        *startup  // a server on its way that this agent did not start
	conditions   conditions
	evicted      map[string]string // the last member that was evicted, by node
	polling      polling
	observed     observation
	unit         unitState
}

// Run drives the node until ctx ends. The server goes on without its driver.
func (d *Driver) Run(ctx context.Context) error {
	var writer sync.WaitGroup
	writer.Go(func() { d.keepWriter(ctx) })
	defer writer.Wait()

	for ctx.Err() == nil {
		// Taken before the step, so that a change during the step wakes the loop.
		changed := d.Set.Changed()

		if err := d.step(ctx); err != nil && ctx.Err() == nil {
			d.Log.Warn("drive the database node", "err", err)
			pause.For(ctx, d.Times.Pause)
		}

		select {
		case <-ctx.Done():
		case <-changed:
		case <-d.wake:
		case <-d.Notified:
			d.polling.notified()
		case member := <-d.Database.Ended():
			d.serverEnded(member)
		case <-time.After(d.pollInterval()):
		}
	}

	return nil
}

// Drain makes the node give its work up: another takes the writes, then the server stops. It returns when it has.
func (d *Driver) Drain(ctx context.Context, _ time.Duration) error {
	d.mu.Lock()
	// The grace begins with the first request; a second one does not prolong it.
	if d.leave.IsZero() {
		d.leave = time.Now()
	}
	d.mu.Unlock()

	d.wake.Ring()

	select {
	case <-d.drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("drain the database node: %s: %w", d.Status().Reason, ctx.Err())
	}
}

func (d *Driver) step(ctx context.Context) error {
	if err := d.look(ctx); err != nil {
		// An agent that was stopped has learned nothing: what it last said still holds.
		if ctx.Err() != nil {
			return err
		}

		// What the node last said of itself holds no longer.
		in := d.input()
		d.publish(in, Decide(in))

		return err
	}

	in := d.resetOnChange(d.input())
	d.rememberGone(in)
	d.openOrClose(ctx, in)

	// Nobody can commit while a member that ended is in the view, so this does not wait for a decision.
	d.evictEnded(ctx, in)

	action := Decide(in)
	d.publish(in, action)

	// A server that is on its way no more must not be followed as the one that was found.
	if action.Kind != Watch {
		d.found = nil
	}

	if !d.standsLongEnough(action) {
		return nil
	}

	return d.act(ctx, in, action)
}

// openOrClose comes before the node is told to be well: a writer that was down is open when its clients come back.
func (d *Driver) openOrClose(ctx context.Context, in Input) {
	if in.Local.Process != ProcessRunning {
		return
	}

	// The next look tries again.
	if err := d.gate.follow(ctx, in); err != nil && ctx.Err() == nil {
		d.Log.Warn("open or close the server to writes", "err", err)
	}
}

// standsLongEnough tells whether an action has been the decision for its whole delay.
func (d *Driver) standsLongEnough(action Action) bool {
	now := time.Now()

	same := d.pending.Kind == action.Kind &&
		d.pending.Wipe == action.Wipe &&
		d.pending.Delay == action.Delay &&
		d.pending.Position == action.Position &&
		maps.Equal(d.pending.Evidence, action.Evidence)
	if !same {
		d.pending, d.pendingSince = action, now
	}

	delay := time.Duration(float64(action.Delay) * d.Times.DelayScale)

	return now.Sub(d.pendingSince) >= delay
}

func (d *Driver) input() Input {
	snapshot := d.Set.Snapshot()

	d.mu.Lock()
	defer d.mu.Unlock()

	// A peer set that lost its quorum shows the dead as alive for a while when it has it back.
	d.quorate = d.quorate || snapshot.Quorum
	d.quorumLost = d.quorumLost || (d.local.Served || d.quorate) && !snapshot.Quorum

	return Input{
		Node:        d.Node,
		Role:        d.Role,
		Arbitrators: d.Arbitrators,
		Incarnation: d.Incarnation,
		Founder:     d.Founder,
		Expected:    d.Expected,
		Local:       d.local,
		Peers:       snapshot,
		Leave:       !d.leave.IsZero(),
		DrainGrace:  time.Since(d.leave) < d.Times.DrainGrace,
		JustEnded:   time.Since(d.local.Ended) < d.Times.ViewTimeout,
		BackingOff:  time.Now().Before(d.retryAt),
		QuorumLost:  d.quorumLost,
	}
}
