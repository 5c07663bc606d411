package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hornero/hornero/internal/pause"
)

// errBad is a new node that is not what it should be.
var errBad = errors.New("the new node is bad")

const (
	// DefaultSoak is how long the first new node of a roll is watched before the next one comes.
	DefaultSoak = 60 * time.Second
	// soakPause is between two looks at a node that is watched.
	soakPause = time.Second
	// badSite is how long the site may fail without a break while a new node is watched.
	badSite = 5 * time.Second
	// badHealth is how long a node may be not healthy that was: a database node that gives a state transfer is for a
	// moment.
	badHealth = 30 * time.Second
	// badRestarts is how often a service may not be started again.
	badRestarts = 3
)

// sight is what one look at a node that is watched showed.
type sight struct {
	at       time.Time
	healthy  bool
	phase    string
	reason   string
	drift    int   // files that are not as they were baked or written
	restarts int   // of its services since its boot
	flow     flow  // of a database node
	site     error // why the site did not answer; nil when it did
}

// verdict tells what is wrong with a node that was looked at, oldest first; "" when nothing is. done says that no
// further look follows: the last one decides.
func verdict(sights []sight, done bool) string {
	last := sights[len(sights)-1]

	switch {
	case last.phase == "refused":
		return "it refused its user-data: " + last.reason
	case last.drift > 0:
		return fmt.Sprintf("%d of its files are not as they were baked or written", last.drift)
	case last.restarts-sights[0].restarts >= badRestarts:
		return fmt.Sprintf("its services were started again %d times", last.restarts-sights[0].restarts)
	}

	sick := lasted(sights, func(one sight) bool { return !one.healthy })
	if sick > badHealth || done && !last.healthy {
		return fmt.Sprintf("it is not healthy any more: %s", last.reason)
	}

	if wrong := lag(sights, done); wrong != "" {
		return wrong
	}

	down := lasted(sights, func(one sight) bool { return one.site != nil })
	if down > badSite {
		return fmt.Sprintf("the site failed for %.0f s: %v", down.Seconds(), last.site)
	}

	return ""
}

// lasted is for how long something was so without a break until the last look.
func lasted(sights []sight, is func(sight) bool) time.Duration {
	last := sights[len(sights)-1].at
	since := last

	for at := len(sights) - 1; at >= 0 && is(sights[at]); at-- {
		since = sights[at].at
	}

	return last.Sub(since)
}

// watching is a look at new nodes for a while, beside the old ones, and at the site through its load balancers.
type watching struct {
	fleet   *Fleet
	members []member
	named   []member // of the same role, as stack.yaml has them
	old     []member // those of them that are to be compared with
	sites   []*awaited
	before  *served // what the old ones answered when they had the traffic; nil: they have it now

	sights map[string][]sight // by node
	seen   []window
}

// watch looks at a new node, and compares it with those that serve as it does.
func (f *Fleet) watch(ctx context.Context, m member) error {
	members, err := f.nodes(ctx)
	if err != nil {
		return err
	}

	w := &watching{
		fleet:   f,
		members: []member{m},
	}

	for _, other := range f.named(members) {
		if other.Role != m.Role {
			continue
		}

		w.named = append(w.named, other)

		// Of a roll that is taken up again some are as new.
		if other.Made != m.Made {
			w.old = append(w.old, other)
		}
	}

	return w.run(ctx)
}

// run watches for the soak, and for longer where that makes the comparison sure.
func (w *watching) run(ctx context.Context) error {
	f := w.fleet

	var err error
	if w.sites, err = f.sites(ctx); err != nil {
		return err
	}

	w.sights = map[string][]sight{}
	f.progress("%s: watched for %.0f s", nodeNames(w.members), f.Soak.Seconds())

	part := f.Soak / windows

	for {
		last := len(w.seen) >= windows-1
		if err := w.look(ctx, time.Now().Add(part), last); err != nil {
			return err
		}

		w.compare(ctx, part)

		// What was cut off says nothing of the node.
		if ctx.Err() != nil {
			return ctx.Err()
		}

		if wrong := worse(w.seen); wrong != "" {
			return fmt.Errorf("%w: %s: %s", errBad, nodeNames(w.members), wrong)
		}

		if last && (enough(w.seen) || !promising(w.seen)) {
			w.tellComparison()
			return nil
		}
	}
}

// look looks at the new nodes again and again until the end. The last look of the last part decides.
func (w *watching) look(ctx context.Context, end time.Time, last bool) error {
	for {
		done := !time.Now().Before(end)

		if err := w.lookOnce(ctx, done && last); err != nil || done {
			return err
		}

		pause.For(ctx, min(soakPause, time.Until(end)))
	}
}

func (w *watching) lookOnce(ctx context.Context, done bool) error {
	site := w.askSites(ctx)

	for _, m := range w.members {
		seen := w.see(ctx, m)
		seen.site = site

		// What was cut off says nothing of the node.
		if ctx.Err() != nil {
			return ctx.Err()
		}

		w.sights[m.Node] = append(w.sights[m.Node], seen)

		if wrong := verdict(w.sights[m.Node], done); wrong != "" {
			return fmt.Errorf("%w: %s: %s", errBad, m.Node, wrong)
		}
	}

	return nil
}

// compare adds what was answered in the time until now.
func (w *watching) compare(ctx context.Context, since time.Duration) {
	one := window{fresh: w.fleet.served(ctx, w.members, since)}

	if w.before != nil {
		one.old = *w.before
	} else {
		one.old = w.fleet.served(ctx, w.old, since)
	}

	w.seen = append(w.seen, one)
}

// tellComparison says what was compared, or that it was too little.
func (w *watching) tellComparison() {
	if len(counters(w.fleet.manifest(w.members[0].Role))) == 0 {
		return
	}

	var fresh, old served

	for _, one := range w.seen {
		fresh.add(one.fresh)
		old.add(one.old)
	}

	switch {
	case enough(w.seen):
		w.fleet.progress("%s: %s; the old nodes: %s", nodeNames(w.members), fresh, old)
		return
	case fresh.requests == 0:
		return // it has no traffic yet
	}

	w.fleet.progress("%s: %d requests, and %d at the old nodes, are too few to compare errors and times (%d); "+
		"a longer --soak or a canary sees more", nodeNames(w.members), fresh.requests, old.requests, leastRequests)
}

// see looks once at a node.
func (w *watching) see(ctx context.Context, m member) sight {
	f := w.fleet
	seen := sight{at: time.Now()}

	said, err := f.shell.status(ctx, m)
	if err != nil {
		seen.reason = err.Error()
		return seen
	}

	seen.healthy = said.Healthy
	seen.phase = said.Phase
	seen.reason = said.Reason
	seen.drift = said.Image.DriftFiles
	seen.restarts = f.restarts(ctx, m)
	seen.flow = w.flowOf(ctx, m, said.Figures.PausesAsked)

	return seen
}

// askSites tells why a load balancer does not answer; nil when all do.
func (w *watching) askSites(ctx context.Context) error {
	for _, site := range w.sites {
		if err := site.ask(ctx, site.address); err != nil {
			return fmt.Errorf("%s: %w", site, err)
		}
	}

	return nil
}

// sites are the load balancers of the stack that answer now: what does not serve before is no new node's fault.
func (f *Fleet) sites(ctx context.Context) ([]*awaited, error) {
	wanted, err := f.allBalanced()
	if err != nil {
		return nil, err
	}

	have, err := f.balancers(ctx)
	if err != nil {
		return nil, err
	}

	var all []*awaited

	for _, b := range wanted {
		address, err := f.address(ctx, have, b)
		if err != nil {
			return nil, err
		}

		if address == "" || b.ask(ctx, address) != nil {
			continue
		}

		all = append(all, &awaited{
			balanced: b,
			address:  address,
		})
	}

	return all, nil
}
