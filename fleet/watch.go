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
	answered bool // the node did
	healthy  bool
	phase    string
	reason   string
	drift    int   // files that are not as they were baked or written
	restarts int   // of its services since its boot
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

// watch looks at a new node for a while, and at the site through its load balancers.
func (f *Fleet) watch(ctx context.Context, m member) error {
	sites, err := f.sites(ctx)
	if err != nil {
		return err
	}

	f.progress("%s: watched for %.0f s", m.Node, f.Soak.Seconds())

	var sights []sight
	end := time.Now().Add(f.Soak)

	for {
		done := !time.Now().Before(end)
		sights = append(sights, f.see(ctx, m, sites))

		// What was cut off says nothing of the node.
		if ctx.Err() != nil {
			return ctx.Err()
		}

		if wrong := verdict(sights, done); wrong != "" {
			return fmt.Errorf("%w: %s: %s", errBad, m.Node, wrong)
		}

		if done {
			return nil
		}

		pause.For(ctx, min(soakPause, time.Until(end)))
	}
}

// see looks once.
func (f *Fleet) see(ctx context.Context, m member, sites []*awaited) sight {
	seen := sight{at: time.Now()}

	said, err := f.shell.status(ctx, m)
	if err != nil {
		seen.reason = err.Error()
	} else {
		seen.answered = true
		seen.healthy = said.Healthy
		seen.phase = said.Phase
		seen.reason = said.Reason
		seen.drift = said.Image.DriftFiles
		seen.restarts = f.restarts(ctx, m)
	}

	for _, site := range sites {
		if err := site.ask(ctx, site.address); err != nil {
			seen.site = fmt.Errorf("%s: %w", site, err)
		}
	}

	return seen
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
