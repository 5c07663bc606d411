package peers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// writeDeadline ends retrying, if the caller's context does not end it before.
const writeDeadline = 5 * time.Second

// attemptDeadline is how long the first attempt may take; each next one gets twice as long. A connection to a
// leader that vanished answers nothing: a caller that waits for long misses the new leader, which is there
// after 0.6 s.
const attemptDeadline = 400 * time.Millisecond

// write runs a transaction, again while dqlite says what passes by itself. A new generation is read at once,
// here and by the others.
func (s *Store) write(ctx context.Context, do func(ctx context.Context, tx *sql.Tx) error) error {
	changed := false
	err := s.repeat(ctx, func(ctx context.Context) error {
		s.bumped = false
		err := s.try(ctx, do)
		changed = s.bumped

		return err
	})
	if err == nil && changed {
		s.Refresh()
		s.config.NotifyChange()
	}

	return err
}

// repeat makes one attempt after the other, one at a time in this process.
func (s *Store) repeat(ctx context.Context, attempt func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()

	// One write at a time from this member: its own requests would only lock each other out.
	select {
	case s.writing <- struct{}{}:
		defer func() { <-s.writing }()
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", peerset.ErrUnavailable, ctx.Err())
	}

	timeout := attemptDeadline

	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		trying, drop := context.WithTimeout(ctx, timeout)
		err := attempt(trying)

		// This member may only be slow.
		if trying.Err() != nil {
			timeout *= 2
		}

		drop()

		if err == nil || !passing(err) {
			return err
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", peerset.ErrUnavailable, err)
		case <-time.After(pause + rand.N(pause)):
		}
	}
}

func (s *Store) try(ctx context.Context, do func(ctx context.Context, tx *sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}

	if err := s.apply(ctx, tx, do); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}

	if err := tx.Commit(); err != nil {
		return err
	}

	// A transaction that is not committed takes the schema's additions back.
	s.migrated = true

	return nil
}

// apply does what a transaction is for, with the write lock and on this version's schema.
func (s *Store) apply(ctx context.Context, tx *sql.Tx, do func(ctx context.Context, tx *sql.Tx) error) error {
	// The first statement takes the write lock: one that is taken after a read fails when another wrote in
	// between. A store that was just founded has no table yet.
	_, err := tx.ExecContext(ctx,
		`UPDATE meta SET value = value WHERE key = 'generation'`,
	)
	if err != nil && !strings.Contains(err.Error(), "no such table") {
		return err
	}

	if !s.migrated {
		if err := s.migrate(ctx, tx); err != nil {
			return err
		}
	}

	return do(ctx, tx)
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}

	return err
}

// final are the refusals that no retry changes.
var final = []error{
	peerset.ErrStaleEpoch,
	peerset.ErrEvicted,
	peerset.ErrForbidden,
	peerset.ErrUnknown,
}

// passingSigns are in the complaints that a retry mends: dqlite gives them as texts.
var passingSigns = []string{
	"locked",
	"leader",
	"configuration change",
	"connection",
	"EOF",
	"broken pipe",
	"deadline",
	"timed out",
	"closed",
	"no more rows available", // a leader that just hands over refuses a commit so
}

// passing tells dqlite's complaints that a retry mends from those that it does not.
func passing(err error) bool {
	for _, sentinel := range final {
		if errors.Is(err, sentinel) {
			return false
		}
	}

	// The attempt's time was up between two statements, and database/sql took the transaction back.
	if errors.Is(err, sql.ErrTxDone) {
		return true
	}

	text := err.Error()

	return slices.ContainsFunc(passingSigns, func(sign string) bool {
		return strings.Contains(text, sign)
	})
}
