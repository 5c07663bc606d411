package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

var errLeaseLost = errors.New("this node lost the lease")

// renewer keeps leases that this node holds while it does something under them.
type renewer struct {
	set peerset.Set
	ttl time.Duration // after which a lease that is not renewed may be taken by another node
}

func (a *Agent) renewer() renewer {
	return renewer{set: a.set, ttl: a.TaskTTL}
}

// pause leaves room for three renewals.
func (r renewer) pause() time.Duration {
	return r.ttl * 3 / 10
}

// during does something for a time at most, renewing the lease meanwhile. When the lease is lost it ends: somebody
// else may be at it.
func (r renewer) during(
	ctx context.Context,
	lease peerset.Lease,
	span time.Duration,
	do func(context.Context) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()

	ctx, lose := context.WithCancelCause(ctx)
	renewed := make(chan struct{})

	go func() {
		defer close(renewed)

		lose(r.renew(ctx, lease, span))
	}()

	err := do(ctx)

	// The renewal ends before the caller releases the lease: it would take it again.
	lose(nil)
	<-renewed

	return err
}

// renew renews a lease for a time, and ends at once when it is lost: to another, at another epoch, or because
// nobody could be asked for as long as it lives. A node that was frozen finds that out at its first renewal.
func (r renewer) renew(ctx context.Context, lease peerset.Lease, span time.Duration) error {
	end := time.NewTimer(span)
	defer end.Stop()

	for renewed := time.Now(); ; {
		expires := renewed.Add(r.ttl)

		select {
		case <-ctx.Done():
			return nil
		case <-end.C:
			return nil
		case <-time.After(min(r.pause(), time.Until(expires))):
		}

		// The lease lives from when it was asked for, not from the answer.
		asked := time.Now()
		renewing, cancel := context.WithDeadline(ctx, expires)
		now, held, err := r.set.Hold(renewing, lease.Name, r.ttl)
		cancel()

		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, peerset.ErrEvicted), err == nil && (!held || now.Epoch != lease.Epoch):
			return fmt.Errorf("%w %s at epoch %d", errLeaseLost, lease.Name, lease.Epoch)
		case err == nil:
			renewed = asked
		case time.Since(renewed) >= r.ttl:
			return fmt.Errorf("%w %s: not renewed for %s: %w", errLeaseLost, lease.Name, r.ttl, err)
		}
	}
}
