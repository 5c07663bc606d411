// Package bootstrap is the agent inside every image: user-data -> identity -> peers -> configuration -> health. It
// configures a node once, renders its templates again whenever the peer set changes, and reports how the node is.
// What serves traffic never waits for it. It must not know Packer, the fleet or the lab.
package bootstrap

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/bootstrap/reservedip"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/roles"
)

// Phases of a node's life, in order. Refused is the end of a node whose document is not for it.
const (
	PhaseFinding     = "finding"
	PhaseJoining     = "joining"
	PhaseConfiguring = "configuring"
	PhaseServing     = "serving"
	PhaseRefused     = "refused"
)

// ErrRefused is a document that is not for this node: it joins nothing, and only says why.
var ErrRefused = errors.New("user-data refused")

// Agent runs one node.
type Agent struct {
	Config
	start     time.Time
	reportNow pause.Bell     // the driver's status changed: send the next heartbeat now
	changed   pause.Bell     // this member changed the peer set: notify the others now
	work      sync.WaitGroup // what goes on beside the phases; Run ends after it
	leave     context.CancelCauseFunc
	// rejoin asks the members to let this node in once more; nil for a member.
	admitted   atomic.Bool // into the peer set, since the agent started
	founding   bool        // it has begun to found the peer set; only the phases' goroutine touches it
	rejoin     func(context.Context) error
	rejectedAt time.Time // rejoin was refused last; only keepReporting touches it

	counted counters
	refused refusals
	events  *eventLog
	files   *templateFiles
	pending *pendingUnits
	watch   *imageWatch
	checks  serveChecks
	walls   wallKeeper
	asked   checkers

	mu          sync.Mutex
	node        cloudinit.Node
	rights      peerset.Rights // of the stack's roles
	address     string
	network     string
	origin      origin
	anchor      string // where packets for the reserved IP come in
	droplet     int
	manifest    *roles.Manifest
	phase       string
	reason      string
	entering    bool // it is registered, and on its way into consensus
	status      DriverStatus
	draining    bool
	unknownPeer bool      // it was never in a peer set, and founds none
	door        *door     // while it may found the peer set and is in none
	beat        time.Time // the last heartbeat was begun
	evicted     string    // why this incarnation is no longer in the peer set
	marks       map[string]float64
	set         peerset.Set
	driver      Driver
	keeper      *reservedip.Keeper // nil where this node may not hold the stack's reserved IP
	applied     error              // what the last round of templates said
}

// New makes an agent. Run runs it.
func New(config Config) *Agent {
	config.complete()

	a := &Agent{
		Config:    config,
		start:     time.Now(),
		reportNow: pause.NewBell(),
		changed:   pause.NewBell(),
		phase:     PhaseFinding,
		reason:    "looking for user-data",
		marks:     map[string]float64{},
	}
	a.register()

	a.events = newEventLog(config)
	a.pending = newPendingUnits(config)
	a.files = newTemplateFiles(config, func() { a.counted.written.Add(1) })
	a.watch = newImageWatch(config, a)

	return a
}

// Run takes the node through its phases and serves until ctx ends.
func (a *Agent) Run(ctx context.Context) error {
	ctx, a.leave = context.WithCancelCause(ctx)

	// systemd counts from the agent's start: it is notified in every phase, also while there is no user-data.
	a.work.Go(func() { a.notifyWatchdog(ctx) })

	a.runPhases(ctx)

	// A cause that was given before stays: this only releases the context.
	a.leave(nil)
	a.work.Wait()

	// The member is closed by now, so its folder may move. The next start finds none and joins anew.
	if cause := context.Cause(ctx); errors.Is(cause, ErrSetRebuilt) {
		return errors.Join(cause, a.SetAside())
	}

	return nil
}

// runPhases returns when ctx ends: a node that is refused waits for that, too.
func (a *Agent) runPhases(ctx context.Context) {
	for _, phase := range []struct {
		name string
		run  func(context.Context) error
	}{
		{PhaseFinding, a.find},
		{PhaseJoining, a.join},
		{PhaseConfiguring, a.configure},
	} {
		a.enterPhase(phase.name, "")
		err := phase.run(ctx)

		// An error after ctx ended comes from the shutdown. It is no refusal.
		if ctx.Err() != nil {
			return
		}

		if phase.name == PhaseFinding {
			// refused or not, the node answers health checks: its address is known now
			a.startAnswering(ctx, err == nil)
		}

		if err != nil {
			a.refuse(ctx, phase.name, err)
			return
		}

		a.mark(phase.name)
	}

	a.enterPhase(PhaseServing, "")

	if err := a.serve(ctx); err != nil {
		a.refuse(ctx, PhaseServing, err)
	}
}

// refuse keeps saying why this node does nothing.
func (a *Agent) refuse(ctx context.Context, phase string, err error) {
	a.enterPhase(PhaseRefused, err.Error())
	a.Log.Error("node refused", "phase", phase, "err", err)

	// The agent stays up, so that /healthz and `hornero-bootstrap status` can say why.
	<-ctx.Done()
}

func (a *Agent) enterPhase(phase, reason string) {
	a.mu.Lock()
	from := a.phase
	a.phase, a.reason = phase, reason
	a.mu.Unlock()

	a.Log.Info("phase", "from", from, "to", phase, "reason", reason)
}

// setReason records what the node waits for, and logs it when it is something new.
func (a *Agent) setReason(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()

	// Each attempt comes here, twice a second. Only a new reason is worth a line in the journal.
	if a.reason != reason {
		a.Log.Info("waiting", "phase", a.phase, "reason", reason)
	}

	a.reason = reason
}

// mark notes when a step was over, from the agent's start.
func (a *Agent) mark(step string) {
	a.mu.Lock()
	defer a.mu.Unlock()

	a.marks[step] = time.Since(a.start).Seconds()
}

func (a *Agent) self() peerset.Identity {
	return peerset.Identity{
		Name:        a.node.Node,
		Role:        a.node.Role,
		Incarnation: a.node.Incarnation,
	}
}

// peerSet is the peer set as this node uses it; nil before it has joined.
func (a *Agent) peerSet() peerset.Set {
	a.mu.Lock()
	defer a.mu.Unlock()

	return a.set
}
