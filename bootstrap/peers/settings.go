package peers

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Put writes a setting under a lease, in one transaction with the check of its epoch.
func (s *Store) Put(ctx context.Context, who peerset.Identity, key, value string, fence peerset.Lease) error {
	if !s.config.Rights.MayPut(who.Role, key, fence.Name) {
		return fmt.Errorf(
			"put %s as role %s under lease %s: %w",
			key,
			who.Role,
			fence.Name,
			peerset.ErrForbidden,
		)
	}

	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := checkHeld(ctx, tx, who, fence); err != nil {
			return fmt.Errorf("put %s: %w", key, err)
		}

		count := `SELECT COUNT(*) FROM settings WHERE key <> ? AND substr(key, 1, length(?)) = ?`
		if err := checkRoom(ctx, tx, count, who.Role, key); err != nil {
			return fmt.Errorf("put %s: %w", key, err)
		}

		_, err := tx.ExecContext(ctx,
			`INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)`,
			key,
			value,
		)
		if err != nil {
			return err
		}

		return s.bump(ctx, tx)
	})
}

// maxOwn is how many settings, and leases, of its own naming a role may have: a node fills no store.
const maxOwn = 100

// checkRoom refuses one more of a role's own when it has enough.
func checkRoom(ctx context.Context, tx *sql.Tx, count, role, name string) error {
	prefix := role + "."

	// The other names are Hornero's, and there are few of them.
	if !strings.HasPrefix(name, prefix) {
		return nil
	}

	var others int
	err := tx.QueryRowContext(ctx, count, name, prefix, prefix).Scan(&others)
	if err != nil {
		return err
	}

	if others >= maxOwn {
		return fmt.Errorf("%w: role %s has %d of its own already", peerset.ErrForbidden, role, others)
	}

	return nil
}

// putSetting leaves the columns alone that a newer version keeps beside the value.
func putSetting(ctx context.Context, tx *sql.Tx, key, value string) error {
	_, err := tx.ExecContext(ctx,
		`INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2`,
		key,
		value,
	)

	return err
}

func deleteSetting(ctx context.Context, tx *sql.Tx, key string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM settings WHERE key = ?`, key)
	return err
}
