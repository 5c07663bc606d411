package peers

import (
	"context"
	crand "crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
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
			address TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL DEFAULT '',
			healthy INTEGER NOT NULL DEFAULT 0, draining INTEGER NOT NULL DEFAULT 0,
			facts TEXT NOT NULL DEFAULT '{}', beats INTEGER NOT NULL DEFAULT 0)`,
		`CREATE TABLE IF NOT EXISTS leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, incarnation INTEGER NOT NULL,
			epoch INTEGER NOT NULL, renewals INTEGER NOT NULL DEFAULT 0)`,
		`CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT NOT NULL)`,
		`INSERT OR IGNORE INTO meta (key, value) VALUES ('generation', '1')`,
	},
	{
		`CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT NULL,
			node TEXT NOT NULL, incarnation INTEGER NOT NULL, holder_before TEXT NOT NULL,
			lease TEXT NOT NULL, epoch INTEGER NOT NULL, text TEXT NOT NULL)`,
	},
}

// errBehind says that a store is of an older version's schema.
var errBehind = errors.New("the store is yet to get this version's schema")

// migrate brings a store of an older version to this one's schema, in the first transaction that this process
// writes; one of a newer version stays as it is. The first version's stores have no number.
func (s *Store) migrate(ctx context.Context, tx *sql.Tx) error {
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

	// A newer version has only added things, which this one passes over.
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

// writeFounding makes a store that of a peer set, once.
func (s *Store) writeFounding(ctx context.Context) error {
	id := make([]byte, 8)
	if _, err := crand.Read(id); err != nil {
		return err
	}

	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		// A founder that died in between does this again: its first founding stands.
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
