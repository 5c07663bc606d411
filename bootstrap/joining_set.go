package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// catchUpEvery is how often a member that lags is looked at when it hears of no change.
const catchUpEvery = 100 * time.Millisecond

// errNotInConsensus is the answer to what only a member of consensus may do.
var errNotInConsensus = fmt.Errorf("%w: this node is not in consensus yet", peerset.ErrUnavailable)

// view is the peer set as one node uses it, with its events.
type view interface {
	peerset.Set
	peerset.Events
}

// memberView is a member's own view.
type memberView struct {
	peerset.Set
	setEvents
}

// setEvents gives the events an embedded field's name that is not that of their method.
type setEvents = peerset.Events

// joiningSet is the peer set of a node on its way into consensus: another member's view, then its own.
//
// To get into consensus takes a member seconds, and so does what a database node waits for besides, the cluster's
// state. A new member does both at once. It is admitted by then: its older incarnation is out of consensus and of
// all that derives from it. Until it is in consensus it therefore uses the peer set as a client does, through
// another member. It holds no lease but its turn to join: it does not count as healthy yet, and it could not see
// by itself that it lost a lease.
type joiningSet struct {
	mu      sync.Mutex
	view    view
	rights  peerset.Rights
	entered bool
	changed chan struct{} // until it has entered
}

func newJoiningSet(outside view, rights peerset.Rights) *joiningSet {
	return &joiningSet{
		view:    outside,
		rights:  rights,
		changed: make(chan struct{}),
	}
}

// relay passes on that the peer set changed as the other member sees it, until ctx ends.
func (j *joiningSet) relay(ctx context.Context, outside peerset.Set) {
	for {
		// The channel is taken before the others are woken, so that no change falls in between.
		changed := outside.Changed()
		j.wake()

		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

func (j *joiningSet) wake() {
	j.mu.Lock()
	defer j.mu.Unlock()

	close(j.changed)
	j.changed = make(chan struct{})
}

// enter makes the member's own view the one that counts.
func (j *joiningSet) enter(own view) {
	j.mu.Lock()
	j.view, j.entered = own, true
	j.mu.Unlock()
	j.wake()
}

func (j *joiningSet) now() (view, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()

	return j.view, j.entered
}

func (j *joiningSet) Snapshot() peerset.Snapshot {
	view, _ := j.now()
	return view.Snapshot()
}

func (j *joiningSet) Changed() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()

	if j.entered {
		return j.view.Changed()
	}

	return j.changed
}

func (j *joiningSet) Report(ctx context.Context, report peerset.Report) error {
	view, _ := j.now()
	return view.Report(ctx, report)
}

func (j *joiningSet) Hold(ctx context.Context, lease string, ttl time.Duration) (peerset.Lease, bool, error) {
	view, entered := j.now()
	if !entered && j.rights.Local(lease) != peerset.LeaseGaleraJoin {
		return peerset.Lease{}, false, nil
	}

	return view.Hold(ctx, lease, ttl)
}

func (j *joiningSet) Seize(ctx context.Context, seen peerset.Lease, reason string) (peerset.Lease, error) {
	view, entered := j.now()
	if !entered {
		return peerset.Lease{}, fmt.Errorf("seize lease %s: %w", seen.Name, errNotInConsensus)
	}

	return view.Seize(ctx, seen, reason)
}

func (j *joiningSet) Release(ctx context.Context, lease peerset.Lease) error {
	view, _ := j.now()
	return view.Release(ctx, lease)
}

func (j *joiningSet) Put(ctx context.Context, key, value string, fence peerset.Lease) error {
	view, _ := j.now()
	return view.Put(ctx, key, value, fence)
}

func (j *joiningSet) Forget(ctx context.Context, name string) error {
	view, entered := j.now()
	if !entered {
		return fmt.Errorf("forget: %w", errNotInConsensus)
	}

	return view.Forget(ctx, name)
}

// Note makes an event that the other members forbid wait until this node is in consensus: they may run an older
// version, which does not know the event's kind.
func (j *joiningSet) Note(ctx context.Context, note peerset.Note) error {
	view, entered := j.now()
	err := view.Note(ctx, note)

	// The cause goes in as text: it is not to be taken for a refusal for good.
	if !entered && errors.Is(err, peerset.ErrForbidden) {
		return fmt.Errorf("%w: %s", errNotInConsensus, err)
	}

	return err
}

func (j *joiningSet) Events(ctx context.Context, after int64, limit int) ([]peerset.Event, error) {
	view, _ := j.now()
	return view.Events(ctx, after, limit)
}

// joinInBackground lets the node go on with the peer set as the others see it, and makes it a member of consensus
// meanwhile.
func (a *Agent) joinInBackground(ctx context.Context, e entry, welcome peerset.Welcome) *joiningSet {
	watching, stop := context.WithCancel(ctx)
	watcher := api.Watch(watching, e.client, welcome.Snapshot, 1, a.Log)
	set := newJoiningSet(watcher, a.rights)
	a.events.use(set)

	a.mu.Lock()
	a.entering = true
	a.mu.Unlock()

	relayed := make(chan struct{})
	a.work.Go(func() {
		defer close(relayed)

		set.relay(watching, watcher)
	})

	a.work.Go(func() {
		member, err := a.openMember(ctx, e, welcome)
		if err == nil {
			err = caughtUp(ctx, member, watcher)
		}

		if ctx.Err() != nil {
			return
		}

		// The name was given to a newer incarnation meanwhile, or declared gone.
		if err != nil {
			a.Log.Error("not let into consensus", "err", err)
			a.setReason("evicted: " + err.Error())
			a.setEvicted(err.Error())

			return
		}

		// The relay ends before the view changes: it must wake nobody for the old one.
		stop()
		<-relayed

		set.enter(memberView{
			peerset.Bind(member, a.self()),
			peerset.BindEvents(member, a.self()),
		})

		a.entered()
	})

	return set
}

// entered ends the node's way into consensus.
func (a *Agent) entered() {
	a.mark("consensus")

	a.mu.Lock()
	a.entering = false
	a.mu.Unlock()

	a.Log.Info("in consensus")

	// The node counts as healthy from now on: the others need not wait for the next heartbeat.
	a.reportNow.Ring()
}

// caughtUp waits until a member has read for itself what it was told by the others.
func caughtUp(ctx context.Context, member peerset.Registry, told peerset.Set) error {
	for {
		changed := member.Changed()
		own, theirs := member.Snapshot(), told.Snapshot()

		// Generations of two eras cannot be compared.
		level := own.Era() != theirs.Era() || own.Generation >= theirs.Generation
		if own.Founded != "" && own.Quorum && level {
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
