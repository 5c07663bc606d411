package bootstrap

import (
	"maps"
	"net"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

const (
	// quietFor is how long the same refusal of the same caller is only counted: a stranger fills no journal.
	quietFor = time.Minute
	// maxQuiet bounds how many are remembered for it.
	maxQuiet = 1000
)

// refusals counts what was tried here and not allowed, by reason.
type refusals struct {
	mu     sync.Mutex
	counts map[string]uint64
	told   map[attempt]*repeated
}

// attempt is what makes two refusals the same.
type attempt struct{ host, node, tried, reason string }

type repeated struct {
	since time.Time
	count int // not logged since then
}

// count adds a refusal, and tells whether it is to be logged, with how many like it were not.
func (r *refusals) count(refusal peerset.Refusal, now time.Time) (unsaid int, log bool) {
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

	if r.counts == nil || len(r.told) >= maxQuiet {
		r.told = map[attempt]*repeated{}
	}

	if r.counts == nil {
		r.counts = map[string]uint64{}
	}

	r.counts[refusal.Reason]++
	last := r.told[key]
	if last != nil && now.Sub(last.since) < quietFor {
		last.count++
		return 0, false
	}

	if last != nil {
		unsaid = last.count
	}

	r.told[key] = &repeated{since: now}

	return unsaid, true
}

// byReason returns the counts so far.
func (r *refusals) byReason() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.counts)
}

func (a *Agent) refuseStranger(refusal peerset.Refusal) {
	unsaid, log := a.refused.count(refusal, time.Now())
	if log {
		a.Log.Warn("refused",
			"from", refusal.From,
			"node", refusal.Node,
			"role", refusal.Role,
			"tried", refusal.Tried,
			"reason", refusal.Reason,
			"repeated", unsaid,
			"err", refusal.Err,
		)
	}
}
