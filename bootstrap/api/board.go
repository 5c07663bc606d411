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
	// longestPoll is after what a watcher asks again.
	longestPoll = 30 * time.Second
	// boardFor is how long a text stands when nothing is told: whether there is a quorum, and who leads,
	// changes silently.
	boardFor = 250 * time.Millisecond
)

// board has the newest snapshot as text, written once for all who watch.
type board struct {
	registry peerset.Registry

	mu      sync.Mutex
	written time.Time
	notice
}

// notice is a snapshot as it is sent.
type notice struct {
	changed    <-chan struct{} // closed when there is a newer one
	generation uint64
	quorum     bool
	text       []byte
	tag        string // of the text, as ETag has it
}

func (b *board) look() (notice, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	changed := b.registry.Changed()
	if b.text != nil && b.changed == changed && time.Since(b.written) < boardFor {
		return b.notice, nil
	}

	snapshot := b.registry.Snapshot()
	text, err := json.Marshal(snapshot)
	if err != nil {
		return notice{}, fmt.Errorf("write snapshot: %w", err)
	}

	sum := fnv.New64a()
	sum.Write(text)

	b.written, b.notice = time.Now(), notice{
		changed:    changed,
		generation: snapshot.Generation,
		quorum:     snapshot.Quorum,
		text:       text,
		tag:        strconv.Quote(strconv.FormatUint(sum.Sum64(), 36)),
	}

	return b.notice, nil
}

// serve answers at once when the caller has another snapshot, else when there is another or the wait is over. A
// caller tells what it has by its text's tag, or, in older versions, by its generation.
func (b *board) serve(w http.ResponseWriter, r *http.Request) {
	tag := r.Header.Get("If-None-Match")
	generation, _ := strconv.ParseUint(r.URL.Query().Get("generation"), 10, 64)
	wait, _ := time.ParseDuration(r.URL.Query().Get("wait"))
	deadline := time.NewTimer(min(wait, longestPoll))
	defer deadline.Stop()

	for over := false; ; {
		now, err := b.look()
		if err != nil {
			fail(w, http.StatusInternalServerError, err)
			return
		}

		same := now.tag == tag || tag == "" && now.generation == generation
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

func (n notice) send(w http.ResponseWriter, tag string) {
	w.Header().Set("ETag", n.tag)

	if n.tag == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}

	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(n.text)))

	_, _ = w.Write(n.text) // the caller went away: nobody is left to tell
}
