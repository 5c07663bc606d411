package peers

import (
	"context"
	crand "crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// metaTable comes before everything: it has the number of the schema.
const metaTable = `CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)`

// additions are what each version of the schema has that the one before had not. Only ever more of them come:
// two versions of the bootstrap live side by side during a roll, and either may write last. A member passes
// over what it does not know, so whatever is added must have a default, the right one for all that an older
// member writes, and nothing that older ones read may change.
var additions = [][]string{
	{
		`CREATE TABLE IF NOT EXISTS peers (name TEXT PRIMARY KEY, role TEXT NOT NULL, incarnation INTEGER NOT NULL,
			address TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL DEFAULT '', healthy INTEGER NOT NULL DEFAULT 0,
			draining INTEGER NOT NULL DEFAULT 0, facts TEXT NOT NULL DEFAULT '{}', beats INTEGER NOT NULL DEFAULT 0)`,
		`CREATE TABLE IF NOT EXISTS leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, incarnation INTEGER NOT NULL,
			epoch INTEGER NOT NULL, renewals INTEGER NOT NULL DEFAULT 0)`,
		`CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT NOT NULL)`,
		`INSERT OR IGNORE INTO meta (key, value) VALUES ('generation', '1')`,
	},
	{
		`CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT NULL, node TEXT NOT NULL, incarnation INTEGER NOT NULL,
			holder_before TEXT NOT NULL, lease TEXT NOT NULL, epoch INTEGER NOT NULL, text TEXT NOT NULL)`,
	},
}

// errBehind says that a store is of an older version's schema.
var errBehind = errors.New("the store is yet to get this version's schema")

// grow brings a store of an older version to this one's schema, in the first transaction that this process
// writes; one of a newer version stays as it is. The first version's stores have no number.
func (s *Store) grow(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, metaTable); err != nil {
		return fmt.Errorf("add to the schema: %w", err)
	}

	var number int
	err := tx.QueryRowContext(ctx,
		`SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'schema'`,
	).Scan(&number)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read the schema's number: %w", err)
	}

	if number >= len(additions) {
		return nil
	}

	for _, statement := range slices.Concat(additions[number:]...) {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("add to the schema: %w", err)
		}
	}

	_, err = tx.ExecContext(ctx,
		`INSERT INTO meta (key, value) VALUES ('schema', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1`,
		strconv.Itoa(len(additions)),
	)

	return errors.Join(err, s.bump(ctx, tx))
}

func (s *Store) found(ctx context.Context) error {
	id := make([]byte, 8)

	if _, err := crand.Read(id); err != nil {
		return err
	}

	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx,
			`INSERT OR IGNORE INTO meta (key, value) VALUES ('founded', ?)`,
			hex.EncodeToString(id),
		)

		return err
	})
}

// bump makes a new generation: what the transaction changes is for everybody to see.
func (s *Store) bump(ctx context.Context, tx *sql.Tx) error {
	s.bumped = true
	_, err := tx.ExecContext(ctx,
		`UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'generation'`,
	)

	return err
}

// Retrying ends with the caller's context or after this long, whichever is first.
const writeDeadline = 5 * time.Second

// attemptDeadline is how long the first attempt may take; each next one gets twice as long. A connection to a
// leader that vanished answers nothing: whoever waits on it for long misses the new leader, which is there
// after 0.6 s.
const attemptDeadline = 400 * time.Millisecond

// write runs a transaction, again while dqlite says what passes by itself. A new generation is read at once,
// here and by the others.
func (s *Store) write(ctx context.Context, do func(ctx context.Context, tx *sql.Tx) error) error {
	news := false
	err := s.repeat(ctx, func(ctx context.Context) error {
		s.bumped = false
		err := s.try(ctx, do)
		news = s.bumped

		return err
	})
	if err == nil && news {
		s.Refresh()
		s.config.Tell()
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

	patience := attemptDeadline

	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		trying, drop := context.WithTimeout(ctx, patience)
		err := attempt(trying)

		if trying.Err() != nil {
			patience *= 2
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

	// The first statement takes the write lock: one that is taken after a read fails when another wrote in between.
	_, err = tx.ExecContext(ctx, `UPDATE meta SET value = value WHERE key = 'generation'`)
	if err == nil || strings.Contains(err.Error(), "no such table") {
		err = nil
		if !s.grown {
			err = s.grow(ctx, tx)
		}
		if err == nil {
			err = do(ctx, tx)
		}
	}

	if err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}

	if err := tx.Commit(); err != nil {
		return err
	}

	s.grown = true

	return nil
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}

	return err
}

// passing tells dqlite's complaints that a retry mends from those that it does not. They come as texts.
func passing(err error) bool {
	for _, sentinel := range []error{
		peerset.ErrStaleEpoch, peerset.ErrEvicted, peerset.ErrForbidden, peerset.ErrUnknown,
	} {
		if errors.Is(err, sentinel) {
			return false
		}
	}

	text := err.Error()

	// "no more rows available" is how a leader that just hands over refuses a commit.
	for _, sign := range []string{
		"locked", "leader", "configuration change", "connection", "EOF", "broken pipe",
		"deadline", "timed out", "closed", "no more rows available",
	} {
		if strings.Contains(text, sign) {
			return true
		}
	}

	return false
}
