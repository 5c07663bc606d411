package peers

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Forget declares a node gone, or the one before it when that is what is not accounted for. One that never
// registered is recorded as gone, too: those who count evidence wait for it.
func (s *Store) Forget(ctx context.Context, name string) error {
	peer, known, err := s.recorded(ctx, name)
	if err != nil {
		return err
	}

	// A node that lives is not what is missing: its predecessor's data may be.
	if successor, _ := s.Snapshot().Peer(name); successor.Alive {
		if done, err := s.forgetReplaced(ctx, name); err != nil || done {
			return err
		}
	}

	// If this fails the node is still recorded, and the command can be repeated.
	if known {
		if err := s.evict(ctx, peer.Address); err != nil {
			return fmt.Errorf("forget %s: %w", name, err)
		}
	}

	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return s.deletePeer(ctx, tx, name, peer.Incarnation)
	})
}

// deletePeer removes all that there is of a node, and writes down which of its incarnations is gone.
func (s *Store) deletePeer(ctx context.Context, tx *sql.Tx, name string, incarnation int) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM peers WHERE name = ?`, name)
	if err != nil {
		return err
	}

	// Nobody should wait until the leases of a node that is gone expire.
	_, err = tx.ExecContext(ctx,
		`UPDATE leases SET holder = '', incarnation = 0 WHERE holder = ?`,
		name,
	)
	if err != nil {
		return err
	}

	// The declaration covers the incarnations before this one, too.
	if err := deleteSetting(ctx, tx, peerset.ReplacedPrefix+name); err != nil {
		return err
	}

	err = s.addEvent(ctx, tx, peerset.Event{
		Kind:        peerset.EventGone,
		Node:        name,
		Incarnation: incarnation,
		Text:        name + " was declared gone for good",
	})
	if err != nil {
		return err
	}

	// Gone and never seen are not the same to those who count evidence.
	err = putSetting(ctx, tx, peerset.ForgottenPrefix+name, strconv.Itoa(incarnation))
	if err != nil {
		return err
	}

	return s.bump(ctx, tx)
}

// forgetReplaced declares the incarnation before a living one gone, and tells whether there was one to declare so.
func (s *Store) forgetReplaced(ctx context.Context, name string) (bool, error) {
	var hit int64
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		key := peerset.ReplacedPrefix + name

		result, err := tx.ExecContext(ctx, `DELETE FROM settings WHERE key = ?`, key)
		if err != nil {
			return err
		}

		if hit, err = result.RowsAffected(); err != nil || hit == 0 {
			return err
		}

		err = s.addEvent(ctx, tx, peerset.Event{
			Kind: peerset.EventGone,
			Node: name,
			Text: "the incarnation of " + name + " before the present one was declared gone for good",
		})
		if err != nil {
			return err
		}

		return s.bump(ctx, tx)
	})
	if err != nil {
		return false, fmt.Errorf("forget %s: %w", name, err)
	}

	return hit > 0, nil
}
