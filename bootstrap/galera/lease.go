package galera

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// under runs work while it holds a lease, renewed all the time, and gives it up afterwards. Work begins when the
// snapshot has caught up with the lease: whatever was written before it can be seen.
func (d *Driver) under(ctx context.Context, name string, work func(context.Context, peerset.Lease) error) error {
	lease, ok, err := d.Set.Hold(ctx, name, d.Times.LeaseTTL)
	if err != nil {
		return fmt.Errorf("take lease %s: %w", name, err)
	}
	if !ok {
		return fmt.Errorf("take lease %s: %w", name, errNotOurs)
	}
	ctx, cancel := context.WithCancel(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		d.renew(ctx, lease)
	}()
	defer func() {
		cancel()
		<-renewed
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.Times.LeaseTTL)
		defer cancel()
		if err := d.Set.Release(ctx, lease); err != nil && !errors.Is(err, peerset.ErrStaleEpoch) {
			d.Log.Warn("release lease", "lease", name, "err", err)
		}
	}()
	if err := d.await(ctx, func(s peerset.Snapshot) bool { return s.Leases[name].Epoch >= lease.Epoch }); err != nil {
		return err
	}
	return work(ctx, lease)
}

// renewals is how often a lease is renewed in its time to live.
const renewals = 4

func (d *Driver) renew(ctx context.Context, lease peerset.Lease) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(d.Times.LeaseTTL / renewals):
		}
		if _, ok, err := d.Set.Hold(ctx, lease.Name, d.Times.LeaseTTL); ctx.Err() == nil && (err != nil || !ok) {
			d.Log.Warn("renew lease", "lease", lease.Name, "held", ok, "err", err)
		}
	}
}

// await waits until the snapshot is as wanted.
func (d *Driver) await(ctx context.Context, wanted func(peerset.Snapshot) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d.Times.LeaseTTL, errors.New("the snapshot did not catch up"))
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
