package bootstrap

import (
	"context"
	"encoding/json"
	"os"
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
	recentEvery = 10 * time.Second
)

// recentEvents are the newest events, as this member last read them. They are on disk beside the snapshot.
type recentEvents struct {
	mu     sync.Mutex
	Era    int             `json:"era"`
	Events []peerset.Event `json:"events"`
}

func (r *recentEvents) any() bool {
	r.mu.Lock()
	defer r.mu.Unlock()

	return len(r.Events) > 0
}

// load reads what was kept before the agent's start.
func (r *recentEvents) load(path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		return
	}

	r.mu.Lock()
	defer r.mu.Unlock()

	// What cannot be read is read anew from the peer set.
	_ = json.Unmarshal(data, r)
}

// last is the id of the newest; 0 when the ids began anew since.
func (r *recentEvents) last(era int) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()

	if len(r.Events) == 0 || r.Era != era {
		return 0
	}

	return r.Events[len(r.Events)-1].ID
}

// add remembers newer events, and returns what to keep on disk.
func (r *recentEvents) add(era int, events []peerset.Event) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	if r.Era != era {
		r.Era, r.Events = era, nil
	}

	all := append(r.Events, events...)
	newest := all[max(0, len(all)-maxRecent):]

	// A copy: the slice would keep the old events in memory.
	r.Events = append([]peerset.Event(nil), newest...)

	return json.Marshal(r)
}

// since returns the newest events after an id, and at most as many as the limit.
func (r *recentEvents) since(after int64, limit int) []peerset.Event {
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

// remember reads what happens, and keeps the newest events in memory and on disk, until ctx ends.
func (l *eventLog) remember(ctx context.Context, set peerset.Set) {
	l.recent.load(l.path)

	for ctx.Err() == nil {
		changed := set.Changed()

		if err := l.readNew(ctx, set.Snapshot()); err != nil && ctx.Err() == nil {
			l.log.Debug("remember events", "err", err)
		}

		select {
		case <-ctx.Done():
		case <-changed:
			pause.For(ctx, l.heartbeat) // however much changes
		case <-time.After(recentEvery):
		}
	}
}

// readNew reads the events that came since the last time.
func (l *eventLog) readNew(ctx context.Context, snapshot peerset.Snapshot) error {
	if !snapshot.Quorum {
		return nil
	}

	ctx, cancel := context.WithTimeout(ctx, eventsTimeout)
	defer cancel()

	era := snapshot.Era()

	events, err := l.used().Events(ctx, l.recent.last(era), maxRecent)
	if err != nil || len(events) == 0 {
		return err
	}

	data, err := l.recent.add(era, events)
	if err != nil {
		return err
	}

	_, err = file.Write(l.path, data, file.Options{Mode: 0o600})

	return err
}
