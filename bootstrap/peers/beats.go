package peers

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
)

// takeHeartbeat takes one that says nothing new: it is written down with those of others, once in BeatEvery, so
// that many nodes write no more than few. It tells whether that is enough.
func (s *Store) takeHeartbeat(who peerset.Identity, report peerset.Report) bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	// The snapshot may be older than what this member wrote last for the node.
	last, wrote := s.wrote[who.Name]
	s.wrote[who.Name] = report

	if wrote && !alike(last, report) || time.Since(s.fresh) >= s.config.QuorumFor {
		return false
	}

	peer, known := s.snapshot.Peer(who.Name)
	if !known || peer.Incarnation != who.Incarnation || !alike(report, reported(peer)) {
		return false
	}

	s.heard[who.Name] = who.Incarnation

	return true
}

// reported is the report that a peer's entry in a snapshot came from.
func reported(peer peerset.Peer) peerset.Report {
	return peerset.Report{State: peer.State, Healthy: peer.Healthy, Draining: peer.Draining, Facts: peer.Facts}
}

func alike(a, b peerset.Report) bool {
	return a.State == b.State &&
		a.Healthy == b.Healthy &&
		a.Draining == b.Draining &&
		maps.Equal(a.Facts, b.Facts)
}

// collectPart is the part of BeatEvery for which a member that writes heartbeats down waits for those of others.
const collectPart = 10

// keepHeartbeats has the heartbeats that came to this member written down: by the leader, for all members with
// one statement, as each is written into the log of all. All pass theirs on at the same moments, by their clocks;
// where those differ there are more statements, not later ones.
func (s *Store) keepHeartbeats(ctx context.Context) {
	for {
		next := time.Now().Truncate(s.config.BeatEvery).Add(s.config.BeatEvery)
		timer := time.NewTimer(time.Until(next))
		own := false

		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			own = true
		case <-s.passedOn:
			timer.Stop()
		}

		if own && s.passOn(ctx) {
			continue
		}

		pause.For(ctx, s.config.BeatEvery/collectPart)

		select {
		case <-s.passedOn: // they are among those that are taken now
		default:
		}

		if heard := s.takeHeard(); len(heard) > 0 {
			if err := s.writeHeartbeats(ctx, heard); err != nil && ctx.Err() == nil {
				s.config.Log.Debug("write heartbeats down", "err", err)
			}
		}
	}
}

// takeHeard returns the heartbeats that are not written down yet, and leaves none.
func (s *Store) takeHeard() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()

	heard := s.heard
	s.heard = map[string]int{}

	return heard
}

// passOn gives the heartbeats to the leader's agent; false when this member is to write them down itself: it
// leads, or that one did not take them.
func (s *Store) passOn(ctx context.Context) bool {
	s.mu.Lock()
	leader := s.snapshot.Leader
	s.mu.Unlock()

	if s.config.PassHeartbeats == nil || leader == "" || leader == s.config.endpoint(s.config.Address) {
		return false
	}

	heard := s.takeHeard()
	if len(heard) == 0 {
		return true
	}

	if err := s.config.PassHeartbeats(ctx, s.host(leader), heard); err != nil {
		s.config.Log.Debug("pass heartbeats on", "to", leader, "err", err)
		s.merge(heard)

		return false
	}

	return true
}

// TakeHeartbeats takes heartbeats that another member passed on, by name and incarnation.
func (s *Store) TakeHeartbeats(beats map[string]int) {
	s.merge(beats)
	s.passedOn.Ring()
}

func (s *Store) merge(beats map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()

	for name, incarnation := range beats {
		s.heard[name] = max(s.heard[name], incarnation)
	}
}

// writeHeartbeats is one statement; what it misses the next one has, as nodes keep reporting.
func (s *Store) writeHeartbeats(ctx context.Context, heard map[string]int) error {
	names := slices.Sorted(maps.Keys(heard))
	values := make([]any, 0, 2*len(names))

	for _, name := range names {
		values = append(values, name, heard[name])
	}

	pairs := strings.TrimSuffix(strings.Repeat("(?, ?), ", len(names)), ", ")
	statement := `UPDATE peers SET beats = beats + 1 WHERE (name, incarnation) IN (VALUES ` + pairs + `)`

	return s.repeat(ctx, func(ctx context.Context) error {
		_, err := s.db.ExecContext(ctx, statement, values...)
		return err
	})
}
