package galera

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// StateVoting is an arbitrator whose vote the database nodes count.
const StateVoting State = "voting"

// DefaultOrphaned is how long the database nodes must all be out of a primary component before the arbitrator
// stops: it would hold on to a component of its own, and a cluster that is formed anew could not take it in.
const DefaultOrphaned = time.Second

// ArbiterUnit is the arbitrator's unit.
type ArbiterUnit interface {
	State(ctx context.Context) (Process, error)
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// ArbiterConfig is what an arbiter needs.
type ArbiterConfig struct {
	Role   string // whose peers are the database nodes
	Set    peerset.Set
	Unit   ArbiterUnit
	Report func(Status)
	Log    *slog.Logger

	// Zero means the defaults.
	Tick     time.Duration
	Orphaned time.Duration
}

// Arbiter runs an arbitrator: a member of the cluster that votes and holds no data.
type Arbiter struct {
	ArbiterConfig
	orphaned time.Time // since when no database node is in a primary component; zero while one is
	reported Status
	leave    atomic.Bool // it was told to give its work up
}

// NewArbiter makes an arbiter. Run runs it.
func NewArbiter(config ArbiterConfig) *Arbiter {
	if config.Tick == 0 {
		config.Tick = 5 * DefaultTick
	}

	if config.Orphaned == 0 {
		config.Orphaned = DefaultOrphaned
	}

	return &Arbiter{ArbiterConfig: config}
}

// Run drives the arbitrator until ctx ends; garbd goes on without its driver.
func (a *Arbiter) Run(ctx context.Context) error {
	for {
		// Taken before the step, so that a change during the step wakes the loop.
		changed := a.Set.Changed()

		if err := a.step(ctx); err != nil && ctx.Err() == nil {
			a.Log.Warn("drive the arbitrator", "err", err)
		}

		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-time.After(a.Tick):
		}
	}
}

// Drain has nothing to hand over: garbd leaves the cluster when it is stopped, and the others count one vote less.
func (a *Arbiter) Drain(ctx context.Context, _ time.Duration) error {
	// Without this the next step would find garbd down and start it again.
	a.leave.Store(true)
	return a.Unit.Stop(ctx)
}

func (a *Arbiter) step(ctx context.Context) error {
	process, err := a.Unit.State(ctx)
	if err != nil {
		return err
	}

	snapshot := a.Set.Snapshot()
	move, status := Arbitrate(snapshot, a.Role, process, a.isOrphaned(snapshot))

	// Without a quorum no database node says anything new, and garbd goes on as it was.
	if !snapshot.Quorum && process == ProcessStarting && a.reported.State == StateVoting {
		status = a.reported
	}

	// A start may have been under way when it was told to leave.
	if a.leave.Load() {
		move, status = depart(process)
	}

	a.publish(status)

	switch move {
	case Join:
		return a.Unit.Start(ctx)
	case Stop:
		return a.Unit.Stop(ctx)
	}

	return nil
}

// isOrphaned tells whether no database node has been in a primary component for long enough.
func (a *Arbiter) isOrphaned(snapshot peerset.Snapshot) bool {
	// Without a quorum nobody can tell, and an arbitrator that runs keeps its vote.
	if !snapshot.Quorum || somePrimary(snapshot, a.Role) {
		a.orphaned = time.Time{}
		return false
	}

	if a.orphaned.IsZero() {
		a.orphaned = time.Now()
	}

	return time.Since(a.orphaned) >= a.Orphaned
}

// publish reports a status when it differs from the last.
func (a *Arbiter) publish(status Status) {
	if status.equal(a.reported) {
		return
	}

	a.Log.Info("arbitrator changes state",
		"from", a.reported.State,
		"to", status.State,
		"reason", status.Reason,
	)

	a.Report(status)
	a.reported = status
}

// depart is all that is left for an arbitrator that leaves: a start may have been under way when it was told to.
func depart(process Process) (Kind, Status) {
	if process == ProcessStopped || process == ProcessFailed {
		return Wait, Status{State: StateStopped, Reason: "drained"}
	}

	return Stop, Status{State: StateStopped, Reason: "draining"}
}

// Arbitrate is pure: garbd runs while a database node is in the primary component, and when nobody can tell. It
// never makes a primary component, so it may always look for one.
func Arbitrate(snapshot peerset.Snapshot, role string, process Process, orphaned bool) (Kind, Status) {
	down := process == ProcessStopped || process == ProcessFailed

	switch {
	// garbd would hold on to a component of its own, beside the one that is formed anew.
	case orphaned && !down:
		return Stop, Status{State: StateWaiting, Reason: "no database node is in a primary component"}
	case orphaned:
		return Wait, Status{State: StateWaiting, Reason: "no database node is in a primary component"}
	case down:
		return Join, Status{State: StateJoining, Reason: "garbd starts"}
	case !counted(snapshot, role):
		return Wait, Status{State: StateJoining, Reason: "garbd runs, and no database node counts its vote yet"}
	}

	return Serve, Status{
		State:   StateVoting,
		Healthy: true,
		Reason:  "the database nodes count its vote",
	}
}

func somePrimary(snapshot peerset.Snapshot, role string) bool {
	for _, peer := range snapshot.Role(role) {
		if peer.Alive && inPrimary(peer) {
			return true
		}
	}

	return false
}

// counted tells whether a database node has an arbitrator in its primary component. A stack has one at most.
func counted(snapshot peerset.Snapshot, role string) bool {
	for _, peer := range snapshot.Role(role) {
		if peer.Alive && inPrimary(peer) && peer.Facts[FactArbiters] != "" {
			return true
		}
	}

	return false
}
