package peers

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/canonical/go-dqlite/v2/client"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Admit lets a node in. An older incarnation of its name is evicted first, from consensus, the registry and its
// leases, so that a replaced node never mixes with its dead namesake. A dead member never blocks it.
func (s *Store) Admit(ctx context.Context, join peerset.Join) (peerset.Welcome, error) {
	old, known, err := s.recorded(ctx, join.Name)
	if err != nil {
		return peerset.Welcome{}, fmt.Errorf("admit %s: %w", join.Name, err)
	}

	if known &&
		(old.Incarnation > join.Incarnation ||
			old.Incarnation == join.Incarnation && old.Address != join.Address) {
		return peerset.Welcome{}, fmt.Errorf(
			"admit %s incarnation %d: %w: incarnation %d is at %s",
			join.Name,
			join.Incarnation,
			peerset.ErrEvicted,
			old.Incarnation,
			old.Address,
		)
	}

	if !known {
		forgotten, err := s.forgotten(ctx, join.Name)
		if err != nil {
			return peerset.Welcome{}, fmt.Errorf("admit %s: %w", join.Name, err)
		}
		if forgotten >= join.Incarnation {
			return peerset.Welcome{}, fmt.Errorf(
				"admit %s incarnation %d: %w: incarnation %d was declared gone",
				join.Name,
				join.Incarnation,
				peerset.ErrEvicted,
				forgotten,
			)
		}
	}

	// who asks holds nothing of consensus yet: whoever was a member at its address is gone
	gone := []string{join.Address}
	if known && old.Incarnation < join.Incarnation {
		gone = append(gone, old.Address)
	}

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

func (s *Store) recorded(ctx context.Context, name string) (peerset.Peer, bool, error) {
	var peer peerset.Peer
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx,
			`SELECT name, incarnation, address, kind FROM peers WHERE name = ?`,
			name,
		).
			Scan(&peer.Name, &peer.Incarnation, &peer.Address, &peer.Kind)
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
		return tx.QueryRowContext(ctx,
			`SELECT value FROM settings WHERE key = ?`,
			peerset.ForgottenPrefix+name,
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

		// The same incarnation that said something already asks anew when its disk is new: its Droplet was
		// rebuilt in place.
		owing, err := tx.ExecContext(ctx, `INSERT INTO settings (key, value) SELECT ?1, CAST(incarnation AS TEXT) FROM peers
			WHERE name = ?2 AND (incarnation < ?3 OR incarnation = ?3 AND facts NOT IN ('{}', 'null', ''))
			ON CONFLICT (key) DO UPDATE SET value = excluded.value`, peerset.ReplacedPrefix+join.Name, join.Name, join.Incarnation)
		if err != nil {
			return err
		}

		// A row of its own: nothing of the incarnation before is left, nor what a newer version knew of it.
		result, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO peers (name, role, incarnation, address, kind) SELECT ?1, ?2, ?3, ?4, ?5
			WHERE NOT EXISTS (SELECT 1 FROM peers WHERE name = ?1 AND incarnation >= ?3)`,
			join.Name, join.Role, join.Incarnation, join.Address, join.Kind)
		if err != nil {
			return err
		}

		if fresh, err := result.RowsAffected(); err != nil {
			return err
		} else if fresh == 0 {
			if owes, err := owing.RowsAffected(); err != nil || owes == 0 {
				return err
			}

			return s.bump(ctx, tx)
		}

		if before > 0 {
			text := fmt.Sprintf(
				"incarnation %d of %s is out: incarnation %d takes its name",
				before,
				join.Name,
				join.Incarnation,
			)

			if err := s.happen(ctx, tx, peerset.Event{
				Kind:        peerset.EventEvicted,
				Node:        join.Name,
				Incarnation: before,
				Text:        text,
			}); err != nil {
				return err
			}
		}

		text := fmt.Sprintf("%s joined at %s, as a %s", join.Name, join.Address, join.Kind)

		if err := s.happen(ctx, tx, peerset.Event{
			Kind:        peerset.EventJoined,
			Node:        join.Name,
			Incarnation: join.Incarnation,
			Text:        text,
		}); err != nil {
			return err
		}

		_, err = tx.ExecContext(ctx,
			`UPDATE leases SET holder = '', incarnation = 0 WHERE holder = ? AND incarnation < ?`,
			join.Name,
			join.Incarnation,
		)
		if err != nil {
			return err
		}

		if _, err := tx.ExecContext(ctx,
			`DELETE FROM settings WHERE key = ?`,
			peerset.ForgottenPrefix+join.Name,
		); err != nil {
			return err
		}

		return s.bump(ctx, tx)
	})
}

func (s *Store) welcome(ctx context.Context) (peerset.Welcome, error) {
	ctx, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()

	leader, err := s.app.FindLeader(ctx)
	if err != nil {
		return peerset.Welcome{}, fmt.Errorf("%w: %w", peerset.ErrUnavailable, err)
	}
	defer leader.Close()

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
	suffix := s.config.endpoint("")
	return endpoint[:len(endpoint)-len(suffix)]
}

// evictIfFree removes an address from consensus, unless it is this member's own or belongs to another node by now.
func (s *Store) evictIfFree(ctx context.Context, address, name string) error {
	if address == s.config.Address {
		return nil
	}

	var others int
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx,
			`SELECT COUNT(*) FROM peers WHERE address = ? AND name <> ?`,
			address,
			name,
		).Scan(&others)
	})
	if err != nil || others > 0 {
		return err
	}

	return s.evict(ctx, address)
}

// evict removes an address from consensus; one that is not there is no error.
func (s *Store) evict(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()

	for {
		err := s.tryEvict(ctx, address)
		if err == nil || !passing(err) {
			return err
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", peerset.ErrUnavailable, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *Store) tryEvict(ctx context.Context, address string) error {
	leader, err := s.app.FindLeader(ctx)
	if err != nil {
		return err
	}
	defer leader.Close()

	nodes, err := leader.Cluster(ctx)
	if err != nil {
		return err
	}

	for _, node := range nodes {
		if node.Address == s.config.endpoint(address) {
			return s.remove(ctx, leader, node, nodes)
		}
	}

	return nil
}

// errLeads is passing: the member to remove led, and another takes over.
var errLeads = errors.New("the leader hands over before it is removed")

// remove removes a member. One that leads hands over first: without it the others would have to find out that
// it is gone.
func (s *Store) remove(
	ctx context.Context,
	leader *client.Client,
	node client.NodeInfo,
	all []client.NodeInfo,
) error {
	if node.Address == s.config.endpoint(s.config.Address) {
		return fmt.Errorf("remove %s from consensus: it is this node itself", node.Address)
	}

	leads, err := leader.Leader(ctx)
	if err != nil {
		return err
	}

	if leads == nil || leads.ID != node.ID {
		return leader.Remove(ctx, node.ID)
	}

	err = errLeads

	for _, other := range all {
		if other.ID == node.ID || other.Role != client.Voter {
			continue
		}
		if refused := leader.Transfer(ctx, other.ID); refused == nil {
			return errLeads
		} else {
			err = errors.Join(err, refused)
		}
	}

	return err
}

// Report records a heartbeat. The generation grows only when the report differs from the last.
func (s *Store) Report(ctx context.Context, who peerset.Identity, report peerset.Report) error {
	facts, err := json.Marshal(report.Facts)
	if err != nil {
		return err
	}

	if report.Facts == nil {
		facts = []byte("{}")
	}

	if s.beat(who, report) {
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

		if hit, err := result.RowsAffected(); err != nil || hit == 0 {
			return errors.Join(err, peerset.ErrEvicted)
		}

		if report.Draining {
			if err := s.drains(ctx, tx, who, report.State); err != nil {
				return err
			}
		}

		result, err = tx.ExecContext(ctx, `UPDATE peers SET state = ?1, healthy = ?2, draining = ?3, facts = ?4
			WHERE name = ?5 AND NOT (state = ?1 AND healthy = ?2 AND draining = ?3 AND facts = ?4)`,
			report.State, report.Healthy, report.Draining, string(facts), who.Name)
		if err != nil {
			return err
		}

		if hit, err := result.RowsAffected(); err != nil || hit == 0 {
			return err
		}

		if report.Healthy { // what its predecessor held, it has or needs no more
			if _, err := tx.ExecContext(ctx,
				`DELETE FROM settings WHERE key = ?`,
				peerset.ReplacedPrefix+who.Name,
			); err != nil {
				return err
			}
		}

		return s.bump(ctx, tx)
	})
}

// drains tells that a node gives its work up, once.
func (s *Store) drains(ctx context.Context, tx *sql.Tx, who peerset.Identity, state string) error {
	var already bool
	err := tx.QueryRowContext(ctx,
		`SELECT draining FROM peers WHERE name = ?`,
		who.Name,
	).Scan(&already)
	if err != nil || already {
		return err
	}

	return s.happen(ctx, tx, peerset.Event{
		Kind:        peerset.EventDraining,
		Node:        who.Name,
		Incarnation: who.Incarnation,
		Text:        who.Name + " gives its work up, as " + state,
	})
}

// Forget declares a node gone, or the one before it when that is what is not accounted for. One that never
// registered is recorded as gone, too: those who count evidence wait for it.
func (s *Store) Forget(ctx context.Context, name string) error {
	peer, known, err := s.recorded(ctx, name)
	if err != nil {
		return err
	}

	if successor, _ := s.Snapshot().Peer(name); successor.Alive {
		if done, err := s.forgetReplaced(ctx, name); err != nil || done {
			return err
		}
	}

	if known {
		if err := s.evict(ctx, peer.Address); err != nil {
			return fmt.Errorf("forget %s: %w", name, err)
		}
	}

	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, statement := range []string{`DELETE FROM peers WHERE name = ?`, `UPDATE leases SET holder = '', incarnation = 0 WHERE holder = ?`} {
			if _, err := tx.ExecContext(ctx, statement, name); err != nil {
				return err
			}
		}

		if _, err := tx.ExecContext(ctx,
			`DELETE FROM settings WHERE key = ?`,
			peerset.ReplacedPrefix+name,
		); err != nil {
			return err
		}

		if err := s.happen(ctx, tx, peerset.Event{
			Kind:        peerset.EventGone,
			Node:        name,
			Incarnation: peer.Incarnation,
			Text:        name + " was declared gone for good",
		}); err != nil {
			return err
		}

		// Gone and never seen are not the same to those who count evidence.
		_, err := tx.ExecContext(ctx,
			`INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2`,
			peerset.ForgottenPrefix+name,
			strconv.Itoa(peer.Incarnation),
		)
		if err != nil {
			return err
		}

		return s.bump(ctx, tx)
	})
}

// forgetReplaced declares the incarnation before a living one gone, and tells whether there was one to declare so.
func (s *Store) forgetReplaced(ctx context.Context, name string) (bool, error) {
	var hit int64
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx,
			`DELETE FROM settings WHERE key = ?`,
			peerset.ReplacedPrefix+name,
		)
		if err != nil {
			return err
		}

		if hit, err = result.RowsAffected(); err != nil || hit == 0 {
			return err
		}

		text := "the incarnation of " + name + " before the present one was declared gone for good"

		if err := s.happen(ctx, tx, peerset.Event{
			Kind: peerset.EventGone,
			Node: name,
			Text: text,
		}); err != nil {
			return err
		}

		return s.bump(ctx, tx)
	})
	if err != nil {
		return false, fmt.Errorf("forget %s: %w", name, err)
	}

	return hit > 0, nil
}

// Put writes a setting under a lease, in one transaction with the check of its epoch.
func (s *Store) Put(ctx context.Context, who peerset.Identity, key, value string, fence peerset.Lease) error {
	if !peerset.MayPut(who.Role, key, fence.Name) {
		return fmt.Errorf(
			"put %s as role %s under lease %s: %w",
			key,
			who.Role,
			fence.Name,
			peerset.ErrForbidden,
		)
	}

	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := held(ctx, tx, who, fence); err != nil {
			return fmt.Errorf("put %s: %w", key, err)
		}

		if err := room(ctx,
			tx,
			`SELECT COUNT(*) FROM settings WHERE key <> ? AND substr(key, 1, length(?)) = ?`,
			who.Role,
			key,
		); err != nil {
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

// room refuses one more of a role's own when it has enough.
func room(ctx context.Context, tx *sql.Tx, count, role, name string) error {
	if !strings.HasPrefix(name, role+".") {
		return nil
	}

	var others int

	if err := tx.QueryRowContext(ctx, count, name, role+".", role+".").Scan(&others); err != nil {
		return err
	}

	if others >= maxOwn {
		return fmt.Errorf(
			"%w: role %s has %d of its own already",
			peerset.ErrForbidden,
			role,
			others,
		)
	}

	return nil
}

func held(ctx context.Context, tx *sql.Tx, who peerset.Identity, fence peerset.Lease) error {
	var count int
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM leases WHERE name = ? AND holder = ? AND incarnation = ? AND epoch = ?`,
		fence.Name, who.Name, who.Incarnation, fence.Epoch).Scan(&count)
	if err == nil && count == 0 {
		err = peerset.ErrStaleEpoch
	}

	return err
}
