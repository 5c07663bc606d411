package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/hornero/hornero/internal/status"
)

// longestStart bounds a node's start however long its state transfer moves.
const longestStart = 24 * time.Hour

// deadline ends a wait for nodes after a time in which no state transfer moved: how long a transfer takes depends on
// how much data there is, and a node ends one that stalls by itself.
type deadline struct {
	limit time.Duration
	timer *time.Timer

	mutex sync.Mutex
	seen  map[string]string // how far each node's transfer was, by node
}

// withDeadline ends a context for a cause when nothing has moved for so long.
func withDeadline(ctx context.Context, limit time.Duration, cause error) (context.Context, *deadline, func()) {
	ctx, cancel := context.WithCancelCause(ctx)

	d := &deadline{
		limit: limit,
		timer: time.AfterFunc(limit, func() { cancel(cause) }),
		seen:  map[string]string{},
	}

	stop := func() {
		d.timer.Stop()
		cancel(nil)
	}

	return ctx, d, stop
}

// note looks at what a node says of itself, and begins the time anew when its state transfer has moved.
func (d *deadline) note(said status.Status) {
	d.mutex.Lock()
	defer d.mutex.Unlock()

	now := said.Figures.Transfer
	if now == "" || d.seen[said.Node] == now {
		return
	}

	d.seen[said.Node] = now

	// A wait that has ended stays so.
	if d.timer.Stop() {
		d.timer.Reset(d.limit)
	}
}
