package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/status"
)

// maxNotes is how many events wait for a peer set that does not answer. Those that come then are only in the journal.
const maxNotes = 64

func (a *Agent) setEvents(events peerset.Events) {
	a.mu.Lock()
	a.events = events
	a.mu.Unlock()
}

// note adds an event about this node as soon as the peer set takes it.
func (a *Agent) note(kind, text string) {
	select {
	case a.happened <- peerset.Note{
		Kind: kind,
		Text: plain(text),
		Time: time.Now(),
	}:

	default:
		a.Log.Warn("event not kept: too many wait", "kind", kind, "text", text)
	}
}

// longestNote is how much of a text is kept, in bytes: it may hold a server's whole complaint, or anybody's
// file name.
const longestNote = 1 << 10

// plain is a text that the peer set takes.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}

		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > longestNote {
		text = strings.ToValidUTF8(text[:longestNote], "") + "..."
	}

	return text
}

// keepNoting hands the events over, in their order.
func (a *Agent) keepNoting(ctx context.Context) {
	for {
		var note peerset.Note
		select {
		case <-ctx.Done():
			return
		case note = <-a.happened:
		}

		for ctx.Err() == nil {
			err := a.events.Note(ctx, note)
			if err == nil {
				break
			}
			if errors.Is(err, peerset.ErrForbidden) || errors.Is(err, peerset.ErrEvicted) {
				a.Log.Warn("event not kept", "kind", note.Kind, "text", note.Text, "err", err)
				break
			}

			select {
			case <-ctx.Done():
			case <-time.After(a.Heartbeat):
			}
		}
	}
}

// HeaderRemembered says that the events are what this node remembers: the peer set did not answer.
const HeaderRemembered = "Hornero-Remembered"

// serveEvents answers the node's own root, soon: from memory when the peer set does not.
func (a *Agent) serveEvents(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	events, set := a.events, a.set
	a.mu.Unlock()

	if events == nil {
		local(w, peerset.ErrUnavailable)
		return
	}

	after, limit := api.EventsQuery(r.URL.Query())
	list, err := eventsNow(r.Context(), events, set, after, limit)
	if err != nil && a.recent.any() {
		w.Header().Set(HeaderRemembered, "yes")
		list, err = a.recent.since(after, limit), nil
	}

	if err != nil {
		local(w, err)
		return
	}

	said := make([]status.Event, len(list))

	for at, event := range list {
		said[at] = status.Event(event)
		said[at].Time = event.Time.UTC()
	}

	w.Header().Set("Content-Type", "application/json")

	_ = json.NewEncoder(w).Encode(said) // the caller went away: nobody is left to tell
}

func eventsNow(
	ctx context.Context,
	events peerset.Events,
	set peerset.Set,
	after int64,
	limit int,
) ([]peerset.Event, error) {
	if set != nil && !set.Snapshot().Quorum {
		return nil, fmt.Errorf("%w: it has no quorum that this node sees", peerset.ErrUnavailable)
	}

	ctx, cancel := context.WithTimeout(ctx, eventsWithin)
	defer cancel()

	return events.Events(ctx, after, limit)
}
