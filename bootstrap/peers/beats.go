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

// deferHeartbeat takes a heartbeat that says nothing new. It is written down together with those of other nodes, once
// in BeatEvery, so that many nodes cost no more writes than few. It returns false when the report must be written now.
func (s *Store) deferHeartbeat(who peerset.Identity, report peerset.Report) bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	// The snapshot may be older than what this member wrote last for the node, so both are compared.
	last, wrote := s.reported[who.Name]
	s.reported[who.Name] = report
	differs := wrote && !alike(last, report)

	// A snapshot that was not refreshed for so long cannot say that a report is nothing new.
	stale := time.Since(s.fresh) >= s.config.QuorumFor

	if differs || stale {
		return false
	}

	peer, known := s.snapshot.Peer(who.Name)
	if !known || peer.Incarnation != who.Incarnation || !alike(report, reportOf(peer)) {
		return false
	}

	s.pending[who.Name] = who.Incarnation

	return true
}

// reportOf is the report that a peer's entry in a snapshot came from.
func reportOf(peer peerset.Peer) peerset.Report {
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

// keepHeartbeats has the heartbeats that came to this member written down. The leader writes them for all members with
// one statement, because each statement goes into the log of every member.
func (s *Store) keepHeartbeats(ctx context.Context) {
	for {
		// By the clock, all members send theirs at the same moment. Clocks that differ make for more statements, not
		// for later ones.
		next := time.Now().Truncate(s.config.BeatEvery).Add(s.config.BeatEvery)
		timer := time.NewTimer(time.Until(next))
		own := false

		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			own = true
		case <-s.received:
			timer.Stop()
		}

		if own && s.sendToLeader(ctx) {
			continue
		}

		// What the others send arrives meanwhile, and goes into the same statement.
		pause.For(ctx, s.config.BeatEvery/collectPart)

		select {
		case <-s.received: // they are among those that are written now
		default:
		}

		if beats := s.takePending(); len(beats) > 0 {
			// What this statement misses the next one has, as nodes keep reporting.
			if err := s.writeHeartbeats(ctx, beats); err != nil && ctx.Err() == nil {
				s.config.Log.Debug("write heartbeats down", "err", err)
			}
		}
	}
}

// takePending returns the heartbeats that are not written down yet, and leaves none.
func (s *Store) takePending() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()

	beats := s.pending
	s.pending = map[string]int{}

	return beats
}

// sendToLeader gives the heartbeats to the leader's agent. It returns false when this member must write them down
// itself, because it leads or because that agent did not take them.
func (s *Store) sendToLeader(ctx context.Context) bool {
	s.mu.Lock()
	leader := s.snapshot.Leader
	s.mu.Unlock()

	if s.config.PassHeartbeats == nil || leader == "" || leader == s.config.endpoint(s.config.Address) {
		return false
	}

	beats := s.takePending()
	if len(beats) == 0 {
		return true
	}

	if err := s.config.PassHeartbeats(ctx, s.host(leader), beats); err != nil {
		s.config.Log.Debug("send heartbeats to the leader", "to", leader, "err", err)
		s.addPending(beats)

		return false
	}

	return true
}

// TakeHeartbeats takes heartbeats that another member got, by name and incarnation.
func (s *Store) TakeHeartbeats(beats map[string]int) {
	s.addPending(beats)
	s.received.Ring()
}

func (s *Store) addPending(beats map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()

	// A late heartbeat of an older incarnation must not hide the newer one's.
	for name, incarnation := range beats {
		s.pending[name] = max(s.pending[name], incarnation)
	}
}

// writeHeartbeats counts the heartbeats in one statement.
func (s *Store) writeHeartbeats(ctx context.Context, beats map[string]int) error {
	names := slices.Sorted(maps.Keys(beats))
	values := make([]any, 0, 2*len(names))

	for _, name := range names {
		values = append(values, name, beats[name])
	}

	pairs := strings.TrimSuffix(strings.Repeat("(?, ?), ", len(names)), ", ")

	// An incarnation that was replaced meanwhile has no row any more, and counts nothing.
	statement := `UPDATE peers SET beats = beats + 1 WHERE (name, incarnation) IN (VALUES ` + pairs + `)`

	return s.repeat(ctx, func(ctx context.Context) error {
		_, err := s.db.ExecContext(ctx, statement, values...)
		return err
	})
}
