package bootstrap

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/pause"
)

const (
	eventsFile = "events.json"
	// maxRecent is how many events a member remembers itself, for when the peer set does not answer.
	maxRecent = 200
	// recentEvery is how often it looks for more. A change of the peer set is looked at sooner.
	recentEvery  = 10 * time.Second
	eventsWithin = 4 * time.Second
)

// recent is what happened lately, as this member last read it.
type recent struct {
	mu     sync.Mutex
	Era    int             `json:"era"`
	Events []peerset.Event `json:"events"`
}

func (r *recent) any() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.Events) > 0
}

// last is the id of the newest; 0 when the ids began anew since.
func (r *recent) last(era int) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()

	if len(r.Events) == 0 || r.Era != era {
		return 0
	}

	return r.Events[len(r.Events)-1].ID
}

func (r *recent) add(era int, events []peerset.Event) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	if r.Era != era {
		r.Era, r.Events = era, nil
	}

	r.Events = append(r.Events, events...)
	r.Events = append(
		[]peerset.Event(nil),
		r.Events[max(0, len(r.Events)-maxRecent):]...,
	)

	return json.Marshal(r)
}

func (r *recent) since(after int64, limit int) []peerset.Event {
	r.mu.Lock()
	defer r.mu.Unlock()

	var events []peerset.Event

	for _, event := range r.Events {
		if event.ID > after {
			events = append(events, event)
		}
	}

	return events[max(0, len(events)-limit):]
}

// keepRecent reads what happens, and keeps it on disk beside the snapshot.
func (a *Agent) keepRecent(ctx context.Context) {
	path := filepath.Join(a.State, eventsFile)

	if data, err := os.ReadFile(path); err == nil {
		a.recent.mu.Lock()
		_ = json.Unmarshal(data, &a.recent) // what cannot be read is read anew
		a.recent.mu.Unlock()
	}

	for ctx.Err() == nil {
		changed := a.set.Changed()

		if err := a.readRecent(ctx, path); err != nil && ctx.Err() == nil {
			a.Log.Debug("remember events", "err", err)
		}

		select {
		case <-ctx.Done():
		case <-changed:
			pause.For(ctx, a.Heartbeat) // however much changes
		case <-time.After(recentEvery):
		}
	}
}

func (a *Agent) readRecent(ctx context.Context, path string) error {
	snapshot := a.set.Snapshot()
	if !snapshot.Quorum {
		return nil
	}

	ctx, cancel := context.WithTimeout(ctx, eventsWithin)
	defer cancel()

	events, err := a.events.Events(ctx, a.recent.last(snapshot.Era()), maxRecent)
	if err != nil || len(events) == 0 {
		return err
	}

	data, err := a.recent.add(snapshot.Era(), events)
	if err != nil {
		return err
	}

	_, err = file.Write(path, data, file.Options{Mode: 0o600})

	return err
}
