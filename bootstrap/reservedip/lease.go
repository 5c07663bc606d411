package reservedip

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
)

// renewals is how often a lease is renewed in its time to live.
const renewals = 4

// keepLease takes, renews and gives up the lease until ctx ends.
func (k *Keeper) keepLease(ctx context.Context) {
	for ctx.Err() == nil {
		changed := k.Set.Changed()
		wait := k.Times.TTL / renewals

		if err := k.stepLease(ctx); err == nil {
			// This node has the lease: what the others do does not matter to it.
			changed = nil
		} else {
			// A renewal that nobody answered is made up for; another's time may be up.
			wait = min(wait, k.Times.Tick)
		}

		select {
		case <-ctx.Done():
		case <-time.After(wait):
		case <-changed: // the holder may have given it up
			pause.For(ctx, k.Times.Tick/renewals)
		}
	}
}

// stepLease does what is to be done about the lease; nil when this node has it.
func (k *Keeper) stepLease(ctx context.Context) error {
	c := k.circumstances()

	want, why := Wants(c, k.Times)

	// This is decided several times a second: only a new reason is logged.
	if why != k.why {
		k.Log.Debug("reserved IP's lease", "holds", c.Holds, "wants", want, "reason", why)
		k.why = why
	}

	if want {
		_, err := k.hold(ctx)
		if err != nil && ctx.Err() == nil {
			k.Log.Debug("hold reserved IP's lease", "err", err)
		}

		return err
	}

	if c.Holds {
		k.Log.Info("reserved IP is given up", "address", k.Address, "reason", why)
		k.release(ctx, !c.Leaving)
	}

	return errNotHeld
}

func (k *Keeper) circumstances() Circumstances {
	healthy, leaving := k.Health()
	snapshot := k.Set.Snapshot()

	k.mu.Lock()
	defer k.mu.Unlock()

	// A node that has the address serves by it, whatever the API says.
	unable := k.unable && !k.active

	if fit := healthy && !unable; fit != k.fit {
		k.fit, k.steady = fit, time.Now()
	}

	return Circumstances{
		Node:    k.Node,
		Role:    k.Role,
		Peers:   snapshot,
		Holds:   k.held.Epoch != 0,
		Healthy: healthy,
		Leaving: leaving || k.left,
		Unable:  unable,
		Steady:  time.Since(k.steady),
		Gave:    k.gave,
	}
}

// errNotHeld means that this node does not hold the lease.
var errNotHeld = errors.New("this node does not hold the lease")

// hold takes or renews the lease. No answer is no loss before another may take it.
func (k *Keeper) hold(ctx context.Context) (peerset.Lease, error) {
	// The members may have begun to count at the call, however late their answer comes.
	asked := time.Now()
	silent := errors.New("the peer set did not answer")

	// Half the time to live leaves room for one more attempt.
	ctx, cancel := context.WithTimeoutCause(ctx, k.Times.TTL/2, silent)
	defer cancel()

	lease, ok, err := k.Set.Hold(ctx, k.lease, k.Times.TTL)

	k.mu.Lock()
	defer k.mu.Unlock()

	before := k.held

	switch {
	case errors.Is(err, peerset.ErrEvicted) || err == nil && !ok:
		k.held = peerset.Lease{}
		if before.Epoch != 0 {
			k.Log.Info("reserved IP's lease is lost", "epoch", before.Epoch, "holder", lease.Holder)
		}

		return lease, errors.Join(errNotHeld, err)

	case err != nil:
		return lease, fmt.Errorf("hold lease %s: %w", k.lease, err)
	}

	k.held = lease
	until := asked.Add(k.Times.TTL)

	if before.Epoch == lease.Epoch {
		// Another call may have asked later and been answered sooner.
		if until.After(k.until) {
			k.until = until
		}

		return lease, nil
	}

	k.until, k.since, k.gave = until, asked, false
	k.taken.Ring()
	k.Log.Info("reserved IP's lease is held", "address", k.Address, "epoch", lease.Epoch)

	return lease, nil
}

// release gives the lease up; unfit says that it is for this node's own trouble.
func (k *Keeper) release(ctx context.Context, unfit bool) {
	// Nothing is done under the lease from here on, whether the peer set hears of it or not.
	k.mu.Lock()
	lease := k.held
	k.held = peerset.Lease{}
	k.gave = k.gave || unfit
	k.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, k.Times.TTL)
	defer cancel()

	if err := k.Set.Release(ctx, lease); err != nil && !errors.Is(err, peerset.ErrStaleEpoch) {
		// The lease expires by itself soon.
		k.Log.Warn("release reserved IP's lease", "err", err)
	}
}

// Leave gives the address up for good, and waits a little until another node has it: who comes by it is then served
// elsewhere.
func (k *Keeper) Leave(ctx context.Context) {
	k.mu.Lock()
	k.left = true
	held := k.held.Epoch != 0
	k.mu.Unlock()

	if !held {
		return
	}

	k.Log.Info("reserved IP is given up",
		"address", k.Address,
		"reason", "this node gives its work up",
	)

	k.release(ctx, false)

	ctx, cancel := context.WithTimeout(ctx, k.Times.HandOver)
	defer cancel()

	for !k.elsewhere() {
		changed := k.Set.Changed()
		select {
		case <-ctx.Done():
			k.Log.Warn("no other node has the reserved IP yet", "address", k.Address)
			return
		case <-changed:
		case <-time.After(k.Times.Tick):
		}
	}
}

// elsewhere tells whether another node holds the lease and says that the address reaches it, or none could.
func (k *Keeper) elsewhere() bool {
	c := k.circumstances()
	holder, known := c.Peers.Peer(c.Peers.Holder(k.lease))
	if known && holder.Name != k.Node && holder.Facts[peerset.FactReservedIP] == peerset.ReservedIPActive {
		return true
	}

	return c.fitOthers() == 0
}
