package lock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hornero/hornero/internal/pause"
)

// Held is the lock of one run: being taken, held, or lost.
type Held struct {
	locker  Locker
	request Request

	stop  func()        // ends the taking and the renewals
	taken chan struct{} // is closed once it is known whether the lock was taken
	err   error         // why it was not; to be read once taken is closed
	done  chan struct{} // is closed after the last renewal

	// Only what takes the lock changes these, before taken is closed.
	claim   Claim
	foreign string // somebody else's text, to be put back
	touched bool   // a claim may have been written
	late    bool   // a claim may have been written later than others expect

	checking sync.Mutex // lets one check ask, and the others have its answer

	mutex sync.Mutex
	step  string
	good  time.Time // when the last renewal that was done was begun
	seen  time.Time // when the claim was last seen
	lost  error
}

// Wait waits until the lock is taken, and tells why when it is not: ErrLocked, or what kept it from being read.
func (h *Held) Wait(ctx context.Context) error {
	select {
	case <-h.taken:
		return h.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Step notes how far the run is, for whoever looks at the lock.
func (h *Held) Step(text string) {
	h.mutex.Lock()
	defer h.mutex.Unlock()

	h.step = strings.Join(strings.Fields(text), " ")
}

// Check reads whether the run still has the lock, right before a removal. Its error is ErrLost when it has not.
func (h *Held) Check(ctx context.Context) error {
	if err := h.Wait(ctx); err != nil {
		return err
	}

	h.checking.Lock()
	defer h.checking.Unlock()

	h.mutex.Lock()
	lost, fresh := h.lost, time.Since(h.seen) < h.locker.Times.Fresh
	h.mutex.Unlock()

	if lost != nil || fresh {
		return lost
	}

	ctx, cancel := context.WithTimeout(ctx, h.locker.Times.Call)
	defer cancel()

	left, err := h.left(ctx)

	// What is removed has to be gone before another run may begin.
	if err == nil && left < h.locker.Times.Call {
		err = h.renew(ctx)
	}

	if errors.Is(err, ErrLost) {
		h.drop(err)
	}

	return err
}

// Release gives the lock back; a lock that was not taken, or was lost, is no error. It has a time of its own, as the
// context of the run may have ended.
func (h *Held) Release(ctx context.Context) error {
	h.stop()
	<-h.done

	if !h.touched {
		return nil
	}

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.locker.Times.Call)
	defer cancel()

	// Also a claim that ended meanwhile: somebody else's text is put back.
	found, _, err := h.locker.read(ctx)
	if err == nil && found.claim.Nonce == h.claim.Nonce {
		err = h.locker.Register.Write(ctx, resting(h.foreign))
	}

	// Gone, or another's: there is nothing to give back.
	if errors.Is(err, ErrGone) || errors.Is(err, ErrLocked) {
		return nil
	}

	return err
}

// keep renews the claim until the lock is given back, or lost.
func (h *Held) keep(ctx context.Context) {
	next := h.locker.Times.Refresh
	var last error

	for pause.For(ctx, next) {
		err := h.renewInTime(ctx)

		switch {
		case ctx.Err() != nil:
			return

		case err == nil:
			next = h.locker.Times.Refresh

		case h.remaining() <= 0:
			h.drop(lost("it could not be renewed for %s: %v", h.locker.Times.Silence, cmp.Or(last, err)))
			return

		case errors.Is(err, ErrLost):
			h.drop(err)
			return

		default:
			last = err
			next = min(h.locker.Times.Poll, h.remaining())
		}
	}
}

// renewInTime gives up when the lock counts as lost.
func (h *Held) renewInTime(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.remaining())
	defer cancel()

	return h.renew(ctx)
}

// remaining is how long the run may go on without a renewal.
func (h *Held) remaining() time.Duration {
	h.mutex.Lock()
	defer h.mutex.Unlock()

	return h.locker.Times.Silence - time.Since(h.good)
}

// renew writes the claim with a later end, if it is there.
func (h *Held) renew(ctx context.Context) error {
	asked := time.Now()

	found, now, err := h.mine(ctx)
	if errors.Is(err, ErrGone) && h.request.Leaving {
		h.renewed(asked) // it was removed with the stack, and nobody else can have it
		return nil
	}

	if err != nil {
		return err
	}

	// What somebody wrote beside the claim is kept.
	claim := found.claim
	claim.Step = h.now()
	claim.Until = now.Add(h.locker.Times.Term)
	text, _ := claim.text(found.foreign)

	if err := h.write(ctx, text); err != nil {
		return err
	}

	// Another run may have seen the claim end meanwhile. The clock tells whole seconds.
	if time.Since(asked) >= found.claim.Until.Sub(now)-time.Second {
		return fmt.Errorf("renew the lock of the stack: %w in time", errUnsure)
	}

	h.renewed(asked)

	return nil
}

// left is how long the claim is still good for.
func (h *Held) left(ctx context.Context) (time.Duration, error) {
	found, now, err := h.mine(ctx)
	if err != nil {
		return 0, err
	}

	h.mutex.Lock()
	defer h.mutex.Unlock()

	h.seen = time.Now()

	return found.claim.Until.Sub(now), nil
}

// mine reads the run's claim; its error is ErrLost where it is not there or has ended.
func (h *Held) mine(ctx context.Context) (entry, time.Time, error) {
	found, now, err := h.locker.read(ctx)

	switch {
	case errors.Is(err, ErrGone) && !h.request.Leaving:
		err = lost("the stack's network is gone")

	case err != nil:
		// Nobody knows: it may be there.

	case !found.held:
		err = lost("somebody took it away")

	case found.claim.Nonce != h.claim.Nonce:
		err = lost("%s", describe(found.claim, now))

	case !now.Before(found.claim.Until):
		err = lost("it ended before it was renewed; did this machine sleep?")
	}

	return found, now, err
}

func (h *Held) renewed(asked time.Time) {
	h.mutex.Lock()
	defer h.mutex.Unlock()

	h.good = asked
	h.seen = time.Now()
}

func (h *Held) now() string {
	h.mutex.Lock()
	defer h.mutex.Unlock()

	return h.step
}

// drop ends the work.
func (h *Held) drop(why error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()

	if h.lost == nil {
		h.lost = why
	}

	if h.locker.Lose != nil {
		h.locker.Lose(h.lost)
	}
}

// textAt is the claim's text when the register's clock says now.
func (h *Held) textAt(now time.Time) string {
	claim := h.claim
	claim.Step = h.now()
	claim.Until = now.Add(h.locker.Times.Term)
	text, _ := claim.text(h.foreign)

	return text
}

func (h *Held) write(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, h.locker.Times.Call)
	defer cancel()

	return h.locker.Register.Write(ctx, text)
}

func lost(format string, args ...any) error {
	why := fmt.Sprintf(format, args...)
	return fmt.Errorf("%w: %s; run the same command again to finish what is half done", ErrLost, why)
}
