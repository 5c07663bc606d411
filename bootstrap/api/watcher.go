package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
)

// pollPause bounds how often a watcher reads: however much changes, ten times a second at most.
const pollPause = 100 * time.Millisecond

// Watcher is the peer set as a node outside consensus follows it. It implements peerset.Set.
type Watcher struct {
	client *Client
	log    *slog.Logger

	mu       sync.Mutex
	snapshot peerset.Snapshot
	ears     []ear
	changed  chan struct{}
}

// ear listens to one member at a time.
type ear struct {
	tag  string // of the text that it heard last
	deaf bool   // no member answered it
}

// Watch follows the peer set by long poll until ctx ends, at so many members at a time: whoever has to hear of a change
// at once listens to two, as one whose machine is lost keeps silent for seconds.
func Watch(ctx context.Context, client *Client, first peerset.Snapshot, members int, log *slog.Logger) *Watcher {
	w := &Watcher{
		client:   client,
		log:      log,
		snapshot: first,
		ears:     make([]ear, members),
		changed:  make(chan struct{}),
	}

	for i := range members {
		go w.run(ctx, i)
	}

	return w
}

func (w *Watcher) run(ctx context.Context, at int) {
	for ctx.Err() == nil {
		err := w.poll(ctx, at)
		if ctx.Err() != nil {
			return
		}

		if err != nil {
			w.log.Debug("watch peer set", "err", err)
		}

		w.heard(at, err == nil)
		pause.For(ctx, pollPause)
	}
}

// heard keeps whether members answer. When none does, the snapshot is only remembered.
func (w *Watcher) heard(at int, answered bool) {
	w.mu.Lock()
	defer w.mu.Unlock()

	w.ears[at].deaf = !answered

	if !slices.ContainsFunc(w.ears, func(e ear) bool { return !e.deaf }) {
		w.snapshot.Quorum = false
	}
}

func (w *Watcher) poll(ctx context.Context, at int) error {
	w.mu.Lock()
	generation, tag := w.snapshot.Generation, w.ears[at].tag

	if !w.snapshot.Quorum || w.ears[at].deaf {
		// What is only remembered must be confirmed at once.
		generation, tag = 0, ""
	}
	w.mu.Unlock()

	query := url.Values{
		"generation": {strconv.FormatUint(generation, 10)},
		"wait":       {"10s"},
	}

	return w.client.each(ctx, at, func(ctx context.Context, member string) error {
		// The member uses all of the wait when nothing changes; the rest is for the call itself.
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second+callTimeout)
		defer cancel()

		url := w.client.url(member, "/v1/peers?"+query.Encode())

		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}

		if tag != "" {
			request.Header.Set("If-None-Match", tag)
		}

		var next peerset.Snapshot

		fresh, err := w.client.fetch(request, &next)
		if errors.Is(err, errSame) {
			return nil
		}

		if err != nil {
			return err
		}

		if !next.Quorum {
			return fmt.Errorf("%s: %w: it has no quorum itself", member, peerset.ErrUnavailable)
		}

		w.publish(next, at, fresh)

		return nil
	})
}

func (w *Watcher) publish(next peerset.Snapshot, at int, tag string) {
	if next.Founded == "" {
		// A member that has not caught up yet knows less than this node.
		return
	}

	var members []string

	for _, peer := range next.Peers {
		if peer.Kind == peerset.KindMember {
			members = append(members, peer.Address)
		}
	}

	// Members that joined since are asked, too.
	w.client.SetMembers(members)

	w.mu.Lock()
	defer w.mu.Unlock()

	// Generations begin anew with an era: only within one can they be compared.
	era, known := next.Era(), w.snapshot.Era()
	lags := era < known || era == known && next.Generation < w.snapshot.Generation

	if next.Founded == w.snapshot.Founded && lags {
		// The member lags behind.
		return
	}

	w.ears[at].tag = tag

	// The other ear heard it first.
	if reflect.DeepEqual(next, w.snapshot) {
		return
	}

	w.snapshot = next
	close(w.changed)
	w.changed = make(chan struct{})
}

// Snapshot returns the last known snapshot.
func (w *Watcher) Snapshot() peerset.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.snapshot.Clone()
}

// Changed returns a channel that is closed when there is a newer snapshot.
func (w *Watcher) Changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

// Report sends this node's heartbeat.
func (w *Watcher) Report(ctx context.Context, report peerset.Report) error {
	return w.client.call(ctx, "/v1/report", report, &struct{}{})
}

// Hold takes or renews a lease.
func (w *Watcher) Hold(ctx context.Context, lease string, ttl time.Duration) (peerset.Lease, bool, error) {
	var answer holdAnswer
	err := w.client.call(ctx, "/v1/hold", holdRequest{lease, ttl}, &answer)

	return answer.Lease, answer.Held, err
}

// Seize takes the writer lease at once, as it was seen.
func (w *Watcher) Seize(ctx context.Context, seen peerset.Lease, reason string) (peerset.Lease, error) {
	var answer peerset.Lease
	request := seizeRequest{
		Lease:  seen.Name,
		Epoch:  seen.Epoch,
		Reason: reason,
	}
	err := w.client.call(ctx, "/v1/seize", request, &answer)

	return answer, err
}

// Release gives a lease up.
func (w *Watcher) Release(ctx context.Context, lease peerset.Lease) error {
	return w.client.call(ctx, "/v1/release", lease, &struct{}{})
}

// Put writes a setting under a lease.
func (w *Watcher) Put(ctx context.Context, key, value string, fence peerset.Lease) error {
	return w.client.call(ctx, "/v1/put", putRequest{key, value, fence}, &struct{}{})
}

// Note adds an event about this node.
func (w *Watcher) Note(ctx context.Context, note peerset.Note) error {
	return w.client.call(ctx, "/v1/event", note, &struct{}{})
}

// Events returns the newest of the events after an id, at most limit of them, in order.
func (w *Watcher) Events(ctx context.Context, after int64, limit int) ([]peerset.Event, error) {
	var events []peerset.Event

	query := url.Values{
		"after": {strconv.FormatInt(after, 10)},
		"n":     {strconv.Itoa(limit)},
	}

	err := w.client.each(ctx, 0, func(ctx context.Context, member string) error {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()

		return w.client.get(ctx, member, "/v1/events?"+query.Encode(), &events)
	})

	return events, err
}

// Forget is for members, on the operator's word; a node outside consensus may not.
func (w *Watcher) Forget(context.Context, string) error {
	return fmt.Errorf("forget: %w: run it on a database or proxy node", peerset.ErrForbidden)
}
