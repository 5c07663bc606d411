package fleet_test

import (
	"fmt"
	"maps"

	"github.com/hornero/hornero/internal/status"
)

// countOf is what a node counted of its answers.
func (w *world) countOf(node string) string {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	return w.counts[node]
}

// measure adds what a node's driver measures; the world is locked.
func (w *world) measure(said *status.Status) {
	node := said.Node
	now, more := w.figures[node], w.grows[node]

	now.PausedNanoseconds += more.PausedNanoseconds
	now.PausesAsked += more.PausesAsked

	if w.figures == nil {
		w.figures = map[string]status.Figures{}
	}

	w.figures[node] = now
	said.Figures = now

	for address := range w.checkers[node] {
		w.checkers[node][address]++
	}

	said.Checkers = maps.Clone(w.checkers[node])

	if w.transfers[node] == 0 {
		return
	}

	w.transfers[node]--
	said.State = "joining"
	said.Healthy = false
	said.Reason = "receives the state of a donor"
	said.Figures.Transfer = fmt.Sprint(w.transfers[node])
}
