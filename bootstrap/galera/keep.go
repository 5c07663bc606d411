package galera

import (
	"context"
	"fmt"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// keepWriter holds, seizes or gives up the writer lease, beside the loop: a long transfer must not keep it from that.
// It acts when its move or the holder changes, and otherwise in its own time.
func (d *Driver) keepWriter(ctx context.Context) {
	type turn struct {
		move  WriterMove
		lease peerset.Lease
	}
	var last turn
	var acted time.Time
	for {
		changed := d.Set.Changed()
		in := d.input()
		now := turn{Writer(in, d.Status().State), in.Peers.Leases[peerset.LeaseWriter]}
		if now != last || time.Since(acted) >= d.Times.WriterTick {
			last, acted = now, time.Now()
			if err := d.moveWriter(ctx, in, now.move); err != nil && ctx.Err() == nil {
				d.Log.Debug("writer lease", "move", now.move, "holder", now.lease.Holder, "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-time.After(d.Times.Tick):
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
