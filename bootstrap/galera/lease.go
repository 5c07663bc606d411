package galera

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
)

// under runs work while it holds a lease, renewed all the time, and gives it up afterwards. Work begins when the
// snapshot has caught up with the lease: whatever was written before it can be seen. It ends when the lease is lost.
func (d *Driver) under(ctx context.Context, name string, work func(context.Context, peerset.Lease) error) error {
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
		<-renewed

		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.Times.LeaseTTL)
		defer cancel()

		if err := d.Set.Release(ctx, lease); err != nil && !errors.Is(err, peerset.ErrStaleEpoch) {
			d.Log.Warn("release lease", "lease", name, "err", err)
		}
	}()

	if err := d.await(ctx, func(s peerset.Snapshot) bool {
		return s.Leases[name].Epoch >= lease.Epoch
	}); err != nil {
		return err
	}

	err = work(ctx, lease)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errLost) {
		return cause
	}

	return err
}

// errLost says that work ended because another node may have its lease by now.
var errLost = errors.New("the lease is lost")

// renewals is how often a lease is renewed in its time to live.
const renewals = 4

// renew keeps a lease until ctx ends, or returns that it is lost: another holds it, or nobody answered for so
// long that another may. The turn to join is not lost to silence: it saves the donors work and keeps nothing
// safe, and a node that loses sight of the peer set in the middle of a transfer may join without a turn anyway.
func (d *Driver) renew(ctx context.Context, lease peerset.Lease, answered time.Time) error {
	// what is to be safe: it is over when its time is, whoever is being asked
	keeps := lease.Name == peerset.LeaseGaleraBootstrap
	for {
		wait := d.Times.LeaseTTL / renewals
		if keeps {
			wait = min(wait, time.Until(answered.Add(d.Times.LeaseTTL)))
		}

		if !pause.For(ctx, wait) {
			return nil
		}

		within := d.Times.LeaseTTL / renewals
		if keeps {
			within = min(within, time.Until(answered.Add(d.Times.LeaseTTL)))
		}

		asked := time.Now()
		held, ok, err := d.hold(ctx, lease.Name, within)

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
		case keeps && time.Since(answered) >= d.Times.LeaseTTL:
			return fmt.Errorf("renew lease %s: %w: %w", lease.Name, errLost, err)
		default:
			d.Log.Warn("renew lease", "lease", lease.Name, "err", err)
		}
	}
}

// hold asks for a lease, and not for longer than leaves time to ask again.
func (d *Driver) hold(ctx context.Context, name string, within time.Duration) (peerset.Lease, bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, within, errors.New("the peer set did not answer"))
	defer cancel()
	return d.Set.Hold(ctx, name, d.Times.LeaseTTL)
}

// await waits until the snapshot is as wanted.
func (d *Driver) await(ctx context.Context, wanted func(peerset.Snapshot) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx,
		d.Times.LeaseTTL,
		errors.New("the snapshot did not catch up"),
	)
	defer cancel()

	for {
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

// heard waits a little until the peers know that this node is synced: the next joiner may want it for a donor.
func (d *Driver) heard(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.Times.WriterTTL)
	defer cancel()

	err := d.await(ctx, func(s peerset.Snapshot) bool {
		peer, ok := s.Peer(d.Node)
		return ok && peer.State == string(d.Status().State)
	})

	if ctx.Err() != nil {
		return nil
	}

	return err
}
