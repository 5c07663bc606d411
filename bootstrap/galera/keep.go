package galera

import (
	"context"
	"fmt"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// keepWriter holds, seizes or gives up the writer lease, beside the loop: a long transfer must not keep it from that.
func (d *Driver) keepWriter(ctx context.Context) {
	var last WriterMove
	for {
		changed := d.Set.Changed()
		in := d.input()
		move := Writer(in, d.Status().State)
		if move != last {
			d.Log.Debug("writer lease", "move", move, "holder", in.Peers.Holder(peerset.LeaseWriter))
			last = move
		}
		if err := d.moveWriter(ctx, in, move); err != nil && ctx.Err() == nil {
			d.Log.Debug("writer lease", "move", move, "err", err)
		}
		pause := d.Times.WriterTick
		if move == WriterPass {
			changed = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
			// Somebody else's change: look again, but do not let a busy peer set make a busy loop.
			if !sleep(ctx, d.Times.Tick/2) {
				return
			}
		case <-time.After(pause):
		}
	}
}

func sleep(ctx context.Context, pause time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return true
	}
}

func (d *Driver) moveWriter(ctx context.Context, in Input, move WriterMove) error {
	ctx, cancel := context.WithTimeout(ctx, d.Times.WriterTTL)
	defer cancel()
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
		reason := fmt.Sprintf("%s is not in the primary component of %v", in.Peers.Holder(peerset.LeaseWriter), in.view())
		lease, err := d.Set.Seize(ctx, peerset.LeaseWriter, reason)
		if err != nil {
			return err
		}
		d.Log.Info("this node takes the writes at once", "epoch", lease.Epoch, "reason", reason)
	case WriterYield:
		d.Log.Info("this node gives the writes up", "state", d.Status().State)
		return d.Set.Release(ctx, in.Peers.Leases[peerset.LeaseWriter])
	}
	return nil
}
