package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hornero/hornero/internal/status"
)

// followEvery is how often a follower asks for more.
const followEvery = time.Second

// ErrNoEvents means that no node could tell what happened.
var ErrNoEvents = errors.New("no node tells what happened; `hornero status` says how they are")

// Events returns what happened to the stack, at most number of the newest; 0 for all that is kept.
func (f *Fleet) Events(ctx context.Context, number int) ([]status.Event, error) {
	answer, err := f.askEvents(ctx, 0, number)
	if answer.note != "" {
		f.progress("%s: %s", answer.by.Node, answer.note)
	}

	return answer.events, err
}

// eventsAnswer is what one node tells of what happened.
type eventsAnswer struct {
	by     member
	events []status.Event
	note   string // that it only remembers them
	err    error
}

// askEvents asks all nodes at once, because many may not answer. It returns the first answer from the peer set,
// or else that of the node which remembers the most.
func (f *Fleet) askEvents(ctx context.Context, after int64, number int) (eventsAnswer, error) {
	members, err := f.reachable(ctx)
	if err != nil {
		return eventsAnswer{}, err
	}

	// The first good answer ends the questions to nodes that hang.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	// With room for all, so that no goroutine is left waiting when the first answer is taken.
	answers := make(chan eventsAnswer, len(members))

	for _, m := range members {
		go func() {
			answers <- f.shell.events(ctx, m, after, number)
		}()
	}

	var best eventsAnswer
	var errs []error

	for range members {
		answer := <-answers

		switch {
		case answer.err != nil:
			errs = append(errs, answer.err)
		case answer.note == "":
			return answer, nil // it read the peer set: nobody knows more
		case best.note == "" || lastID(answer.events) > lastID(best.events):
			best = answer
		}
	}

	if best.note != "" {
		return best, nil
	}

	return eventsAnswer{}, errors.Join(append(errs, ErrNoEvents)...)
}

func lastID(events []status.Event) int64 {
	if len(events) == 0 {
		return 0
	}

	return events[len(events)-1].ID
}

// Follow hands over each event once, the past ones and those to come, until ctx ends. When the node that it asks
// cannot read the peer set any more, it asks another.
func (f *Fleet) Follow(ctx context.Context, number int, each func(status.Event) error) error {
	var follower status.Follower
	var last eventsAnswer

	for {
		// The end of the context is how a follower ends: no error.
		now, err := f.nextEvents(ctx, last.by, &follower, number)
		if ctx.Err() != nil {
			return nil
		}

		if err != nil {
			f.progress("events: %v", err)
		} else if now.note != last.note && now.note != "" {
			f.progress("%s: %s", now.by.Node, now.note)
		}

		last = now

		for _, event := range follower.Fresh(now.events) {
			if err := each(event); err != nil {
				return err
			}
		}

		// The number bounds only the past: nothing that happens from now on is left out.
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

// nextEvents asks the node that answered last, and all nodes when that one does not know.
func (f *Fleet) nextEvents(
	ctx context.Context,
	by member,
	follower *status.Follower,
	number int,
) (eventsAnswer, error) {
	// The era first: events of a later era are numbered anew, and the question must begin earlier.
	if by.Node != "" && f.readEra(ctx, by, follower) == nil {
		answer := f.shell.events(ctx, by, follower.After, number)
		if answer.err == nil && answer.note == "" {
			return answer, nil
		}
	}

	after := follower.After
	answer, err := f.askEvents(ctx, after, number)
	if err == nil {
		err = f.readEra(ctx, answer.by, follower)
	}

	// In a new era the events are numbered anew: what was asked for began too late.
	if err == nil && follower.After < after {
		answer = f.shell.events(ctx, answer.by, follower.After, number)
		err = answer.err
	}

	return answer, err
}

// readEra tells the follower the era of the peer set that a node knows.
func (f *Fleet) readEra(ctx context.Context, m member, follower *status.Follower) error {
	said, err := f.shell.status(ctx, m)
	if err == nil {
		follower.In(said.PeerSet.Era)
	}

	return err
}

func (s *shell) events(ctx context.Context, m member, after int64, number int) eventsAnswer {
	// One dial and one answer: a node that hangs must not hold the others up.
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()

	answer := eventsAnswer{by: m}
	if m.public() == "" {
		answer.err = fmt.Errorf("ask %s: it has no address yet", m.Node)
		return answer
	}

	// The agent says on standard error when it only remembers the events.
	command := fmt.Sprintf("hornero-bootstrap events --json --after %d -n %d", after, number)
	var stdout, stderr bytes.Buffer
	code, err := s.run(ctx, m, command, nil, &stdout, &stderr)
	answer.note = string(bytes.TrimSpace(stderr.Bytes()))

	if err == nil && code != 0 {
		err = fmt.Errorf("ask %s: %s", m.Node, answer.note)
	}

	if err != nil {
		answer.err = err
		return answer
	}

	answer.events, err = decodeEvents(&stdout)
	if err != nil {
		answer.err = fmt.Errorf("read events of %s: %w", m.Node, err)
	}

	return answer
}

// decodeEvents reads an event a line, and returns those before the first that it cannot read.
func decodeEvents(lines io.Reader) ([]status.Event, error) {
	var events []status.Event
	decoder := json.NewDecoder(lines)

	for decoder.More() {
		var event status.Event
		if err := decoder.Decode(&event); err != nil {
			return events, err
		}

		events = append(events, event)
	}

	return events, nil
}
