package bootstrap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// Getting into consensus takes a member seconds, and what a database node waits for besides, the cluster's
// state, takes seconds as well. A new member does both at once: it was let in (its older incarnation is out by
// then, from consensus and all that derives from it), so until it is in consensus it uses the peer set as a
// client does, through another member.

// view is the peer set as one node uses it, with its events.
type view interface {
	peerset.Set
	peerset.Events
}

// inside is a member's own view.
type inside struct {
	peerset.Set
	happenings
}

type happenings = peerset.Events

// entrance is the peer set of a node on its way into consensus: another member's view, then its own. Until it
// is in consensus the node holds nothing that must be one but its turn to join: it does not count as healthy,
// and what it held could not be seen.
type entrance struct {
	mu      sync.Mutex
	view    view
	entered bool
	changed chan struct{} // until it has entered
}

func newEntrance(outside view) *entrance {
	return &entrance{
		view:    outside,
		changed: make(chan struct{}),
	}
}

// relay passes on that the peer set changed as the other member sees it, until ctx ends.
func (e *entrance) relay(ctx context.Context, outside peerset.Set) {
	for {
		changed := outside.Changed()
		e.wake()

		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

func (e *entrance) wake() {
	e.mu.Lock()
	defer e.mu.Unlock()

	close(e.changed)
	e.changed = make(chan struct{})
}

// enter makes the member's own view the one that counts.
func (e *entrance) enter(own view) {
	e.mu.Lock()
	e.view, e.entered = own, true
	e.mu.Unlock()
	e.wake()
}

func (e *entrance) now() (view, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.view, e.entered
}

func (e *entrance) Snapshot() peerset.Snapshot {
	view, _ := e.now()
	return view.Snapshot()
}

func (e *entrance) Changed() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()

	if e.entered {
		return e.view.Changed()
	}

	return e.changed
}

func (e *entrance) Report(ctx context.Context, report peerset.Report) error {
	view, _ := e.now()
	return view.Report(ctx, report)
}

func (e *entrance) Hold(ctx context.Context, lease string, ttl time.Duration) (peerset.Lease, bool, error) {
	view, entered := e.now()
	if !entered && lease != peerset.LeaseGaleraJoin {
		return peerset.Lease{}, false, nil
	}

	return view.Hold(ctx, lease, ttl)
}

func (e *entrance) Seize(ctx context.Context, seen peerset.Lease, reason string) (peerset.Lease, error) {
	view, entered := e.now()
	if !entered {
		return peerset.Lease{}, fmt.Errorf(
			"seize lease %s: %w: this node is not in consensus yet",
			seen.Name,
			peerset.ErrUnavailable,
		)
	}

	return view.Seize(ctx, seen, reason)
}

func (e *entrance) Release(ctx context.Context, lease peerset.Lease) error {
	view, _ := e.now()
	return view.Release(ctx, lease)
}

func (e *entrance) Put(ctx context.Context, key, value string, fence peerset.Lease) error {
	view, _ := e.now()
	return view.Put(ctx, key, value, fence)
}

func (e *entrance) Forget(ctx context.Context, name string) error {
	view, entered := e.now()
	if !entered {
		return fmt.Errorf("forget: %w: this node is not in consensus yet", peerset.ErrUnavailable)
	}

	return view.Forget(ctx, name)
}

// Note has an event that the other members forbid wait until this one is in consensus: theirs may be an older
// version, which does not know its kind.
func (e *entrance) Note(ctx context.Context, note peerset.Note) error {
	view, entered := e.now()
	err := view.Note(ctx, note)
	if !entered && errors.Is(err, peerset.ErrForbidden) {
		return fmt.Errorf("%w: this node is not in consensus yet: %s", peerset.ErrUnavailable, err)
	}

	return err
}

func (e *entrance) Events(ctx context.Context, after int64, limit int) ([]peerset.Event, error) {
	view, _ := e.now()
	return view.Events(ctx, after, limit)
}

// enterBeside lets the node go on with the peer set as the others see it, and makes it a member of consensus
// meanwhile.
func (a *Agent) enterBeside(
	ctx context.Context,
	config *tls.Config,
	client *api.Client,
	remembered peerset.Snapshot,
	welcome peerset.Welcome,
) *entrance {
	watching, stop := context.WithCancel(ctx)
	watcher := api.Watch(watching, client, welcome.Snapshot, a.Log)
	e := newEntrance(watcher)
	a.setEvents(e)
	a.mu.Lock()
	a.entering = true
	a.mu.Unlock()

	relayed := make(chan struct{})
	a.work.Go(func() {
		defer close(relayed)

		e.relay(watching, watcher)
	})

	a.work.Go(func() {
		member, err := a.openMember(ctx, config, client, remembered, welcome)
		if err == nil {
			err = caughtUp(ctx, member, watcher)
		}

		if ctx.Err() != nil {
			return
		}

		if err != nil { // the name was given to a newer incarnation meanwhile, or declared gone
			a.Log.Error("not let into consensus", "err", err)
			a.because("evicted: " + err.Error())
			a.setEvicted(err.Error())

			return
		}

		stop()
		<-relayed

		e.enter(inside{
			peerset.Bind(member, a.self()),
			peerset.BindEvents(member, a.self()),
		})

		a.mark("consensus")
		a.mu.Lock()
		a.entering = false
		a.mu.Unlock()
		a.Log.Info("in consensus")
		a.news.Ring()
	})

	return e
}

// caughtUp waits until a member has read for itself what it was told by the others.
func caughtUp(ctx context.Context, member peerset.Registry, told peerset.Set) error {
	for {
		changed := member.Changed()
		own, theirs := member.Snapshot(), told.Snapshot()
		if own.Founded != "" &&
			own.Quorum &&
			(own.Era() != theirs.Era() || own.Generation >= theirs.Generation) {
			return nil
		}

		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-time.After(catchUpEvery):
		}
	}
}

// catchUpEvery is how often a member that lags is looked at when it hears of no change.
const catchUpEvery = 100 * time.Millisecond

// onItsWay says why a node that is not in consensus yet is not healthy. The caller holds the mutex.
func (a *Agent) onItsWay() string {
	if a.reason == "" {
		return "on its way into consensus"
	}

	return "on its way into consensus: " + a.reason
}
