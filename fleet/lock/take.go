package lock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hornero/hornero/internal/pause"
)

// maxTries is how often a claim is written whose fate is not known, before the API's error is told.
const maxTries = 4

// Take begins to take the lock and returns at once, so that the caller can read meanwhile what it needs: Wait tells
// whether it has it. Release is to be called in any case.
func (l Locker) Take(ctx context.Context, request Request) *Held {
	return l.begin(ctx, newHeld(l, request))
}

// Make makes a register with the claim in it: there is one of its name only, so that who made it has the lock. Now is
// the time of the clock that the register will have.
func (l Locker) Make(
	ctx context.Context,
	request Request,
	now time.Time,
	create func(ctx context.Context, text string) (Register, error),
) (*Held, error) {
	h := newHeld(l, request)
	h.claim.Since = now
	asked := time.Now()

	register, err := create(ctx, h.textAt(now))
	if err != nil {
		return nil, err
	}

	h.locker.Register = register
	h.touched = true
	h.renewed(asked)

	return h.locker.begin(ctx, h), nil
}

func (l Locker) begin(ctx context.Context, h *Held) *Held {
	acquiring, stop := context.WithCancel(ctx)

	// Ctrl-C ends the work, and the claim is renewed until the work has ended.
	keeping, end := context.WithCancel(context.WithoutCancel(ctx))

	h.stop = func() {
		stop()
		end()
	}

	go func() {
		defer close(h.done)

		if !h.touched {
			h.err = h.acquire(acquiring)
		}

		close(h.taken)

		if h.err == nil {
			h.keep(keeping)
		}
	}()

	return h
}

func newHeld(l Locker, request Request) *Held {
	if l.Progress == nil {
		l.Progress = func(string, ...any) {}
	}

	return &Held{
		locker:  l,
		request: request,
		claim: Claim{
			Nonce:   newNonce(),
			By:      cmp.Or(l.Owner.By, "somebody"),
			Process: l.Owner.Process,
			Command: cmp.Or(request.Command, "something"),
			Leaving: request.Leaving,
		},
		taken: make(chan struct{}),
		done:  make(chan struct{}),
	}
}

// acquire tries until the lock is taken, or another run has held it for longer than the request waits.
func (h *Held) acquire(ctx context.Context) error {
	start := time.Now()
	told := ""

	for {
		err := h.attempt(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}

		if !errors.Is(err, ErrLocked) || time.Since(start) >= h.request.Wait {
			return err
		}

		// Once a holder: the same line every three seconds would hide the others.
		var locked *lockedError
		if errors.As(err, &locked) && told != locked.claim.Nonce {
			told = locked.claim.Nonce
			h.locker.Progress("waits for the lock: %s", locked.holder())
		}

		pause.For(ctx, h.locker.Times.Poll)
	}
}

// attempt writes a claim where there is none, and looks whether it stays.
func (h *Held) attempt(ctx context.Context) error {
	last := ErrLocked // other runs try at the same time

	for range maxTries {
		asked := time.Now()

		err := h.propose(ctx, asked)
		if errors.Is(err, errUnsure) {
			last = err
			pause.For(ctx, h.locker.Times.Poll)

			continue
		}

		if err != nil {
			return err
		}

		mine, err := h.settle(ctx, asked)
		if mine || err != nil {
			return err
		}
	}

	return fmt.Errorf("take the lock of the stack: %w; run the same command again", last)
}

// errUnsure means that a claim may have been written, or may be yet.
var errUnsure = errors.New("no answer tells whether the claim was written")

// propose writes a claim unless another run has one.
func (h *Held) propose(ctx context.Context, asked time.Time) error {
	found, now, err := h.locker.read(ctx)
	if err != nil {
		return err
	}

	// An earlier write, of which no answer came, has arrived. Nobody knows when it did.
	if found.claim.Nonce == h.claim.Nonce {
		h.late = true
		return nil
	}

	if err := h.yield(found, now); err != nil {
		return err
	}

	if !h.touched {
		h.claim.Since = now
	}

	h.foreign = found.foreign
	h.touched = true
	h.tellForeign(now)

	err = h.write(ctx, h.textAt(now))

	switch {
	case errors.Is(err, ErrGone):
		return err
	case err != nil:
		h.late = true
		return fmt.Errorf("%w: %w", errUnsure, err)
	}

	// Another run may have read before this write, and hold the lock by now.
	h.late = h.late || time.Since(asked) > h.locker.Times.Bound

	return nil
}

// yield refuses where another run has the lock, and says what it takes over.
func (h *Held) yield(found entry, now time.Time) error {
	c := found.claim

	switch {
	case !found.held:
		return nil

	case !now.Before(c.Until):
		h.tellTakeover(c, "was not renewed")
		return nil

	// Who watches over the stack must not launch anew at once what a killed destroy removed.
	case c.Process.Dead() && (h.request.Leaving || !c.Leaving):
		h.tellTakeover(c, "ended without giving it back")
		return nil
	}

	return &lockedError{
		claim: c,
		now:   now,
	}
}

func (h *Held) tellTakeover(c Claim, why string) {
	h.locker.Progress(
		"takes over the lock of %s (`hornero %s`), which %s",
		c.By,
		c.Command,
		why,
	)
}

// tellForeign says that a text has no room beside the claim: should this run be killed, nobody puts it back.
func (h *Held) tellForeign(now time.Time) {
	claim := h.claim
	claim.Until = now

	if _, kept := claim.text(h.foreign); !kept {
		h.locker.Progress(
			"the network's description has no room beside the lock; it is put back at the end of this run: %q",
			h.foreign,
		)
	}
}

// settle waits until a write of any other run must have arrived, and tells whether this run's claim is still there.
func (h *Held) settle(ctx context.Context, asked time.Time) (bool, error) {
	if h.late {
		return h.settleLate(ctx)
	}

	if !pause.For(ctx, h.locker.Times.Settle) {
		return false, context.Cause(ctx)
	}

	found, _, err := h.locker.read(ctx)

	switch {
	case err != nil:
		return false, err

	// Broken: to claim it anew would break whoever breaks it.
	case !found.held:
		return false, lost("somebody took it away")

	case found.claim.Nonce != h.claim.Nonce:
		return false, nil
	}

	h.renewed(asked)

	return true, nil
}

// settleLate is for a write that came late: it may have replaced the claim of a run that held the lock already. That
// run notices at its next renewal, or stops without one, within Silence.
func (h *Held) settleLate(ctx context.Context) (bool, error) {
	silence := h.locker.Times.Silence
	h.locker.Progress("the API answers slowly: it takes %s to be sure of the lock", silence)

	for range maxTries {
		if !pause.For(ctx, silence) {
			return false, context.Cause(ctx)
		}

		err := h.renew(ctx)

		switch {
		case errors.Is(err, errUnsure):
			continue // that write came late in its turn
		case errors.Is(err, ErrLost):
			return false, nil
		}

		return err == nil, err
	}

	return false, fmt.Errorf("take the lock of the stack: %w: the API is too slow", errUnsure)
}
