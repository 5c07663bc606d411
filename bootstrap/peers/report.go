package peers

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Report records a heartbeat. The generation grows only when the report differs from the last.
func (s *Store) Report(ctx context.Context, who peerset.Identity, report peerset.Report) error {
	facts := []byte("{}")

	if report.Facts != nil {
		var err error
		if facts, err = json.Marshal(report.Facts); err != nil {
			return err
		}
	}

	// Most reports say nothing new, and need no transaction of their own.
	if s.deferHeartbeat(who, report) {
		return nil
	}

	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx,
			`UPDATE peers SET beats = beats + 1 WHERE name = ? AND incarnation = ?`,
			who.Name,
			who.Incarnation,
		)
		if err != nil {
			return err
		}

		// The node was replaced or declared gone, and must hear of it.
		if hit, err := result.RowsAffected(); err != nil || hit == 0 {
			return errors.Join(err, peerset.ErrEvicted)
		}

		// The next statement overwrites whether the node was draining already.
		if report.Draining {
			if err := s.addDrainingEvent(ctx, tx, who, report.State); err != nil {
				return err
			}
		}

		// A row that is as reported is left alone, so that no new generation wakes all watchers.
		result, err = tx.ExecContext(ctx, `UPDATE peers SET state = ?1, healthy = ?2, draining = ?3, facts = ?4
			WHERE name = ?5 AND NOT (state = ?1 AND healthy = ?2 AND draining = ?3 AND facts = ?4)`,
			report.State, report.Healthy, report.Draining, string(facts), who.Name)
		if err != nil {
			return err
		}

		if hit, err := result.RowsAffected(); err != nil || hit == 0 {
			return err
		}

		// A healthy node has what its predecessor held, or needs it no more.
		if report.Healthy {
			if err := deleteSetting(ctx, tx, peerset.ReplacedPrefix+who.Name); err != nil {
				return err
			}
		}

		return s.bump(ctx, tx)
	})
}

// addDrainingEvent tells that a node gives its work up, once.
func (s *Store) addDrainingEvent(ctx context.Context, tx *sql.Tx, who peerset.Identity, state string) error {
	var already bool
	err := tx.QueryRowContext(ctx, `SELECT draining FROM peers WHERE name = ?`, who.Name).Scan(&already)
	if err != nil || already {
		return err
	}

	return s.addEvent(ctx, tx, peerset.Event{
		Kind:        peerset.EventDraining,
		Node:        who.Name,
		Incarnation: who.Incarnation,
		Text:        who.Name + " gives its work up, as " + state,
	})
}
