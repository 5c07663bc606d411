package api

import (
	"net/http"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// DrainTime is how long a client that was replaced may still read the peer set: it serves on until it is drained, and
// follows the others meanwhile.
const DrainTime = 5 * time.Minute

// roster knows which incarnations are in the peer set. Every request is held to it: a certificate outlives its node.
type roster struct {
	registry peerset.Registry
	drain    time.Duration

	mu       sync.Mutex
	changed  <-chan struct{} // closed when there is a newer snapshot
	snapshot peerset.Snapshot
	replaced map[peerset.Identity]time.Time // clients that were, and since when this member knows
}

func newRoster(registry peerset.Registry, drain time.Duration) *roster {
	r := &roster{
		registry: registry,
		drain:    drain,
		replaced: map[peerset.Identity]time.Time{},
	}
	r.refresh()

	return r
}

// refresh takes the newest snapshot over when there is one.
func (r *roster) refresh() {
	// The channel is taken before the snapshot: a change in between has the next call read it anew.
	changed := r.registry.Changed()
	if changed != nil && changed == r.changed {
		return
	}

	before := r.snapshot
	r.changed, r.snapshot = changed, r.registry.Snapshot()

	now := time.Now()

	for who, since := range r.replaced {
		if now.Sub(since) > r.drain {
			delete(r.replaced, who)
		}
	}

	for _, peer := range before.Peers {
		who := peerset.Identity{Name: peer.Name, Role: peer.Role, Incarnation: peer.Incarnation}

		if peer.Kind == peerset.KindClient && r.snapshot.Out(who) != nil {
			r.replaced[who] = now
		}
	}
}

// out tells why an incarnation may ask nothing any more.
func (r *roster) out(who peerset.Identity, reads bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.refresh()

	err := r.snapshot.Out(who)
	if since, drains := r.replaced[who]; drains && reads && time.Since(since) <= r.drain {
		return nil
	}

	return err
}

// hold lets requests through of those only that are in the peer set, or on their way into it.
func (s Server) hold(next http.Handler) http.Handler {
	who := newRoster(s.Registry, DrainTime)

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asks, err := identity(r)
		if err != nil {
			s.refuse(asks, r.Method+" "+r.URL.Path, peerset.ReasonNoCertificate, err)
			fail(w, http.StatusForbidden, err)

			return
		}

		reads := r.Method == http.MethodGet && r.URL.Path == peersPath

		if err := who.out(asks.Identity, reads); err != nil {
			s.refuse(asks, r.Method+" "+r.URL.Path, peerset.ReasonEvicted, err)
			fail(w, statusOf(err), err)

			return
		}

		next.ServeHTTP(w, r)
	})
}
