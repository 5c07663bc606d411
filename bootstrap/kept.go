package bootstrap

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// maxKept is more than the peer set takes of a text.
const maxKept = 64 << 10

// keptBy is what nodes of a role keep in the peer set, by the role's own names.
func keptBy(snapshot peerset.Snapshot, role string) map[string]string {
	kept := map[string]string{}

	for key, text := range snapshot.Settings {
		if name, own := strings.CutPrefix(key, role+"."); own {
			kept[name] = text
		}
	}

	return kept
}

// serveKept tells the node's programs what the nodes of its role keep in the peer set.
func (a *Agent) serveKept(w http.ResponseWriter, _ *http.Request) {
	set := a.peerSet()
	if set == nil {
		answer(w, peerset.ErrUnavailable)
		return
	}

	w.Header().Set("Content-Type", "application/json")

	// An error means that the caller went away.
	_ = json.NewEncoder(w).Encode(keptBy(set.Snapshot(), a.self().Role))
}

// serveKeep keeps a text in the peer set for a task of the role, while this node has the task's lease.
func (a *Agent) serveKeep(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxKept))
	if err == nil {
		err = a.keep(r, r.PathValue("name"), string(text), r.URL.Query().Get("task"))
	}

	answer(w, err)
}

func (a *Agent) keep(r *http.Request, name, text, task string) error {
	set, self := a.peerSet(), a.self()
	if set == nil {
		return peerset.ErrUnavailable
	}

	lease := set.Snapshot().Leases[a.taskLease(task)]

	// The peer set says the same of a lease that went elsewhere since.
	if lease.Holder != self.Name || lease.Incarnation != self.Incarnation {
		return fmt.Errorf("keep %s: %w: task %s", name, peerset.ErrStaleEpoch, task)
	}

	return set.Put(r.Context(), self.Role+"."+name, text, lease)
}
