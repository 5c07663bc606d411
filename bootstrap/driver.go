package bootstrap

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/metrics"
	"github.com/hornero/hornero/roles"
)

// Driver is Go code that runs a role where a template cannot say it. The server that it drives goes on without it.
type Driver interface {
	// Run drives until ctx ends.
	Run(ctx context.Context) error
	// Drain gives the node's work up and returns when it has. Whoever checks its health may take as long as notice to
	// see that it fails.
	Drain(ctx context.Context, notice time.Duration) error
}

// DriverStatus is what a driver reports of its node.
type DriverStatus struct {
	State   string
	Healthy bool
	Reason  string
	Alarm   string // what is wrong beside the node's own work; "" for nothing
	Facts   map[string]string
}

// Env is what a driver gets.
type Env struct {
	Node     cloudinit.Node
	Address  string // in the VPC
	Manifest *roles.Manifest
	Set      peerset.Set // with the leases of the databases that it keeps or watches by their own names
	Rights   peerset.Rights
	Facts    func() roles.Facts // of now
	Report   func(DriverStatus)
	Note     func(kind, text string) // adds an event about this node, and does not wait
	Metrics  *metrics.Registry
	Log      *slog.Logger
}

// Drivers makes drivers by the name that a manifest gives.
type Drivers map[string]func(Env) (Driver, error)

// startDriver runs the role's driver. A role that has none serves as soon as it is configured.
func (a *Agent) startDriver(ctx context.Context, work *sync.WaitGroup) error {
	if a.manifest.Driver == "" {
		a.setStatus(DriverStatus{State: "serving", Healthy: true})
		return nil
	}

	driver, err := a.Drivers[a.manifest.Driver](Env{
		Node:     a.node,
		Address:  a.address,
		Manifest: a.manifest,
		Set:      peerset.Scope(a.set, a.rights, a.databaseRole()),
		Rights:   a.rights,
		Facts:    a.facts,
		Report:   a.setStatus,
		Note:     a.note,
		Metrics:  a.Metrics,
		Log:      a.Log,
	})
	if err != nil {
		return err
	}

	a.mu.Lock()
	a.driver = driver
	a.mu.Unlock()

	work.Go(func() {
		// The server goes on without its driver, so the agent does not end with it.
		if err := driver.Run(ctx); err != nil && ctx.Err() == nil {
			a.Log.Error("driver ended", "driver", a.manifest.Driver, "err", err)
		}
	})

	return nil
}

// databaseRole is the role that keeps the databases that this node has to do with.
func (a *Agent) databaseRole() string {
	return cmp.Or(a.manifest.Watches[roles.DatabaseRole], a.node.Role)
}

// setStatus records a driver's status, and has it sent at once when others must know it.
func (a *Agent) setStatus(now DriverStatus) {
	a.mu.Lock()
	defer a.mu.Unlock()

	was := a.status
	a.status = now

	if was.State != now.State {
		a.counted.transitions.Add(1, was.State, now.State)
	}

	changed := was.State != now.State || was.Healthy != now.Healthy
	if changed {
		a.Log.Info("state",
			"from", was.State,
			"to", now.State,
			"healthy", now.Healthy,
			"reason", now.Reason,
		)
	}

	// Other nodes act on state and facts: they must not wait for the next heartbeat.
	if changed || !maps.Equal(was.Facts, now.Facts) {
		a.reportNow.Ring()
	}
}
