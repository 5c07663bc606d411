package api

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

const (
	// longestPoll is the longest that a watcher waits for an answer.
	longestPoll = 30 * time.Second
	// textFor is how long an encoded snapshot is used when no change is announced: the quorum and the leader change
	// silently.
	textFor = 250 * time.Millisecond
)

// poll answers all who watch with the newest snapshot, which it encodes once.
type poll struct {
	registry peerset.Registry

	mu      sync.Mutex
	written time.Time
	encoded
}

// encoded is a snapshot as it is sent.
type encoded struct {
	changed    <-chan struct{} // closed when there is a newer one
	generation uint64
	quorum     bool
	text       []byte
	tag        string // of the text, as ETag has it
}

func (p *poll) newest() (encoded, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	// The channel is taken before the snapshot: a change in between has the next call encode it anew.
	changed := p.registry.Changed()
	if p.text != nil && p.changed == changed && time.Since(p.written) < textFor {
		return p.encoded, nil
	}

	snapshot := p.registry.Snapshot()
	text, err := json.Marshal(snapshot)
	if err != nil {
		return encoded{}, fmt.Errorf("write snapshot: %w", err)
	}

	// The tag is made of the text, because the quorum and the leader change without a new generation.
	sum := fnv.New64a()
	sum.Write(text)

	p.written = time.Now()
	p.encoded = encoded{
		changed:    changed,
		generation: snapshot.Generation,
		quorum:     snapshot.Quorum,
		text:       text,
		tag:        strconv.Quote(strconv.FormatUint(sum.Sum64(), 36)),
	}

	return p.encoded, nil
}

// serve answers at once when the caller has another snapshot, else when there is another or the wait is over. A
// caller tells what it has by its text's tag, or, in older versions, by its generation.
func (p *poll) serve(w http.ResponseWriter, r *http.Request) {
	tag := r.Header.Get("If-None-Match")

	// What cannot be read counts as 0: the caller is answered at once.
	generation, _ := strconv.ParseUint(r.URL.Query().Get("generation"), 10, 64)
	wait, _ := time.ParseDuration(r.URL.Query().Get("wait"))

	deadline := time.NewTimer(min(wait, longestPoll))
	defer deadline.Stop()

	for over := false; ; {
		now, err := p.newest()
		if err != nil {
			fail(w, http.StatusInternalServerError, err)
			return
		}

		same := now.tag == tag || tag == "" && now.generation == generation

		// A member without a quorum answers at once, so that the caller tries another.
		if !same || !now.quorum || over {
			now.send(w, tag)
			return
		}

		select {
		case <-now.changed:
		case <-deadline.C:
			over = true
		case <-r.Context().Done():
			return
		}
	}
}

func (e encoded) send(w http.ResponseWriter, tag string) {
	w.Header().Set("ETag", e.tag)

	if e.tag == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}

	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(e.text)))

	// An error means that the caller went away.
	_, _ = w.Write(e.text)
}
