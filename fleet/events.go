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

// Events returns what happened to the stack, at most number of the newest; 0 for all that is kept.
func (f *Fleet) Events(ctx context.Context, number int) ([]status.Event, error) {
	told, err := f.eventsOf(ctx, 0, number)
	if told.note != "" {
		f.say("%s: %s", told.by.Node, told.note)
	}

	return told.events, err
}

// told is what one node tells of what happened.
type told struct {
	by     member
	events []status.Event
	note   string // that it only remembers them
	err    error
}

// eventsOf asks all nodes at once, as many may not answer: the first that knows has the word, else the one that
// remembers most.
func (f *Fleet) eventsOf(ctx context.Context, after int64, number int) (told, error) {
	all, err := f.members(ctx)
	if err != nil {
		return told{}, err
	}

	members, _ := current(all)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	answers := make(chan told, len(members))

	for _, m := range members {
		go func() {
			answers <- f.shell.events(ctx, m, after, number)
		}()
	}

	var best told
	var errs []error

	for range members {
		answer := <-answers
		switch {
		case answer.err != nil:
			errs = append(errs, answer.err)
		case answer.note == "":
			return answer, nil
		case best.note == "" || newestID(answer.events) > newestID(best.events):
			best = answer
		}
	}

	if best.note != "" {
		return best, nil
	}

	return told{}, errors.Join(append(errs, ErrNoEvents)...)
}

func newestID(events []status.Event) int64 {
	if len(events) == 0 {
		return 0
	}

	return events[len(events)-1].ID
}

// Follow hands over each event once, those that were and those to come, until ctx ends. A node that does not
// know any more gives way to another.
func (f *Fleet) Follow(ctx context.Context, number int, each func(status.Event) error) error {
	var follower status.Follower
	var last told

	for {
		now, err := f.more(ctx, last.by, &follower, number)

		if ctx.Err() != nil {
			return nil
		}

		if err != nil {
			f.say("events: %v", err)
		} else if now.note != last.note && now.note != "" {
			f.say("%s: %s", now.by.Node, now.note)
		}

		last = now

		for _, event := range follower.Fresh(now.events) {
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

// more asks the node that told last, and all when it does not know.
func (f *Fleet) more(ctx context.Context, by member, follower *status.Follower, number int) (told, error) {
	if by.Node != "" {
		if err := f.enter(ctx, by, follower); err == nil {
			if answer := f.shell.events(ctx,
				by,
				follower.After,
				number,
			); answer.err == nil && answer.note == "" {
				return answer, nil
			}
		}
	}

	after := follower.After
	answer, err := f.eventsOf(ctx, after, number)
	if err == nil {
		err = f.enter(ctx, answer.by, follower)
	}

	if err == nil && follower.After < after {
		answer = f.shell.events(ctx, answer.by, follower.After, number)
		err = answer.err
	}

	return answer, err
}

// enter tells the follower of which era the peer set is that a node tells of.
func (f *Fleet) enter(ctx context.Context, m member, follower *status.Follower) error {
	said, err := f.shell.status(ctx, m)
	if err == nil {
		follower.In(said.PeerSet.Era)
	}

	return err
}

func (s *shell) events(ctx context.Context, m member, after int64, number int) told {
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
	defer cancel()

	answer := told{by: m}
	if m.public() == "" {
		answer.err = fmt.Errorf("ask %s: it has no address yet", m.Node)
		return answer
	}

	var stdout, stderr bytes.Buffer
	code, err := s.run(ctx,
		m,
		fmt.Sprintf("hornero-bootstrap events --json --after %d -n %d", after, number),
		nil,
		&stdout,
		&stderr,
	)

	answer.note = string(bytes.TrimSpace(stderr.Bytes()))
	if err == nil && code != 0 {
		err = fmt.Errorf("ask %s: %s", m.Node, answer.note)
	}

	answer.err = err
	for decoder := json.NewDecoder(&stdout); answer.err == nil && decoder.More(); {
		var event status.Event

		if err := decoder.Decode(&event); err != nil {
			answer.err = fmt.Errorf("read events of %s: %w", m.Node, err)
		} else {
			answer.events = append(answer.events, event)
		}
	}

	return answer
}
