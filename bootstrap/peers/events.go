package peers

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// maxAhead is how far a node's clock may be ahead before its time is not taken.
const maxAhead = time.Minute

// eventTime is the time that a node gave, or now when it gave none that can be right.
func eventTime(given time.Time) time.Time {
	if given.IsZero() || time.Until(given) > maxAhead {
		return time.Now()
	}

	return given
}

// addEvent writes an event into the transaction that it is about, unless it is there, and prunes the oldest.
func (s *Store) addEvent(ctx context.Context, tx *sql.Tx, event peerset.Event) error {
	_, err := tx.ExecContext(ctx,
		`INSERT INTO events (time, kind, node, incarnation, holder_before, lease, epoch, text)
			SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE NOT EXISTS
			(SELECT 1 FROM events WHERE time = ?1 AND kind = ?2 AND node = ?3 AND text = ?8)`,
		eventTime(event.Time).UTC().Format(time.RFC3339Nano),
		event.Kind,
		event.Node,
		event.Incarnation,
		event.From,
		event.Lease,
		event.Epoch,
		event.Text,
	)
	if err != nil {
		return fmt.Errorf("write event: %w", err)
	}

	// Nothing else removes events, and a member that lags behind gets the whole store.
	_, err = tx.ExecContext(ctx,
		`DELETE FROM events WHERE id <= (SELECT id FROM events ORDER BY id DESC LIMIT 1 OFFSET ?)`,
		peerset.MaxEvents,
	)

	return err
}

// Note adds an event about a node, on its own word.
func (s *Store) Note(ctx context.Context, who peerset.Identity, note peerset.Note) error {
	if !s.config.Rights.MayNote(who.Role, note.Kind) {
		return fmt.Errorf("add event %s as role %s: %w", note.Kind, who.Role, peerset.ErrForbidden)
	}

	// An attempt whose answer was lost may have been written. All attempts have one time, which tells it.
	note.Time = eventTime(note.Time)

	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := checkRegistered(ctx, tx, who); err != nil {
			return fmt.Errorf("add event %s: %w", note.Kind, err)
		}

		err := s.addEvent(ctx, tx, peerset.Event{
			Time:        note.Time,
			Kind:        note.Kind,
			Node:        who.Name,
			Incarnation: who.Incarnation,
			Text:        note.Text,
		})
		if err != nil {
			return err
		}

		return pruneNotes(ctx, tx, who.Name)
	})
}

// pruneNotes keeps what a node says of itself from pushing out what the others say.
func pruneNotes(ctx context.Context, tx *sql.Tx, node string) error {
	own := "node = ?1 AND kind IN ('" + strings.Join(peerset.NoteKinds(), "', '") + "')"
	newest := "SELECT id FROM events WHERE " + own + " ORDER BY id DESC LIMIT 1 OFFSET ?2"
	_, err := tx.ExecContext(ctx,
		"DELETE FROM events WHERE "+own+" AND id <= ("+newest+")",
		node,
		peerset.MaxNotes,
	)

	return err
}

// Events returns the newest of the events after an id, at most limit of them, in order.
func (s *Store) Events(ctx context.Context, after int64, limit int) ([]peerset.Event, error) {
	// A query to a leader that is not there would wait for ever.
	ctx, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()

	rows, err := s.db.QueryContext(ctx,
		`SELECT id, time, kind, node, incarnation, holder_before, lease, epoch, text FROM events
			WHERE id > ? ORDER BY id DESC LIMIT ?`,
		after,
		limit,
	)
	if err != nil {
		return nil, fmt.Errorf("read events: %w: %w", peerset.ErrUnavailable, err)
	}
	defer rows.Close()

	var events []peerset.Event

	for rows.Next() {
		event, err := scanEvent(rows)
		if err != nil {
			return nil, err
		}

		events = append(events, event)
	}

	// The newest come first in the query, so that the limit cuts off the oldest.
	slices.Reverse(events)

	return events, rows.Err()
}

func scanEvent(rows *sql.Rows) (event peerset.Event, err error) {
	var at string
	err = rows.Scan(
		&event.ID,
		&at,
		&event.Kind,
		&event.Node,
		&event.Incarnation,
		&event.From,
		&event.Lease,
		&event.Epoch,
		&event.Text,
	)
	if err != nil {
		return event, fmt.Errorf("read events: %w", err)
	}

	if event.Time, err = time.Parse(time.RFC3339Nano, at); err != nil {
		return event, fmt.Errorf("read event %d: %w", event.ID, err)
	}

	return event, nil
}

// addHolderEvent tells that a lease has another holder.
func (s *Store) addHolderEvent(ctx context.Context, tx *sql.Tx, lease peerset.Lease, reason string) error {
	// This lease is taken for every transfer, and the transfers say themselves how they end.
	local := s.config.Rights.Local(lease.Name)
	if local == peerset.LeaseGaleraJoin {
		return nil
	}

	kind, what := peerset.EventLease, "holds "+lease.Name
	if local == peerset.LeaseWriter {
		kind, what = peerset.EventWriter, "takes the writes"
	}

	// The events say who held it last: a released lease names nobody.
	var before string
	err := tx.QueryRowContext(ctx,
		`SELECT node FROM events WHERE kind = ? AND lease = ? ORDER BY id DESC LIMIT 1`,
		kind,
		lease.Name,
	).Scan(&before)
	if err != nil && err != sql.ErrNoRows {
		return err
	}

	text := fmt.Sprintf("%s %s at epoch %d, after %s: %s",
		lease.Holder, what, lease.Epoch, cmp.Or(before, "nobody"), reason)

	return s.addEvent(ctx, tx, peerset.Event{
		Kind:        kind,
		Node:        lease.Holder,
		Incarnation: lease.Incarnation,
		From:        before,
		Lease:       lease.Name,
		Epoch:       lease.Epoch,
		Text:        text,
	})
}
