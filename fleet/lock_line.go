package fleet

import (
	"context"
	"time"

	"github.com/hornero/hornero/fleet/lock"
)

// LockVersion is of LockLine; it grows when a key changes its meaning or goes.
const LockVersion = 1

// LockLine tells who has the stack's lock.
type LockLine struct {
	Version int    `json:"version"`
	Stack   string `json:"stack"`
	State   string `json:"state"` // free, held, ended, dead or unreadable
	// Nonce names the lock for `hornero lock break`; empty while nobody has it. Where the lock is unreadable nothing
	// else is known.
	Nonce   string     `json:"nonce"`
	By      string     `json:"by"` // user@host
	Command string     `json:"command"`
	Step    string     `json:"step"` // how far the command was at the last renewal
	Since   *time.Time `json:"since"`
	Until   *time.Time `json:"until"` // unless it is renewed
	Leaving bool       `json:"leaving"`
}

// ReadLock tells who has the stack's lock, and changes nothing. It needs no secrets.
func ReadLock(ctx context.Context, config Config) (LockLine, error) {
	f := &Fleet{Config: config}
	line := LockLine{
		Version: LockVersion,
		Stack:   f.Stack.Name,
		State:   lock.Free,
	}

	vpc, _, err := findVPC(ctx, f.Client, f.resourceName())
	if err != nil || vpc == nil {
		return line, err
	}

	sight, err := f.Lock.locker(&description{f.Client, vpc.ID}).Look(ctx)
	if err != nil {
		return line, err
	}

	line.State = sight.State
	line.Nonce = sight.Claim.Nonce
	line.By = sight.Claim.By
	line.Command = sight.Claim.Command
	line.Step = sight.Claim.Step
	line.Leaving = sight.Claim.Leaving

	if !sight.Claim.Until.IsZero() {
		line.Since = &sight.Claim.Since
		line.Until = &sight.Claim.Until
	}

	return line, nil
}

// BreakLock takes the lock of this nonce away from whoever has it. A stack without a network has none.
func BreakLock(ctx context.Context, config Config, nonce string) error {
	f := &Fleet{Config: config}

	vpc, _, err := findVPC(ctx, f.Client, f.resourceName())
	if err != nil || vpc == nil {
		return err
	}

	return f.Lock.locker(&description{f.Client, vpc.ID}).Break(ctx, nonce)
}
