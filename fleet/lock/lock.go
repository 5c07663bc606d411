// Package lock owns the lock of a stack: a claim, which is a short text in a place that all operators can read and
// write. That place (a Register) cannot compare and set, so that taking the lock is a protocol: write a claim, wait
// until every other write must have arrived, and read it back. A claim ends by itself, and its holder renews it.
//
// At most one run holds the lock while writes arrive in time (Times.Bound). A write that arrives much later can take
// the claim from its holder, and for one refresh two runs may believe that they hold it. This is harmless: the holder
// reads its claim again before each removal (Check), and what two runs create at once is the same by its names.
//
// The package knows no cloud, no stack and no command line.
package lock

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrLocked means that another run holds the lock.
	ErrLocked = errors.New("the stack is locked")
	// ErrLost means that the lock was held and is held no more.
	ErrLost = errors.New("the lock of the stack was lost")
	// ErrGone means that the place of the claim is not there any more.
	ErrGone = errors.New("the place of the lock is gone")
	// ErrOther refuses to break a lock that is not the one that was named.
	ErrOther = errors.New("that is not the lock")
)

// Register is where a stack's claim is kept.
type Register interface {
	// Read returns the text and the time of the register's own clock, which all runs share. It returns ErrGone when
	// the register is not there any more.
	Read(ctx context.Context) (text string, now time.Time, err error)
	// Write replaces the text. After an error nobody knows whether it did, or will.
	Write(ctx context.Context, text string) error
}

// Times are how long everything takes. All runs on one stack must have the same.
type Times struct {
	Term    time.Duration // that a claim is good for
	Bound   time.Duration // from asking what is there to the end of the write
	Settle  time.Duration // before a claim is read back; more than Bound
	Refresh time.Duration // between two renewals
	Silence time.Duration // without a renewal, until the lock counts as lost; less than Term
	Fresh   time.Duration // that a check is good for
	Call    time.Duration // for a read in a check, for the end, and what must be left of a claim for a removal
	Poll    time.Duration // between two looks at a lock that another run holds
}

// The defaults. A claim outlasts two renewals that fail. Bound and Settle are for an API that answers within half a
// second; a slower one makes taking the lock take Silence.
const (
	DefaultTerm    = 60 * time.Second
	DefaultBound   = 1800 * time.Millisecond
	DefaultSettle  = 2 * time.Second
	DefaultRefresh = 20 * time.Second
	DefaultSilence = 40 * time.Second
	DefaultFresh   = time.Second
	DefaultCall    = 10 * time.Second
	DefaultPoll    = 3 * time.Second
)

// DefaultTimes are what operators use.
var DefaultTimes = Times{
	Term:    DefaultTerm,
	Bound:   DefaultBound,
	Settle:  DefaultSettle,
	Refresh: DefaultRefresh,
	Silence: DefaultSilence,
	Fresh:   DefaultFresh,
	Call:    DefaultCall,
	Poll:    DefaultPoll,
}

// Owner is who takes the lock.
type Owner struct {
	By      string  // user@host, for people
	Process Process // to know when it ended without giving the lock back
}

// Request is what the lock is wanted for.
type Request struct {
	Command string        // what the operator typed: "replace db-2"
	Wait    time.Duration // how long another run may hold the lock; 0 refuses at once
	Leaving bool          // the stack is being destroyed
}

// Locker takes the lock of one stack.
type Locker struct {
	Register Register
	Owner    Owner
	Times    Times
	Progress func(format string, args ...any)
	Lose     context.CancelCauseFunc // ends the work when the lock is lost
}
