package galera

import (
	"context"
	"time"
)

// act carries out a decision. Each action can run twice; when one fails, the next look decides again.
func (d *Driver) act(ctx context.Context, in Input, action Action) error {
	switch action.Kind {
	case Recover:
		return d.recover(ctx)
	case Bootstrap:
		return d.bootstrap(ctx, action)
	case Conclude:
		return d.conclude(ctx)
	case Reform:
		return d.reform(ctx, action)
	case Join:
		return d.join(ctx, in, action)
	case Stop:
		return d.stop(ctx, action)
	case Disconnect:
		return d.disconnect(ctx)
	case Serve:
		return d.serve(ctx, in)
	case Watch:
		return d.adopt(ctx, in, action)
	}

	return nil
}

// serve forgets earlier trouble, and keeps users and grants as the document has them.
func (d *Driver) serve(ctx context.Context, in Input) error {
	d.update(func(local *Local) { local.resetFailures() })

	// A server that is Synced has all that the transfer was to bring.
	if err := d.Data.EndTransfer(); err != nil {
		return err
	}

	return d.regrant(ctx, in)
}

func (d *Driver) stop(ctx context.Context, action Action) error {
	// A server takes its time to stop, so it is not asked again at every look.
	if time.Since(d.stopping) < d.Times.LeaseTTL {
		return nil
	}

	d.stopping, d.unit = time.Now(), unitState{}
	d.Log.Info("stop the server", "reason", action.Reason)

	return d.Unit.Stop(ctx)
}
