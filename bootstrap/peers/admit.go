package peers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Admit lets a node in. An older incarnation of its name is evicted first, from consensus, the registry and its
// leases, so that a replaced node never mixes with its dead namesake. A dead member never blocks it.
func (s *Store) Admit(ctx context.Context, join peerset.Join) (peerset.Welcome, error) {
	old, known, err := s.recorded(ctx, join.Name)
	if err != nil {
		return peerset.Welcome{}, fmt.Errorf("admit %s: %w", join.Name, err)
	}

	if err := s.mayJoin(ctx, join, old, known); err != nil {
		return peerset.Welcome{}, err
	}

	// The node that asks holds nothing of consensus yet. A member that is recorded at its address is gone.
	gone := []string{join.Address}
	if known && old.Incarnation < join.Incarnation {
		gone = append(gone, old.Address)
	}

	// The eviction comes first: a node that is let in counts on its older incarnation being out.
	for _, address := range gone {
		if err := s.evictIfFree(ctx, address, join.Name); err != nil {
			return peerset.Welcome{}, fmt.Errorf("admit %s: evict %s: %w", join.Name, address, err)
		}
	}

	if err := s.register(ctx, join); err != nil {
		return peerset.Welcome{}, fmt.Errorf("admit %s: %w", join.Name, err)
	}

	return s.welcome(ctx)
}

// mayJoin refuses an incarnation that was replaced, or declared gone.
func (s *Store) mayJoin(ctx context.Context, join peerset.Join, old peerset.Peer, known bool) error {
	newer := old.Incarnation > join.Incarnation

	// A Droplet that is rebuilt in place keeps its incarnation and its address.
	elsewhere := old.Incarnation == join.Incarnation && old.Address != join.Address

	if known && (newer || elsewhere) {
		return fmt.Errorf("admit %s incarnation %d: %w: incarnation %d is at %s",
			join.Name, join.Incarnation, peerset.ErrEvicted, old.Incarnation, old.Address)
	}

	if known {
		return nil
	}

	// An incarnation that was declared gone may hold commits that nobody else has. It never comes back.
	forgotten, err := s.forgotten(ctx, join.Name)
	if err != nil {
		return fmt.Errorf("admit %s: %w", join.Name, err)
	}

	if forgotten >= join.Incarnation {
		return fmt.Errorf("admit %s incarnation %d: %w: incarnation %d was declared gone",
			join.Name, join.Incarnation, peerset.ErrEvicted, forgotten)
	}

	return nil
}

func (s *Store) recorded(ctx context.Context, name string) (peerset.Peer, bool, error) {
	var peer peerset.Peer
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		row := tx.QueryRowContext(ctx,
			`SELECT name, incarnation, address, kind FROM peers WHERE name = ?`,
			name,
		)
		return row.Scan(&peer.Name, &peer.Incarnation, &peer.Address, &peer.Kind)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return peer, false, nil
	}

	return peer, err == nil, err
}

// forgotten returns the newest incarnation of a name that was declared gone; 0 for none.
func (s *Store) forgotten(ctx context.Context, name string) (int, error) {
	var value string
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		key := peerset.ForgottenPrefix + name
		return tx.QueryRowContext(ctx,
			`SELECT value FROM settings WHERE key = ?`,
			key,
		).Scan(&value)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}

	if err != nil {
		return 0, err
	}

	return strconv.Atoi(value)
}

func (s *Store) register(ctx context.Context, join peerset.Join) error {
	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var before int
		err := tx.QueryRowContext(ctx,
			`SELECT incarnation FROM peers WHERE name = ?`,
			join.Name,
		).Scan(&before)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}

		// This reads the row of the incarnation before, which insertPeer replaces.
		replaces, err := noteReplaced(ctx, tx, join)
		if err != nil {
			return err
		}

		fresh, err := insertPeer(ctx, tx, join)
		if err != nil {
			return err
		}

		// A joiner asks again before each try. That is news only when its Droplet was rebuilt in place.
		if !fresh {
			if !replaces {
				return nil
			}

			return s.bump(ctx, tx)
		}

		if err := s.addJoinEvents(ctx, tx, join, before); err != nil {
			return err
		}

		// Nobody should wait until the leases of the dead incarnation expire.
		_, err = tx.ExecContext(ctx,
			`UPDATE leases SET holder = '', incarnation = 0 WHERE holder = ? AND incarnation < ?`,
			join.Name,
			join.Incarnation,
		)
		if err != nil {
			return err
		}

		// The name is in use again, so those who count evidence wait for it again.
		if err := deleteSetting(ctx, tx, peerset.ForgottenPrefix+join.Name); err != nil {
			return err
		}

		return s.bump(ctx, tx)
	})
}

// noteReplaced writes down which incarnation a node replaces, and tells whether it replaces one. An incarnation that
// has reported before, and asks for the first time since its agent started, was rebuilt in place, with a new disk.
func noteReplaced(ctx context.Context, tx *sql.Tx, join peerset.Join) (bool, error) {
	result, err := tx.ExecContext(ctx,
		`INSERT INTO settings (key, value) SELECT ?1, CAST(incarnation AS TEXT) FROM peers
			WHERE name = ?2 AND (incarnation < ?3 OR incarnation = ?3 AND NOT ?4 AND facts NOT IN ('{}', 'null', ''))
			ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
		peerset.ReplacedPrefix+join.Name,
		join.Name,
		join.Incarnation,
		join.Again,
	)
	if err != nil {
		return false, err
	}

	rows, err := result.RowsAffected()

	return rows > 0, err
}

// insertPeer gives a node a row of its own, in which nothing of the incarnation before is left, nor what a newer
// version knew of it. It tells whether there was none of this incarnation yet.
func insertPeer(ctx context.Context, tx *sql.Tx, join peerset.Join) (bool, error) {
	result, err := tx.ExecContext(ctx,
		`INSERT OR REPLACE INTO peers (name, role, incarnation, address, kind) SELECT ?1, ?2, ?3, ?4, ?5
			WHERE NOT EXISTS (SELECT 1 FROM peers WHERE name = ?1 AND incarnation >= ?3)`,
		join.Name,
		join.Role,
		join.Incarnation,
		join.Address,
		join.Kind,
	)
	if err != nil {
		return false, err
	}

	rows, err := result.RowsAffected()

	return rows > 0, err
}

// addJoinEvents adds that a node joined, and that the incarnation before it, if there was one, is out.
func (s *Store) addJoinEvents(ctx context.Context, tx *sql.Tx, join peerset.Join, before int) error {
	if before > 0 {
		text := fmt.Sprintf("incarnation %d of %s is out: incarnation %d takes its name",
			before, join.Name, join.Incarnation)

		err := s.addEvent(ctx, tx, peerset.Event{
			Kind:        peerset.EventEvicted,
			Node:        join.Name,
			Incarnation: before,
			Text:        text,
		})
		if err != nil {
			return err
		}
	}

	return s.addEvent(ctx, tx, peerset.Event{
		Kind:        peerset.EventJoined,
		Node:        join.Name,
		Incarnation: join.Incarnation,
		Text: fmt.Sprintf(
			"%s joined at %s, as a %s",
			join.Name,
			join.Address,
			join.Kind,
		),
	})
}

func (s *Store) welcome(ctx context.Context) (peerset.Welcome, error) {
	// A leader that vanished answers nothing, and the joiner waits for this.
	ctx, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()

	leader, err := s.app.FindLeader(ctx)
	if err != nil {
		return peerset.Welcome{}, fmt.Errorf("%w: %w", peerset.ErrUnavailable, err)
	}
	defer leader.Close()

	// Consensus is asked, not the registry: a node that has registered may still be on its way into consensus.
	nodes, err := leader.Cluster(ctx)
	if err != nil {
		return peerset.Welcome{}, fmt.Errorf("%w: %w", peerset.ErrUnavailable, err)
	}

	welcome := peerset.Welcome{Snapshot: s.Snapshot()}

	for _, node := range nodes {
		welcome.Members = append(welcome.Members, s.host(node.Address))
	}

	return welcome, nil
}

func (s *Store) host(endpoint string) string {
	return strings.TrimSuffix(endpoint, s.config.endpoint(""))
}
