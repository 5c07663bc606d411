package lock

import (
	"context"
	"fmt"
	"time"

	"github.com/hornero/hornero/internal/pause"
)

// The states of a lock.
const (
	Free       = "free"       // nobody has it
	Taken      = "held"       // a run has it
	Ended      = "ended"      // its claim was not renewed; the next run takes it over
	Dead       = "dead"       // its run ended on this machine without giving it back; the next run here takes it over
	Unreadable = "unreadable" // another version of Hornero wrote it, or somebody edited it
)

// Sight is what a look at a lock saw.
type Sight struct {
	State string
	Claim Claim     // zero where nobody has the lock; the nonce alone where it is unreadable
	Now   time.Time // by the clock of the claim
}

// Look tells who has the lock. It changes nothing.
func (l Locker) Look(ctx context.Context) (Sight, error) {
	text, now, err := l.Register.Read(ctx)
	if err != nil {
		return Sight{}, err
	}

	sight, _ := look(text, now)

	return sight, nil
}

// look tells what a register's text says of the lock, and what of it is somebody else's.
func look(text string, now time.Time) (sight Sight, foreign string) {
	found, err := read(text)

	sight = Sight{
		State: Taken,
		Claim: found.claim,
		Now:   now,
	}

	switch {
	case err != nil:
		sight.State = Unreadable
		sight.Claim.Nonce = fingerprint(text)
	case !found.held:
		sight.State = Free
	case !now.Before(found.claim.Until):
		sight.State = Ended
	case found.claim.Process.Dead():
		sight.State = Dead
	}

	return sight, found.foreign
}

// Break takes the lock away from the run whose claim has this nonce, and from no other. That run stops at its next
// renewal, and removes nothing before. A lock that nobody has is no error.
func (l Locker) Break(ctx context.Context, nonce string) error {
	// A renewal that is under way may write the claim once more.
	for range maxTries {
		gone, err := l.breakOnce(ctx, nonce)
		if gone || err != nil {
			return err
		}

		if !pause.For(ctx, l.Times.Settle) {
			return context.Cause(ctx)
		}
	}

	return fmt.Errorf("break lock %s: it is written again and again; look who runs it, with `hornero lock`", nonce)
}

// breakOnce tells whether nobody has the lock.
func (l Locker) breakOnce(ctx context.Context, nonce string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, l.Times.Call)
	defer cancel()

	text, now, err := l.Register.Read(ctx)
	if err != nil {
		return false, err
	}

	sight, foreign := look(text, now)

	switch {
	case sight.State == Free:
		return true, nil
	case sight.Claim.Nonce != nonce:
		return false, fmt.Errorf("break lock %s: %w: %s", nonce, ErrOther, describe(sight.Claim, now))
	}

	return false, l.Register.Write(ctx, resting(foreign))
}

// read reads the register. A claim that cannot be read counts as held by a run that nobody knows.
func (l Locker) read(ctx context.Context) (entry, time.Time, error) {
	text, now, err := l.Register.Read(ctx)
	if err != nil {
		return entry{}, now, err
	}

	found, err := read(text)
	if err != nil {
		return found, now, &lockedError{
			claim: Claim{Nonce: fingerprint(text)},
			now:   now,
			why:   err,
		}
	}

	return found, now, nil
}

// lockedError is an ErrLocked that names who has the lock.
type lockedError struct {
	claim Claim
	now   time.Time
	why   error // that it cannot be read
}

func (e *lockedError) Unwrap() error { return ErrLocked }

func (e *lockedError) Error() string {
	return fmt.Sprintf(
		"%v: %s; wait for it with --lock-wait 15m, or, if that run is dead, take its lock away: hornero lock break %s",
		ErrLocked,
		e.holder(),
		e.claim.Nonce,
	)
}

func (e *lockedError) holder() string {
	if e.why != nil {
		return fmt.Sprintf("by another version of Hornero, or by hand (%v)", e.why)
	}

	return describe(e.claim, e.now)
}

// describe says in a line who has the lock, for what, since when and for how long.
func describe(c Claim, now time.Time) string {
	if c.By == "" {
		return "a claim that this version cannot read, " + c.Nonce + ", has it"
	}

	doing := fmt.Sprintf("%s runs `hornero %s`", c.By, c.Command)
	if c.Leaving {
		doing += ", which removes the stack,"
	}

	if c.Step != "" {
		doing += fmt.Sprintf(" (%s)", c.Step)
	}

	return fmt.Sprintf(
		"%s since %s (%s); its claim %s ends at %s unless it is renewed",
		doing,
		c.Since.Local().Format(time.TimeOnly),
		now.Sub(c.Since).Round(time.Second),
		c.Nonce,
		c.Until.Local().Format(time.TimeOnly),
	)
}
