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
	if !s.config.Rights.MayHold(who.Role, name) {
		return peerset.Lease{}, false, fmt.Errorf(
			"hold lease %s as role %s: %w",
			name,
			who.Role,
			peerset.ErrForbidden,
		)
	}

	// Nearly all requests are renewals by the holder and refusals to the others.
	if lease, held, known := s.holdByOneStatement(ctx, who, name, ttl); known {
		return lease, held, nil
	}

	expired := func(held peerset.Lease, renewals int64) bool {
		return s.expired(held, renewals, ttl)
	}

	var lease peerset.Lease
	var ok bool
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		lease, ok, err = s.hold(ctx, tx, request{
			who:  who,
			name: name,
			free: expired,
		})
		return err
	})
	if err != nil {
		return peerset.Lease{}, false, fmt.Errorf("hold lease %s: %w", name, err)
	}

	return lease, ok, nil
}

// holdByOneStatement answers the usual cases without a transaction. The holder renews by one statement, which changes
// nothing if it has lost the lease. Others are told who holds it, as far as this member has seen. known is false when
// that is not enough to answer.
func (s *Store) holdByOneStatement(
	ctx context.Context,
	who peerset.Identity,
	name string,
	ttl time.Duration,
) (lease peerset.Lease, held, known bool) {
	s.mu.Lock()
	lease = s.snapshot.Leases[name]
	fresh := time.Since(s.fresh) < s.config.QuorumFor
	renewals := s.renewals[sightingKey(name, lease.Epoch)].value
	s.mu.Unlock()

	if lease.Holder == "" || !fresh {
		return lease, false, false
	}

	// Only a lease whose time is up can change hands, so a refusal needs no write.
	if lease.Holder != who.Name || lease.Incarnation != who.Incarnation {
		return lease, false, !s.expired(lease, renewals, ttl)
	}

	// A holder that lost the lease since the snapshot, or was evicted, hits no row. The transaction tells it who
	// holds the lease.
	hit := int64(0)
	err := s.repeat(ctx, func(ctx context.Context) error {
		result, err := s.db.ExecContext(ctx,
			`UPDATE leases SET renewals = renewals + 1
				WHERE name = ?1 AND holder = ?2 AND incarnation = ?3 AND epoch = ?4
				AND EXISTS (SELECT 1 FROM peers WHERE name = ?2 AND incarnation = ?3)`,
			name,
			who.Name,
			who.Incarnation,
			lease.Epoch,
		)
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
	if s.config.Rights.Local(name) != peerset.LeaseWriter || !s.config.Rights.MayHold(who.Role, name) {
		return peerset.Lease{}, fmt.Errorf(
			"seize lease %s as role %s: %w",
			name,
			who.Role,
			peerset.ErrForbidden,
		)
	}

	// A seizure that comes late must not take the lease from the node that followed the lost holder.
	unchanged := func(now peerset.Lease, _ int64) bool {
		return now.Epoch == seen.Epoch
	}

	var taken peerset.Lease
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		lease, held, err := s.hold(ctx, tx, request{
			who:    who,
			name:   name,
			reason: reason,
			free:   unchanged,
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

// request is for a lease.
type request struct {
	who    peerset.Identity
	name   string
	reason string // why it is taken from its holder; "" when the holder's time is up
	free   func(held peerset.Lease, renewals int64) bool
}

// hold takes, renews or leaves a lease.
func (s *Store) hold(ctx context.Context, tx *sql.Tx, want request) (peerset.Lease, bool, error) {
	if err := checkRegistered(ctx, tx, want.who); err != nil {
		return peerset.Lease{}, false, err
	}

	lease, renewals, err := readLease(ctx, tx, want.name)
	if err != nil {
		return peerset.Lease{}, false, err
	}

	if lease.Holder == want.who.Name && lease.Incarnation == want.who.Incarnation {
		_, err := tx.ExecContext(ctx,
			`UPDATE leases SET renewals = renewals + 1 WHERE name = ?`,
			want.name,
		)
		return lease, err == nil, err
	}

	if lease.Holder != "" && !want.free(lease, renewals) {
		return lease, false, nil
	}

	// A renewal needs no room, so this is asked only of those that take a lease.
	count := `SELECT COUNT(*) FROM leases WHERE name <> ? AND substr(name, 1, length(?)) = ?`
	if err := checkRoom(ctx, tx, count, want.who.Role, want.name); err != nil {
		return peerset.Lease{}, false, err
	}

	lease, err = s.take(ctx, tx, lease, want)

	return lease, err == nil, err
}

// readLease returns a lease, one without a holder when nobody ever held it, and how often it was renewed.
func readLease(ctx context.Context, tx *sql.Tx, name string) (peerset.Lease, int64, error) {
	lease := peerset.Lease{Name: name}
	var renewals int64

	err := tx.QueryRowContext(ctx,
		`SELECT holder, incarnation, epoch, renewals FROM leases WHERE name = ?`,
		name,
	).Scan(&lease.Holder, &lease.Incarnation, &lease.Epoch, &renewals)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}

	return lease, renewals, err
}

// take gives a lease to another holder, at a new epoch.
func (s *Store) take(ctx context.Context, tx *sql.Tx, before peerset.Lease, want request) (peerset.Lease, error) {
	reason := want.reason

	switch {
	case before.Holder == "":
		reason = "it was free"
	case reason == "":
		reason = before.Holder + " did not renew it in time"
	}

	lease := peerset.Lease{
		Name:        want.name,
		Holder:      want.who.Name,
		Incarnation: want.who.Incarnation,
		Epoch:       max(before.Epoch, int64(s.config.Era)*epochsApart) + 1,
	}

	// The row is replaced: a newer version's columns in it are about the holder before.
	_, err := tx.ExecContext(ctx,
		`INSERT OR REPLACE INTO leases (name, holder, incarnation, epoch) VALUES (?, ?, ?, ?)`,
		lease.Name,
		lease.Holder,
		lease.Incarnation,
		lease.Epoch,
	)
	if err != nil {
		return peerset.Lease{}, err
	}

	if err := s.addHolderEvent(ctx, tx, lease, reason); err != nil {
		return peerset.Lease{}, err
	}

	return lease, s.bump(ctx, tx)
}

// checkRegistered refuses an incarnation that is not in the peer set.
func checkRegistered(ctx context.Context, tx *sql.Tx, who peerset.Identity) error {
	query := `SELECT COUNT(*) FROM peers WHERE name = ? AND incarnation = ?`

	var count int
	err := tx.QueryRowContext(ctx, query, who.Name, who.Incarnation).Scan(&count)
	if err == nil && count == 0 {
		err = peerset.ErrEvicted
	}

	return err
}

// checkHeld refuses who does not hold a lease at this epoch.
func checkHeld(ctx context.Context, tx *sql.Tx, who peerset.Identity, fence peerset.Lease) error {
	var count int
	err := tx.QueryRowContext(ctx,
		`SELECT COUNT(*) FROM leases WHERE name = ? AND holder = ? AND incarnation = ? AND epoch = ?`,
		fence.Name,
		who.Name,
		who.Incarnation,
		fence.Epoch,
	).Scan(&count)
	if err == nil && count == 0 {
		err = peerset.ErrStaleEpoch
	}

	return err
}

func (s *Store) expired(lease peerset.Lease, renewals int64, ttl time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	// A lease expires only for a member that saw it stand unrenewed for the whole time.
	seen, ok := s.renewals[sightingKey(lease.Name, lease.Epoch)]

	return ok && seen.value == renewals && time.Since(seen.since) >= ttl
}

// Release gives a lease up, if it is still held at that epoch.
func (s *Store) Release(ctx context.Context, who peerset.Identity, lease peerset.Lease) error {
	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := checkHeld(ctx, tx, who, lease); err != nil {
			return fmt.Errorf("release lease %s: %w", lease.Name, err)
		}

		// The row stays: it has the epoch, and no epoch is given out twice.
		_, err := tx.ExecContext(ctx,
			`UPDATE leases SET holder = '', incarnation = 0 WHERE name = ?`,
			lease.Name,
		)
		if err != nil {
			return err
		}

		return s.bump(ctx, tx)
	})
}
