package peers

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// retryRead is the pause after a look at the store that failed.
const retryRead = 50 * time.Millisecond

// blindPart is a part of QuorumFor: a member that could not read the peer set for as long cannot tell who is late
// from who could not write.
const blindPart = 3

// watch reads the store until the context ends: a change reaches this member when somebody tells it, and within one
// Refresh when nobody does.
func (s *Store) watch(ctx context.Context) {
	ticker := time.NewTicker(s.config.Refresh)
	defer ticker.Stop()

	for {
		var again <-chan time.Time

		if err := s.refresh(ctx); err != nil && ctx.Err() == nil {
			s.config.Log.Debug("refresh peer set", "err", err)

			// Another leader may be there already.
			again = time.After(retryRead)
		}

		select {
		case <-ctx.Done():
			return
		case <-again:
		case <-ticker.C:
		case <-s.refreshNow:
		}
	}
}

// Refresh makes this member read the peer set now: somebody changed it.
func (s *Store) Refresh() {
	s.refreshNow.Ring()
}

// refresh reads the counters, and the whole peer set only when its generation is another. It waits no longer than a
// write's first attempt does, for the same reason. A member that is only slow gets twice as long after each time that
// this was too short.
func (s *Store) refresh(ctx context.Context) error {
	// Three looks fit into the time after which the snapshot is only a memory.
	longest := s.config.QuorumFor / 3
	s.readTimeout = max(s.readTimeout, min(attemptDeadline, longest))

	reading, cancel := context.WithTimeout(ctx, s.readTimeout)
	defer cancel()

	err := s.readAndPublish(reading)

	switch {
	case err == nil:
		s.readTimeout = 0
	case reading.Err() != nil:
		s.readTimeout = min(2*s.readTimeout, longest)
	}

	return err
}

func (s *Store) readAndPublish(ctx context.Context) error {
	generation, seen, err := s.readCounters(ctx)
	if err != nil {
		return err
	}

	s.mu.Lock()
	was := s.snapshot // what is in it is never changed, only replaced
	s.mu.Unlock()

	next := was

	if generation != was.Generation || was.Founded == "" {
		if next, err = s.readOrMigrate(ctx); err != nil {
			return err
		}

		// The store does not say who leads: lookAtLeadership keeps that.
		next.Leader, next.Voters = was.Leader, was.Voters
	}

	s.publish(next, seen)
	s.lookAtLeadership(ctx)

	return nil
}

// readOrMigrate reads the whole. A store of an older version gets this one's schema first, by an empty write.
func (s *Store) readOrMigrate(ctx context.Context) (peerset.Snapshot, error) {
	next, err := s.read(ctx)
	if !errors.Is(err, errBehind) {
		return next, err
	}

	nothing := func(context.Context, *sql.Tx) error { return nil }
	if err := s.write(ctx, nothing); err != nil {
		return next, err
	}

	return s.read(ctx)
}

// counters are what moves without a new generation.
type counters struct {
	beats    map[string]int64
	renewals map[string]int64
}

// readCounters reads the generation and the counters in one statement: all that there is to know while nothing changes.
func (s *Store) readCounters(ctx context.Context) (generation uint64, seen counters, err error) {
	seen = counters{
		beats:    map[string]int64{},
		renewals: map[string]int64{},
	}

	rows, err := s.db.QueryContext(ctx, `
		SELECT 'generation', '', 0, CAST(value AS INTEGER) FROM meta WHERE key = 'generation'
		UNION ALL SELECT 'renewals', name, epoch, renewals FROM leases
		UNION ALL SELECT 'beats', name, incarnation, beats FROM peers`)
	if err != nil {
		return 0, seen, err
	}
	defer rows.Close()

	for rows.Next() {
		var what, name string
		var number, value int64
		if err := rows.Scan(&what, &name, &number, &value); err != nil {
			return 0, seen, err
		}

		switch what {
		case "generation":
			generation = uint64(value)
		case "beats":
			seen.beats[sightingKey(name, number)] = value
		case "renewals":
			seen.renewals[sightingKey(name, number)] = value
		}
	}

	return generation, seen, rows.Err()
}

// read reads the whole, in which there may be what this version's schema adds.
func (s *Store) read(ctx context.Context) (peerset.Snapshot, error) {
	next := peerset.Snapshot{
		Stack:    s.config.Stack,
		Leases:   map[string]peerset.Lease{},
		Settings: map[string]string{},
	}

	// One transaction: all of a snapshot is of one generation.
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return next, err
	}
	defer tx.Rollback()

	parts := []func(context.Context, *sql.Tx, *peerset.Snapshot) error{readMeta, readPeers, readLeases, readSettings}

	for _, part := range parts {
		if err := part(ctx, tx, &next); err != nil {
			return next, err
		}
	}

	return next, nil
}

func each(ctx context.Context, tx *sql.Tx, query string, scan func(*sql.Rows) error) error {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()

	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}

	return rows.Err()
}

func readMeta(ctx context.Context, tx *sql.Tx, next *peerset.Snapshot) error {
	err := each(ctx, tx, `SELECT key, value FROM meta`, func(rows *sql.Rows) error {
		var key, value string
		if err := rows.Scan(&key, &value); err != nil {
			return err
		}

		switch key {
		case "founded":
			next.Founded = value

		case "generation":
			generation, err := strconv.ParseUint(value, 10, 64)
			next.Generation = generation
			return err

		case "schema":
			schema, err := strconv.Atoi(value)
			next.Schema = schema
			return err
		}

		return nil
	})

	// The columns and tables that this version reads may not be there yet.
	if err == nil && next.Schema < len(additions) {
		err = errBehind
	}

	return err
}

func readPeers(ctx context.Context, tx *sql.Tx, next *peerset.Snapshot) error {
	query := `SELECT name, role, incarnation, address, kind, state, healthy, draining, facts FROM peers ORDER BY name`

	return each(ctx, tx, query, func(rows *sql.Rows) error {
		var peer peerset.Peer
		var facts string

		err := rows.Scan(&peer.Name, &peer.Role, &peer.Incarnation, &peer.Address, &peer.Kind,
			&peer.State, &peer.Healthy, &peer.Draining, &facts)
		if err != nil {
			return err
		}

		if err := json.Unmarshal([]byte(facts), &peer.Facts); err != nil {
			return fmt.Errorf("read facts of %s: %w", peer.Name, err)
		}

		next.Peers = append(next.Peers, peer)

		return nil
	})
}

func readLeases(ctx context.Context, tx *sql.Tx, next *peerset.Snapshot) error {
	return each(ctx, tx, `SELECT name, holder, incarnation, epoch FROM leases`, func(rows *sql.Rows) error {
		var lease peerset.Lease

		err := rows.Scan(&lease.Name, &lease.Holder, &lease.Incarnation, &lease.Epoch)
		if err == nil {
			next.Leases[lease.Name] = lease
		}

		return err
	})
}

func readSettings(ctx context.Context, tx *sql.Tx, next *peerset.Snapshot) error {
	return each(ctx, tx, `SELECT key, value FROM settings`, func(rows *sql.Rows) error {
		var key, value string
		if err := rows.Scan(&key, &value); err != nil {
			return err
		}

		next.Settings[key] = value

		return nil
	})
}

func sightingKey(name string, number int64) string {
	return name + "#" + strconv.FormatInt(number, 10)
}

// publish makes a snapshot this member's, and wakes who waits when it differs from the one before.
func (s *Store) publish(next peerset.Snapshot, seen counters) {
	s.mu.Lock()
	defer s.mu.Unlock()

	now := time.Now()
	if now.Sub(s.fresh) > s.config.QuorumFor/blindPart {
		// Nobody could renew anything while there was no leader, so all get their whole time again.
		restart(s.beats, now)
		restart(s.renewals, now)
	}

	s.fresh = now

	if next.Generation != s.snapshot.Generation {
		s.departed.note(s.snapshot, next)
		s.listener.drop(next.Out)
	}

	s.beats = advance(s.beats, seen.beats, now)
	s.renewals = advance(s.renewals, seen.renewals, now)

	// They may be those of the snapshot before, which others read.
	next.Peers = slices.Clone(next.Peers)

	// A counter that moved is no change: a heartbeat must not wake those that wait for one.
	differs := next.Generation != s.snapshot.Generation || next.Founded != s.snapshot.Founded

	for i := range next.Peers {
		peer := &next.Peers[i]
		sight := s.beats[sightingKey(peer.Name, int64(peer.Incarnation))]

		// A counter that was never seen to move may have stood there for days.
		peer.Alive = sight.moved && now.Sub(sight.since) < s.config.AliveFor

		if was, ok := s.snapshot.Peer(peer.Name); !ok || was.Alive != peer.Alive {
			differs = true
		}
	}

	s.snapshot = next

	if differs {
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

// advance returns the sightings after counters were read: those that stand keep the time since when they do.
func advance(was map[string]sighting, now map[string]int64, at time.Time) map[string]sighting {
	next := make(map[string]sighting, len(now))

	for key, value := range now {
		old, ok := was[key]
		if ok && old.value == value {
			next[key] = old
			continue
		}

		next[key] = sighting{value: value, since: at, moved: ok}
	}

	return next
}

func restart(sightings map[string]sighting, at time.Time) {
	for key, seen := range sightings {
		seen.since = at
		sightings[key] = seen
	}
}
