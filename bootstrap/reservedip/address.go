package reservedip

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hornero/hornero/bootstrap/cloud"
)

// idleLooks is how many ticks pass between two looks at the metadata of a node that does not hold the lease.
const idleLooks = 6

// toleratedFailures is how many failures in a row are not reported: the API may only be busy.
const toleratedFailures = 3

// keepAddress has the address assigned to this node while it holds the lease, until ctx ends.
func (k *Keeper) keepAddress(ctx context.Context) {
	for ctx.Err() == nil {
		k.watch(ctx)
		k.checkToken(ctx)

		if k.step(ctx) == StepLook {
			// What was asked is known now: the address need not wait for the next tick.
			k.step(ctx)
		}

		select {
		case <-ctx.Done():
		case <-k.taken:
		case <-time.After(k.Times.Tick):
		}
	}
}

// watch asks the metadata service whether the address is here.
func (k *Keeper) watch(ctx context.Context) {
	k.mu.Lock()
	holds, active := k.holds(time.Now()), k.active
	k.mu.Unlock()

	if !holds && !active && time.Since(k.asked) < idleLooks*k.Times.Tick {
		return
	}

	k.asked = time.Now()
	ctx, cancel := context.WithTimeout(ctx, k.Times.Call)
	defer cancel()

	found, err := k.Metadata.Active(ctx)
	if err != nil {
		k.Log.Debug("look whether the reserved IP is here", "err", err)

		// No answer is no news: the last one stands.
		return
	}

	now, first := found == k.Address, !k.watched
	k.watched = true

	if now == active {
		return
	}

	// The address moved since the API was asked: that answer is out of date.
	k.look = Look{}
	k.change(func() { k.active = now })
	k.Log.Info("reserved IP", "address", k.Address, "here", now)

	// At the first look the address may have been here all along.
	if now && holds && !first {
		k.arrived()
	}
}

func (k *Keeper) arrived() {
	k.mu.Lock()
	epoch, took := k.held.Epoch, time.Since(k.since)
	k.mu.Unlock()

	k.Note(fmt.Sprintf(
		"%s reaches %s (Droplet %d), %.1f s after it took the lease at epoch %d",
		k.Address,
		k.Node,
		k.Droplet,
		took.Seconds(),
		epoch,
	))
}

// checkToken warns once of a token that can do more than it is for.
func (k *Keeper) checkToken(ctx context.Context) {
	if k.checked || time.Now().Before(k.retry) {
		return
	}

	ctx, cancel := context.WithTimeout(ctx, k.Times.Call)
	defer cancel()

	broad, err := k.API.Broad(ctx)
	if err != nil {
		k.failed(err)
		return
	}

	k.checked = true
	k.succeeded()

	if broad {
		text := "the token reads the account, so it can do more than move a reserved IP; give the stack one " +
			"with the scope reserved_ip:update and what that needs"
		k.Log.Warn("reserved IP's token", "warning", text)
		k.change(func() { k.warning = text })
	}
}

// step does the next step, and returns which it was.
func (k *Keeper) step(ctx context.Context) Step {
	k.mu.Lock()
	now := time.Now()
	view := View{
		Now:      now,
		Droplet:  k.Droplet,
		Holds:    k.holds(now),
		Active:   k.active,
		Look:     k.look,
		Action:   k.action,
		Assigned: k.assigned,
		Until:    k.retry,
		Unable:   k.unable,
	}

	// A change is begun only at the epoch at which it was decided.
	epoch := k.held.Epoch
	k.mu.Unlock()

	if k.action != 0 && (!view.Holds || epoch != k.under) {
		// The change was begun under another epoch: whoever holds the lease now looks for himself.
		k.action, view.Action = 0, 0
	}

	next, why := Next(view, k.Times)
	var err error

	switch next {
	case StepRest:
		return next
	case StepLook:
		err = k.lookUp(ctx)
	case StepFollow:
		err = k.follow(ctx)

	case StepAssign:
		k.Log.Info("assign reserved IP",
			"address", k.Address,
			"droplet", k.Droplet,
			"epoch", epoch,
			"reason", why,
		)

		err = k.assign(ctx, epoch)
	}

	if ctx.Err() != nil {
		return next
	}

	// The API was not asked: this is no failure of it.
	if errors.Is(err, errFenced) {
		k.Log.Info("reserved IP is not moved", "err", err)
		return next
	}

	// A token may be allowed to read and not to change: only a change that succeeds ends the trouble.
	if next == StepAssign {
		k.stuck = err != nil
	}

	switch {
	case err != nil:
		k.failed(err)
	case !k.stuck || k.look.Droplet == k.Droplet: // to read is not yet to be allowed to change
		k.stuck = false
		k.succeeded()
	}

	return next
}

func (k *Keeper) lookUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, k.Times.Call)
	defer cancel()

	droplet, locked, err := k.API.Holder(ctx)
	if err == nil {
		k.look = Look{
			Droplet: droplet,
			Locked:  locked,
			At:      time.Now(),
		}
	}

	return err
}

// errFenced means that a change was not begun, because the lease is not what it was, or that cannot be known.
var errFenced = errors.New("the lease may have passed on")

// assign begins the change. The lease is renewed right before, and the call ends before another may take it.
func (k *Keeper) assign(ctx context.Context, epoch int64) error {
	lease, err := k.hold(ctx)
	if err != nil {
		return errors.Join(errFenced, err)
	}

	if lease.Epoch != epoch {
		return errFenced
	}

	k.mu.Lock()
	until := k.until
	k.mu.Unlock()

	// The API cannot refuse a late call: this one must end while the lease is still this node's.
	ctx, cancel := context.WithDeadlineCause(ctx,
		until,
		errors.New("the lease would end before it is known to have succeeded"),
	)
	defer cancel()

	// Whatever comes of it, the API is asked anew.
	k.look = Look{}
	action, err := k.API.Assign(ctx, k.Droplet)
	if err != nil {
		k.Count("failed")
		return err
	}

	k.assigned, k.action, k.under = time.Now(), action.ID, epoch

	return nil
}

var (
	// errChangeFailed is a change that DigitalOcean gave up.
	errChangeFailed = errors.New("DigitalOcean gave the change up")
	// errChangeTimeout is a change that is followed no longer.
	errChangeTimeout = errors.New("the change does not come to its end")
)

func (k *Keeper) follow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, k.Times.Call)
	defer cancel()

	action, err := k.API.Follow(ctx, k.action)
	if errors.Is(err, cloud.ErrMissing) {
		// The API does not know the action any more: where the address is tells how it ended.
		k.action = 0
		return nil
	}

	if err != nil {
		return err
	}

	switch {
	case action.Status == cloud.ActionCompleted:
		k.Count("ok")
		k.action = 0
		return nil

	case action.Status == cloud.ActionErrored:
		err = errChangeFailed
	case time.Since(k.assigned) >= k.Times.LookEvery:
		err = errChangeTimeout
	default:
		return nil
	}

	k.Count("failed")

	k.action = 0

	return fmt.Errorf("assign reserved IP %s: action %d: %w", k.Address, action.ID, err)
}

func (k *Keeper) succeeded() {
	k.failures = 0
	k.retry = time.Time{}
	k.change(func() {
		k.unable, k.problem = false, ""
	})
}

// failed says what went wrong, and when to go on.
func (k *Keeper) failed(err error) {
	k.failures++
	wait := backoff(k.failures, k.Times)
	final := errors.Is(err, cloud.ErrRefused) || errors.Is(err, cloud.ErrMissing)

	// The answer may ask for a longer pause than this node would make.
	if failure := new(cloud.Failure); errors.As(err, &failure) {
		wait = max(wait, failure.After)
	}

	// A token that is refused stays so until somebody replaces it.
	if final {
		wait = k.Times.LongestRetry
	}

	k.retry = time.Now().Add(wait)
	unable := final || k.failures > toleratedFailures
	problem := explained(err)
	k.mu.Lock()
	news := unable && !k.unable
	k.mu.Unlock()
	k.change(func() {
		k.unable, k.problem = unable, problem
	})
	k.Log.Debug("reserved IP", "err", err, "failures", k.failures, "again", wait)

	// One warning for each trouble, however often the call is tried.
	if news {
		k.Log.Warn("reserved IP", "problem", problem)
		k.Note(problem)
	}
}

// explained is what an operator is to do about an error.
func explained(err error) string {
	text := err.Error()
	switch {
	case errors.Is(err, cloud.ErrRefused):
		text += "; the token is not valid any more or not for reserved IPs: `hornero secrets set " +
			"digitalocean.reserved_ip_token`, then `hornero replace` the nodes that have it"
	case errors.Is(err, cloud.ErrMissing):
		text += "; the account has no such reserved IP: correct reserved_ip.address in stack.yaml, then " +
			"`hornero replace` the nodes"
	}

	return text
}
