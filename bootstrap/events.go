package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/internal/status"
)

const (
	// maxNotes is how many events wait for a peer set that does not answer. Those that come then are only in the
	// journal.
	maxNotes = 64
	// maxNoteText is how much of a text is kept, in bytes: it may hold a server's whole complaint, or anybody's
	// file name.
	maxNoteText = 1 << 10
	// eventsTimeout bounds one reading of events.
	eventsTimeout = 4 * time.Second
)

// HeaderRemembered says that the events are what this node remembers: the peer set did not answer.
const HeaderRemembered = "Hornero-Remembered"

// eventLog gives events about this node to the peer set, and reads the stack's events from it. It remembers the
// newest for when the peer set does not answer.
type eventLog struct {
	log       *slog.Logger
	heartbeat time.Duration
	path      string // of the remembered events
	waiting   chan peerset.Note
	recent    recentEvents

	mu     sync.Mutex
	events peerset.Events // nil before the node has joined
}

func newEventLog(config Config) *eventLog {
	return &eventLog{
		log:       config.Log,
		heartbeat: config.Heartbeat,
		path:      filepath.Join(config.State, eventsFile),
		waiting:   make(chan peerset.Note, maxNotes),
	}
}

// use makes the log one of this peer set's events.
func (l *eventLog) use(events peerset.Events) {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.events = events
}

func (l *eventLog) used() peerset.Events {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.events
}

// note adds an event about this node as soon as the peer set takes it. It waits for nobody.
func (l *eventLog) note(kind, text string) {
	note := peerset.Note{
		Kind: kind,
		Text: printable(text),
		Time: time.Now(),
	}

	// The callers drive servers and must not wait. An event that finds the queue full is only in the journal.
	select {
	case l.waiting <- note:
	default:
		l.log.Warn("event not kept: too many wait", "kind", kind, "text", text)
	}
}

// printable is a text that the peer set takes.
func printable(text string) string {
	// The agents' API refuses an event with a character that is not printable.
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}

		return ' '
	}, strings.ToValidUTF8(text, "?"))

	// The cut may fall inside a character: its first bytes go, too.
	if len(text) > maxNoteText {
		text = strings.ToValidUTF8(text[:maxNoteText], "") + "..."
	}

	return text
}

// send hands the events over, in their order, until ctx ends.
func (l *eventLog) send(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case note := <-l.waiting:
			l.sendOne(ctx, note)
		}
	}
}

// sendOne tries until the peer set takes an event or refuses it for good.
func (l *eventLog) sendOne(ctx context.Context, note peerset.Note) {
	for ctx.Err() == nil {
		err := l.used().Note(ctx, note)
		if err == nil {
			return
		}

		// Only these two stay refused however often they are tried.
		if errors.Is(err, peerset.ErrForbidden) || errors.Is(err, peerset.ErrEvicted) {
			l.log.Warn("event not kept", "kind", note.Kind, "text", note.Text, "err", err)
			return
		}

		pause.For(ctx, l.heartbeat)
	}
}

// read returns events from memory when the peer set does not answer soon, and tells whether it did so.
func (l *eventLog) read(ctx context.Context, quorum bool, after int64, limit int) ([]peerset.Event, bool, error) {
	events := l.used()
	if events == nil {
		return nil, false, peerset.ErrUnavailable
	}

	list, err := readNow(ctx, events, quorum, after, limit)

	// Events are asked for when there is trouble: what is remembered is better than an error.
	if err != nil && l.recent.any() {
		return l.recent.since(after, limit), true, nil
	}

	return list, false, err
}

func readNow(
	ctx context.Context,
	events peerset.Events,
	quorum bool,
	after int64,
	limit int,
) ([]peerset.Event, error) {
	// Without a quorum the call would only wait for its timeout.
	if !quorum {
		return nil, fmt.Errorf("%w: it has no quorum that this node sees", peerset.ErrUnavailable)
	}

	ctx, cancel := context.WithTimeout(ctx, eventsTimeout)
	defer cancel()

	return events.Events(ctx, after, limit)
}

// note adds an event about this node.
func (a *Agent) note(kind, text string) {
	a.events.note(kind, text)
}

// serveEvents answers the node's own root.
func (a *Agent) serveEvents(w http.ResponseWriter, r *http.Request) {
	set := a.peerSet()

	// Before the node has joined there is no snapshot to tell: the call itself finds out.
	quorum := set == nil || set.Snapshot().Quorum
	after, limit := api.EventsQuery(r.URL.Query())

	list, remembered, err := a.events.read(r.Context(), quorum, after, limit)
	if err != nil {
		answer(w, err)
		return
	}

	if remembered {
		w.Header().Set(HeaderRemembered, "yes")
	}

	events := make([]status.Event, len(list))

	for at, event := range list {
		events[at] = status.Event(event)
		events[at].Time = event.Time.UTC()
	}

	w.Header().Set("Content-Type", "application/json")

	// An error means that the caller went away.
	_ = json.NewEncoder(w).Encode(events)
}
