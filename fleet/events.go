package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hornero/hornero/internal/status"
)

// followEvery is how often a follower asks for more.
const followEvery = time.Second

// ErrNoEvents means that no node could tell what happened.
var ErrNoEvents = errors.New("no node tells what happened; `hornero status` says how they are")

// Events returns what happened to the stack after an event, at most number of the newest; 0 for all that is kept.
func (f *Fleet) Events(ctx context.Context, after int64, number int) ([]status.Event, error) {
	all, err := f.members(ctx)
	if err != nil {
		return nil, err
	}
	members, _ := current(all)
	return f.eventsOf(ctx, members, after, number)
}

// eventsOf asks one node after the other: all tell the same.
func (f *Fleet) eventsOf(ctx context.Context, members []member, after int64, number int) ([]status.Event, error) {
	var errs []error
	for _, m := range members {
		events, err := f.shell.events(ctx, m, after, number)
		if err == nil {
			return events, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(append(errs, ErrNoEvents)...)
}

// Follow hands over each event once, those that were and those to come, until ctx ends. A node that does not answer any more
// gives way to another.
func (f *Fleet) Follow(ctx context.Context, number int, each func(status.Event) error) error {
	after := int64(0)
	for {
		events, err := f.Events(ctx, after, number)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			f.say("events: %v", err)
		}
		for _, event := range events {
			after = event.ID
			if err := each(event); err != nil {
				return err
			}
		}
		if err == nil {
			number = 0
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
	}
}

func (s *shell) events(ctx context.Context, m member, after int64, number int) ([]status.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
	defer cancel()
	if m.public() == "" {
		return nil, fmt.Errorf("ask %s: it has no address yet", m.Node)
	}
	var stdout, stderr bytes.Buffer
	code, err := s.run(ctx, m, fmt.Sprintf("hornero-bootstrap events --json --after %d -n %d", after, number), nil, &stdout, &stderr)
	if err != nil {
		return nil, err
	}
	if code != 0 {
		return nil, fmt.Errorf("ask %s: %s", m.Node, bytes.TrimSpace(stderr.Bytes()))
	}
	var events []status.Event
	for decoder := json.NewDecoder(&stdout); decoder.More(); {
		var event status.Event
		if err := decoder.Decode(&event); err != nil {
			return nil, fmt.Errorf("read events of %s: %w", m.Node, err)
		}
		events = append(events, event)
	}
	return events, nil
}
