package galera

import (
	"context"
	"fmt"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// turn is a move about the writer lease, and the lease that it is about.
type turn struct {
	move  WriterMove
	lease peerset.Lease
}

// keepWriter holds, seizes or gives up the writer lease, beside the loop: a long transfer must not keep it from that.
// It acts when its move or the holder changes, and otherwise in its own time. A move that is under way is
// dropped for a newer one: the peer set may be slow just when the writer is lost.
func (d *Driver) keepWriter(ctx context.Context) {
	var last turn
	var acted, kept time.Time
	var moving chan struct{}
	drop := func() {}

	for {
		changed := d.Set.Changed()
		in := d.input()
		state := d.Status().State
		now := turn{
			move:  Writer(in, state),
			lease: in.Peers.Leases[peerset.LeaseWriter],
		}

		switch {
		case now.move != WriterYield:
			kept = time.Now()
		case state == StateDonor && !in.Leave && time.Since(kept) < d.Times.Yield:
			now.move = WriterKeep
		}

		if differs := now != last; differs || moving == nil && time.Since(acted) >= d.again(now) {
			drop()
			wait(moving)

			if differs && now.move == WriterYield {
				d.Log.Info("this node gives the writes up",
					"state", state,
					"reason", d.Status().Reason,
				)
			}

			last, acted = now, time.Now()
			moving, drop = d.begin(ctx, in, now)
		}

		select {
		case <-ctx.Done():
			drop()
			wait(moving)
			return

		case <-moving:
			moving = nil
		case <-changed:
		case <-d.seen:
		case <-time.After(d.turnAfter(now, state, acted)):
		}
	}
}

// turnAfter is when the next turn comes if nobody wakes the keeper: with a state that stands, when a move is
// due again.
func (d *Driver) turnAfter(now turn, state State, acted time.Time) time.Duration {
	if now.move == WriterYield || state != StateSynced {
		return d.Times.Tick
	}

	return max(d.Times.Tick, d.again(now)-time.Since(acted))
}

// again is after what a move is made again. A renewal is written into the log of all members, and there is time
// for three before the lease is another's.
func (d *Driver) again(now turn) time.Duration {
	if now.move == WriterKeep && now.lease.Holder == d.Node && now.lease.Incarnation == d.Incarnation {
		return max(d.Times.WriterTick, d.Times.WriterTTL/renewals)
	}

	return d.Times.WriterTick
}

func wait(moving chan struct{}) {
	if moving != nil {
		<-moving
	}
}

// begin makes a move in the background; the channel closes when it is done, and drop ends it early.
func (d *Driver) begin(ctx context.Context, in Input, t turn) (chan struct{}, context.CancelFunc) {
	ctx, drop := context.WithTimeout(ctx, d.Times.WriterTTL)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer drop()
		if err := d.moveWriter(ctx, in, t.move); err != nil && ctx.Err() == nil {
			d.Log.Debug("writer lease", "move", t.move, "holder", t.lease.Holder, "err", err)
		}
	}()

	return done, drop
}

func (d *Driver) moveWriter(ctx context.Context, in Input, move WriterMove) error {
	switch move {
	case WriterKeep:
		lease, held, err := d.Set.Hold(ctx, peerset.LeaseWriter, d.Times.WriterTTL)
		if err != nil {
			return err
		}
		if held && !in.holdsWriter() {
			d.Log.Info("this node takes the writes", "epoch", lease.Epoch)
		}

	case WriterSeize:
		reason := fmt.Sprintf(
			"%s is not in the primary component of %v",
			in.Peers.Holder(peerset.LeaseWriter),
			in.view(),
		)

		lease, err := d.Set.Seize(ctx, in.Peers.Leases[peerset.LeaseWriter], reason)
		if err != nil {
			return err
		}

		d.Log.Info("this node takes the writes at once", "epoch", lease.Epoch, "reason", reason)

	case WriterYield:
		return d.Set.Release(ctx, in.Peers.Leases[peerset.LeaseWriter])
	}

	return nil
}
