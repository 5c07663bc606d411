package bootstrap

import (
	"maps"
	"net"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

const (
	// logAgainAfter is how long the same refusal of the same caller is only counted: an unknown caller must not fill
	// the journal.
	logAgainAfter = time.Minute
	// maxLogged bounds how many are remembered for it.
	maxLogged = 1000
)

// refusals counts what was tried here and not allowed, by reason.
type refusals struct {
	mu     sync.Mutex
	counts map[string]uint64
	logged map[attempt]*repeated
}

// attempt is what makes two refusals the same.
type attempt struct {
	host   string
	node   string
	tried  string
	reason string
}

type repeated struct {
	since time.Time
	count int // not logged since then
}

// count adds a refusal, and tells whether it is to be logged, with how many like it were not.
func (r *refusals) count(refusal peerset.Refusal, now time.Time) (unlogged int, log bool) {
	// Each connection comes from another port: attempts of one host count as the same.
	host, _, err := net.SplitHostPort(refusal.From)
	if err != nil {
		host = refusal.From
	}

	key := attempt{
		host:   host,
		node:   refusal.Node,
		tried:  refusal.Tried,
		reason: refusal.Reason,
	}

	r.mu.Lock()
	defer r.mu.Unlock()

	if r.counts == nil {
		r.counts = map[string]uint64{}
	}

	// To forget all at once costs a line of each in the journal, and bounds the memory that strangers can take.
	if r.logged == nil || len(r.logged) >= maxLogged {
		r.logged = map[attempt]*repeated{}
	}

	r.counts[refusal.Reason]++
	last := r.logged[key]

	if last != nil && now.Sub(last.since) < logAgainAfter {
		last.count++
		return 0, false
	}

	if last != nil {
		unlogged = last.count
	}

	r.logged[key] = &repeated{since: now}

	return unlogged, true
}

// byReason returns the counts so far.
func (r *refusals) byReason() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()

	return maps.Clone(r.counts)
}

// recordRefusal counts what was tried here and not allowed, and logs it unless it was logged just before.
func (a *Agent) recordRefusal(refusal peerset.Refusal) {
	unlogged, log := a.refused.count(refusal, time.Now())
	if !log {
		return
	}

	a.Log.Warn("refused",
		"from", refusal.From,
		"node", refusal.Node,
		"role", refusal.Role,
		"tried", refusal.Tried,
		"reason", refusal.Reason,
		"repeated", unlogged,
		"err", refusal.Err,
	)
}
