package peers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// beat takes a heartbeat that says nothing new: it is written down with those of others, once in BeatEvery, so that many
// nodes write no more than few. It tells whether that is enough.
func (s *Store) beat(who peerset.Identity, report peerset.Report) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	// The snapshot may be older than what this member wrote last for the node.
	last, wrote := s.wrote[who.Name]
	s.wrote[who.Name] = report
	if wrote && !alike(last, report) || time.Since(s.fresh) >= s.config.QuorumFor {
		return false
	}
	peer, known := s.snapshot.Peer(who.Name)
	same := known && peer.Incarnation == who.Incarnation &&
		alike(report, peerset.Report{State: peer.State, Healthy: peer.Healthy, Draining: peer.Draining, Facts: peer.Facts})
	if same {
		s.heard[who.Name] = who.Incarnation
	}
	return same
}

func alike(a, b peerset.Report) bool {
	return a.State == b.State && a.Healthy == b.Healthy && a.Draining == b.Draining && maps.Equal(a.Facts, b.Facts)
}

// keepBeats writes down who gave a heartbeat.
func (s *Store) keepBeats(ctx context.Context) {
	ticker := time.NewTicker(s.config.BeatEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.mu.Lock()
		heard := s.heard
		s.heard = map[string]int{}
		s.mu.Unlock()
		if len(heard) == 0 {
			continue
		}
		if err := s.writeBeats(ctx, heard); err != nil && ctx.Err() == nil {
			s.config.Log.Debug("write heartbeats down", "err", err)
		}
	}
}

// writeBeats is one statement; what it misses the next one has, as nodes keep beating.
func (s *Store) writeBeats(ctx context.Context, heard map[string]int) error {
	names := slices.Sorted(maps.Keys(heard))
	pairs, values := make([]string, len(names)), make([]any, 0, 2*len(names))
	for at, name := range names {
		pairs[at] = "(?, ?)"
		values = append(values, name, heard[name])
	}
	statement := fmt.Sprintf(`UPDATE peers SET beats = beats + 1 WHERE (name, incarnation) IN (VALUES %s)`, strings.Join(pairs, ", "))
	return s.repeat(ctx, func(ctx context.Context) error {
		_, err := s.db.ExecContext(ctx, statement, values...)
		return err
	})
}
