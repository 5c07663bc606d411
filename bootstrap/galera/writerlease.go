package galera

import (
	"context"
	"fmt"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// writerTurn is a move about the writer lease, and the lease that it is about.
type writerTurn struct {
	move  WriterMove
	lease peerset.Lease
}

// writerKeeper is what keepWriter did last. Only its loop touches it.
type writerKeeper struct {
	last   writerTurn
	acted  time.Time
	kept   time.Time     // the last time that the writer was not to give the writes up
	moving chan struct{} // closes when the move under way is done; nil when none is
	drop   context.CancelFunc
}

// keepWriter holds, seizes or gives up the writer lease, beside the loop: a long transfer must not keep it from that.
// It acts when its move or the holder changes, and otherwise in its own time. A move that is under way is dropped for
// a newer one: the peer set may be slow just when the writer is lost.
func (d *Driver) keepWriter(ctx context.Context) {
	k := &writerKeeper{drop: func() {}}
	defer k.dropMove()

	for ctx.Err() == nil {
		// Taken before the look, so that a change during a move wakes the loop.
		changed := d.Set.Changed()
		in := d.input()
		status := d.Status()
		now := d.writerTurn(k, in, status.State)

		differs := now != k.last
		due := k.moving == nil && time.Since(k.acted) >= d.repeatAfter(now)

		if differs || due {
			k.dropMove()

			if differs && now.move == WriterYield {
				d.Log.Info("this node gives the writes up",
					"state", status.State,
					"reason", status.Reason,
				)
			}

			k.last, k.acted = now, time.Now()
			k.moving, k.drop = d.startMove(ctx, in, now)
		}

		select {
		case <-ctx.Done():
		case <-k.moving:
			k.moving = nil
		case <-changed:
		case <-d.seen:
		case <-time.After(d.nextTurn(now, status.State, k.acted)):
		}
	}
}

// writerTurn is the move that is to be made now. A writer that gives its state gets some time before it gives the
// writes up, too.
func (d *Driver) writerTurn(k *writerKeeper, in Input, state State) writerTurn {
	turn := writerTurn{
		move:  Writer(in, state),
		lease: in.Peers.Leases[peerset.LeaseWriter],
	}

	if turn.move != WriterYield {
		k.kept = time.Now()
		return turn
	}

	if state == StateDonor && !in.Leave && time.Since(k.kept) < d.Times.Yield {
		turn.move = WriterKeep
	}

	return turn
}

// nextTurn is how long the keeper waits when nothing wakes it. While the state stays as it is, that is until a move is
// due again.
func (d *Driver) nextTurn(now writerTurn, state State, acted time.Time) time.Duration {
	if now.move == WriterYield || state != StateSynced {
		return d.Times.Tick
	}

	return max(d.Times.Tick, d.repeatAfter(now)-time.Since(acted))
}

// repeatAfter is how long after a move it is made again. A renewal is written into the log of all members, and three
// of them fit into the lease's time.
func (d *Driver) repeatAfter(now writerTurn) time.Duration {
	mine := now.lease.Holder == d.Node && now.lease.Incarnation == d.Incarnation
	if mine && now.move == WriterKeep {
		return max(d.Times.WriterTick, d.Times.WriterTTL/renewals)
	}

	return d.Times.WriterTick
}

// startMove makes a move in the background. The channel closes when it is done, and drop ends it early.
func (d *Driver) startMove(
	ctx context.Context,
	in Input,
	turn writerTurn,
) (done chan struct{}, drop context.CancelFunc) {
	ctx, drop = context.WithTimeout(ctx, d.Times.WriterTTL)
	done = make(chan struct{})

	go func() {
		defer close(done)
		defer drop()

		if err := d.moveWriter(ctx, in, turn.move); err != nil && ctx.Err() == nil {
			d.Log.Debug("writer lease", "move", turn.move, "holder", turn.lease.Holder, "err", err)
		}
	}()

	return done, drop
}

// dropMove ends the move that is under way, and waits until it has ended: two at once would undo each other.
func (k *writerKeeper) dropMove() {
	k.drop()

	if k.moving != nil {
		<-k.moving
	}
}

func (d *Driver) moveWriter(ctx context.Context, in Input, move WriterMove) error {
	switch move {
	case WriterKeep:
		hold := func() (peerset.Lease, bool, error) {
			return d.Set.Hold(ctx, peerset.LeaseWriter, d.Times.WriterTTL)
		}

		// A renewal is no news.
		if in.holdsWriter() {
			_, _, err := hold()
			return err
		}

		lease, held, err := d.gate.take(ctx, in.isVacant(), hold)
		if err != nil {
			return err
		}

		if held {
			d.Log.Info("this node takes the writes", "epoch", lease.Epoch)
		}

	case WriterSeize:
		reason := fmt.Sprintf(
			"%s is not in the primary component of %v",
			in.Peers.Holder(peerset.LeaseWriter),
			in.view(),
		)

		lease, _, err := d.gate.take(ctx, true, func() (peerset.Lease, bool, error) {
			lease, err := d.Set.Seize(ctx, in.Peers.Leases[peerset.LeaseWriter], reason)
			return lease, err == nil, err
		})
		if err != nil {
			return err
		}

		d.Log.Info("this node takes the writes at once", "epoch", lease.Epoch, "reason", reason)

	case WriterYield:
		return d.Set.Release(ctx, in.Peers.Leases[peerset.LeaseWriter])
	}

	return nil
}
