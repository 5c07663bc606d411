package peers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Hold takes or renews a lease. A holder who did not renew for ttl, by this member's own monotonic clock, may be
// followed by another: no wall clock is asked, so none can be wrong.
func (s *Store) Hold(
	ctx context.Context,
	who peerset.Identity,
	name string,
	ttl time.Duration,
) (peerset.Lease, bool, error) {
	if !peerset.MayHold(who.Role, name) {
		return peerset.Lease{}, false, fmt.Errorf(
			"hold lease %s as role %s: %w",
			name,
			who.Role,
			peerset.ErrForbidden,
		)
	}

	if lease, held, known := s.quickly(ctx, who, name, ttl); known {
		return lease, held, nil
	}

	var lease peerset.Lease
	var ok bool
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		lease, ok, err = s.hold(ctx, tx, who, name, "", func(held peerset.Lease, renewals int64) bool {
			return s.expired(held, renewals, ttl)
		})

		return err
	})
	if err != nil {
		return peerset.Lease{}, false, fmt.Errorf("hold lease %s: %w", name, err)
	}

	return lease, ok, nil
}

// quickly answers without a transaction what is the rule: the holder renews, by one statement that does nothing
// when it is the holder no more, and the others are told that somebody holds the lease, as far as this member
// has seen.
func (s *Store) quickly(
	ctx context.Context,
	who peerset.Identity,
	name string,
	ttl time.Duration,
) (lease peerset.Lease, held, known bool) {
	s.mu.Lock()
	lease, fresh := s.snapshot.Leases[name], time.Since(s.fresh) < s.config.QuorumFor
	renewals := s.renewals[sightingKey(name, lease.Epoch)].value
	s.mu.Unlock()

	if lease.Holder == "" || !fresh {
		return lease, false, false
	}

	if lease.Holder != who.Name || lease.Incarnation != who.Incarnation {
		return lease, false, !s.expired(lease, renewals, ttl)
	}

	hit := int64(0)
	err := s.repeat(ctx, func(ctx context.Context) error {
		result, err := s.db.ExecContext(ctx, `UPDATE leases SET renewals = renewals + 1 WHERE name = ?1 AND holder = ?2 AND incarnation = ?3 AND epoch = ?4
			AND EXISTS (SELECT 1 FROM peers WHERE name = ?2 AND incarnation = ?3)`, name, who.Name, who.Incarnation, lease.Epoch)
		if err == nil {
			hit, err = result.RowsAffected()
		}

		return err
	})

	return lease, true, err == nil && hit == 1
}

// Seize takes the writer lease at once, if nobody else took it since the caller saw it. The caller is a
// database node that is Primary and Synced in a view without the holder: Galera's own quorum has already shut
// the holder out, so it cannot commit anything.
func (s *Store) Seize(
	ctx context.Context,
	who peerset.Identity,
	seen peerset.Lease,
	reason string,
) (peerset.Lease, error) {
	name := seen.Name
	if name != peerset.LeaseWriter || !peerset.MayHold(who.Role, name) {
		return peerset.Lease{}, fmt.Errorf(
			"seize lease %s as role %s: %w",
			name,
			who.Role,
			peerset.ErrForbidden,
		)
	}

	var taken peerset.Lease
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		lease, held, err := s.hold(ctx, tx, who, name, reason, func(now peerset.Lease, _ int64) bool {
			return now.Epoch == seen.Epoch
		})
		if err == nil && !held {
			err = fmt.Errorf(
				"%w: %s took it at epoch %d",
				peerset.ErrStaleEpoch,
				lease.Holder,
				lease.Epoch,
			)
		}

		taken = lease

		return err
	})
	if err != nil {
		return peerset.Lease{}, fmt.Errorf("seize lease %s: %w", name, err)
	}

	s.config.Log.Info("lease seized",
		"lease", name,
		"node", who.Name,
		"epoch", taken.Epoch,
		"reason", reason,
	)

	return taken, nil
}

// epochsApart is between the first epochs of two eras. The voters that a rebuilt peer set lost may have given
// out epochs that its survivor never saw, and an epoch is given out once.
const epochsApart = 1 << 20

// hold takes, renews or leaves a lease. reason is why it is taken from its holder; "" when the holder's time is up.
func (s *Store) hold(
	ctx context.Context,
	tx *sql.Tx,
	who peerset.Identity,
	name, reason string,
	free func(peerset.Lease, int64) bool,
) (peerset.Lease, bool, error) {
	if err := registered(ctx, tx, who); err != nil {
		return peerset.Lease{}, false, err
	}

	lease := peerset.Lease{Name: name}
	var renewals int64
	err := tx.QueryRowContext(ctx,
		`SELECT holder, incarnation, epoch, renewals FROM leases WHERE name = ?`,
		name,
	).
		Scan(&lease.Holder, &lease.Incarnation, &lease.Epoch, &renewals)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return peerset.Lease{}, false, err
	}

	if lease.Holder == who.Name && lease.Incarnation == who.Incarnation {
		_, err := tx.ExecContext(ctx,
			`UPDATE leases SET renewals = renewals + 1 WHERE name = ?`,
			name,
		)

		return lease, err == nil, err
	}

	if lease.Holder != "" && !free(lease, renewals) {
		return lease, false, nil
	}

	if err := room(ctx,
		tx,
		`SELECT COUNT(*) FROM leases WHERE name <> ? AND substr(name, 1, length(?)) = ?`,
		who.Role,
		name,
	); err != nil {
		return peerset.Lease{}, false, err
	}

	if lease.Holder == "" {
		reason = "it was free"
	} else if reason == "" {
		reason = lease.Holder + " did not renew it in time"
	}

	lease = peerset.Lease{
		Name:        name,
		Holder:      who.Name,
		Incarnation: who.Incarnation,
		Epoch:       max(lease.Epoch, int64(s.config.Era)*epochsApart) + 1,
	}

	// A row of its own: what a newer version keeps beside was about the holder before.
	_, err = tx.ExecContext(ctx,
		`INSERT OR REPLACE INTO leases (name, holder, incarnation, epoch) VALUES (?, ?, ?, ?)`,
		name,
		lease.Holder,
		lease.Incarnation,
		lease.Epoch,
	)
	if err == nil {
		err = s.passed(ctx, tx, lease, reason)
	}

	if err != nil {
		return peerset.Lease{}, false, err
	}

	return lease, true, s.bump(ctx, tx)
}

func registered(ctx context.Context, tx *sql.Tx, who peerset.Identity) error {
	var count int
	err := tx.QueryRowContext(ctx,
		`SELECT COUNT(*) FROM peers WHERE name = ? AND incarnation = ?`,
		who.Name,
		who.Incarnation,
	).Scan(&count)
	if err == nil && count == 0 {
		err = peerset.ErrEvicted
	}

	return err
}

func (s *Store) expired(lease peerset.Lease, renewals int64, ttl time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	seen, ok := s.renewals[sightingKey(lease.Name, lease.Epoch)]

	return ok && seen.value == renewals && time.Since(seen.since) >= ttl
}

// Release gives a lease up, if it is still held at that epoch.
func (s *Store) Release(ctx context.Context, who peerset.Identity, lease peerset.Lease) error {
	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := held(ctx, tx, who, lease); err != nil {
			return fmt.Errorf("release lease %s: %w", lease.Name, err)
		}

		if _, err := tx.ExecContext(ctx,
			`UPDATE leases SET holder = '', incarnation = 0 WHERE name = ?`,
			lease.Name,
		); err != nil {
			return err
		}

		return s.bump(ctx, tx)
	})
}
