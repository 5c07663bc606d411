package galera

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
)

// errNotOurs says that it is another node's turn.
var errNotOurs = errors.New("another node holds the lease")

// errLost says that work ended because another node may have its lease by now.
var errLost = errors.New("the lease is lost")

// renewals is how often a lease is renewed in its time to live.
const renewals = 4

// withLease runs work while it holds a lease, renewed all the time, and gives it up afterwards. Work begins when the
// snapshot has caught up with the lease: whatever was written before it can be seen. It ends when the lease is lost.
func (d *Driver) withLease(ctx context.Context, name string, work func(context.Context, peerset.Lease) error) error {
	// The lease's time counts from before the request: the answer may have been long on its way.
	asked := time.Now()
	lease, ok, err := d.Set.Hold(ctx, name, d.Times.LeaseTTL)
	if err != nil {
		return fmt.Errorf("take lease %s: %w", name, err)
	}

	if !ok {
		return fmt.Errorf("take lease %s: %w", name, errNotOurs)
	}

	ctx, cancel := context.WithCancelCause(ctx)
	renewed := make(chan struct{})

	go func() {
		defer close(renewed)

		if err := d.renew(ctx, lease, asked); err != nil {
			cancel(err)
		}
	}()

	defer func() {
		cancel(nil)

		// A renewal that comes after the release would take the lease again.
		<-renewed
		d.release(ctx, lease)
	}()

	// Work must see all that the lease's last holder wrote.
	err = d.waitFor(ctx, func(s peerset.Snapshot) bool {
		return s.Leases[name].Epoch >= lease.Epoch
	})
	if err != nil {
		return err
	}

	// Work that broke off says only that its context ended. The cause says why.
	err = work(ctx, lease)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errLost) {
		return cause
	}

	return err
}

// release gives a lease up, also when the work was cut off.
func (d *Driver) release(ctx context.Context, lease peerset.Lease) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.Times.LeaseTTL)
	defer cancel()

	err := d.Set.Release(ctx, lease)
	if err != nil && !errors.Is(err, peerset.ErrStaleEpoch) {
		d.Log.Warn("release lease", "lease", lease.Name, "err", err)
	}
}

// renew keeps a lease until ctx ends, or returns that it is lost: another holds it, or nobody answered for so long
// that another may. The turn to join is not lost to silence. It saves the donors work and keeps nothing safe, and a
// node that loses sight of the peer set in the middle of a transfer may join without a turn anyway.
func (d *Driver) renew(ctx context.Context, lease peerset.Lease, answered time.Time) error {
	keepsSafe := lease.Name == peerset.LeaseGaleraBootstrap

	// A lease that keeps something safe is over when its time is, whoever is being asked.
	within := func() time.Duration {
		interval := d.Times.LeaseTTL / renewals
		if !keepsSafe {
			return interval
		}

		return min(interval, time.Until(answered.Add(d.Times.LeaseTTL)))
	}

	for pause.For(ctx, within()) {
		asked := time.Now()
		held, ok, err := d.tryHold(ctx, lease.Name, within())

		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, peerset.ErrEvicted):
			return fmt.Errorf("renew lease %s: %w: %w", lease.Name, errLost, err)

		case err == nil && (!ok || held.Epoch != lease.Epoch):
			return fmt.Errorf(
				"renew lease %s: %w: %s holds it at epoch %d",
				lease.Name,
				errLost,
				held.Holder,
				held.Epoch,
			)

		case err == nil:
			answered = asked
		case keepsSafe && time.Since(answered) >= d.Times.LeaseTTL:
			return fmt.Errorf("renew lease %s: %w: %w", lease.Name, errLost, err)
		default:
			d.Log.Warn("renew lease", "lease", lease.Name, "err", err)
		}
	}

	return nil
}

// tryHold asks for a lease, and not for longer than leaves time to ask again.
func (d *Driver) tryHold(ctx context.Context, name string, within time.Duration) (peerset.Lease, bool, error) {
	silent := errors.New("the peer set did not answer")
	ctx, cancel := context.WithTimeoutCause(ctx, within, silent)
	defer cancel()

	return d.Set.Hold(ctx, name, d.Times.LeaseTTL)
}

// waitFor waits until the snapshot is as wanted.
func (d *Driver) waitFor(ctx context.Context, wanted func(peerset.Snapshot) bool) error {
	late := errors.New("the snapshot did not catch up")
	ctx, cancel := context.WithTimeoutCause(ctx, d.Times.LeaseTTL, late)
	defer cancel()

	for {
		// Taken before the snapshot, so that no change is missed in between.
		changed := d.Set.Changed()

		if wanted(d.Set.Snapshot()) {
			return nil
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the peer set: %w", context.Cause(ctx))
		case <-changed:
		case <-time.After(d.Times.Tick):
		}
	}
}

// waitPublished waits a little until the peers know that this node is synced: the next joiner may want it for a donor.
func (d *Driver) waitPublished(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.Times.WriterTTL)
	defer cancel()

	err := d.waitFor(ctx, func(s peerset.Snapshot) bool {
		peer, ok := s.Peer(d.Node)
		return ok && peer.State == string(d.Status().State)
	})

	// The turn ends anyway. The wait was only to help the next joiner to a donor.
	if ctx.Err() != nil {
		return nil
	}

	return err
}
