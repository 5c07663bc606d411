package bootstrap

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/roles"
)

// serve follows the peer set with the node's templates, runs its driver and tasks, and reports how it is, until ctx
// ends.
func (a *Agent) serve(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()

	if err := a.startDriver(ctx, &work); err != nil {
		return err
	}

	a.startKeeper(ctx, &work)

	for _, task := range a.manifest.Tasks {
		work.Go(func() { a.runTask(ctx, task) })
	}

	for _, check := range a.manifest.Checks() {
		work.Go(func() { a.keepChecking(ctx, check) })
	}

	work.Go(func() { a.keepReporting(ctx) })
	work.Go(func() { a.watchExpiry(ctx) })
	work.Go(func() { a.watch.run(ctx, a.self(), a.node.Settings) })

	a.keepApplying(ctx)

	return nil
}

// keepApplying renders the templates at each change of the peer set, and again when that failed.
func (a *Agent) keepApplying(ctx context.Context) {
	for {
		changed := a.set.Changed()
		var again <-chan time.Time

		if err := a.apply(ctx, true); err != nil && ctx.Err() == nil {
			a.Log.Warn("apply templates", "err", err)

			// The next change of the peer set may be hours away.
			again = time.After(a.Retry)
		}

		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-again:
		}
	}
}

// keepReporting sends heartbeats.
func (a *Agent) keepReporting(ctx context.Context) {
	for ctx.Err() == nil {
		healthy, _ := a.Health()
		draining := a.isLeaving()
		facts := a.reportedFacts()

		// The watchdog counts from here: a heartbeat that never ends must show.
		a.mu.Lock()
		a.beat = time.Now()

		report := peerset.Report{
			State:    a.status.State,
			Healthy:  healthy,
			Draining: draining,
			Facts:    facts,
		}
		a.mu.Unlock()

		err := a.set.Report(ctx, report)
		a.counted.reports.Add(1, resultOfReport(err))
		a.takeAnswer(ctx, err)

		select {
		case <-ctx.Done():
		case <-a.reportNow:
		case <-time.After(a.Heartbeat):
		}
	}
}

// keepServing serves until ctx ends: after an error it begins anew.
func (a *Agent) keepServing(ctx context.Context, what string, serve func(context.Context) error) {
	for ctx.Err() == nil {
		if err := serve(ctx); err != nil && ctx.Err() == nil {
			a.Log.Error("serve "+what, "err", err)
			pause.For(ctx, a.Retry)
		}
	}
}

// listen tries until the port is free; nil when ctx ended first.
func (a *Agent) listen(ctx context.Context, port int, host string) net.Listener {
	config := net.ListenConfig{}

	// Checks come several times a second, each in a connection of its own, and end with it: none is to be kept alive.
	if port == roles.HealthPort {
		config.KeepAlive = -1
	}

	for ctx.Err() == nil {
		listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			return listener
		}

		a.Log.Warn("listen", "port", port, "err", err)
		pause.For(ctx, a.Retry)
	}

	return nil
}

// serveAPI serves the agents' API to the other nodes.
func (a *Agent) serveAPI(ctx context.Context, registry peerset.Registry) error {
	config, err := a.peerTLS()
	if err != nil {
		return err
	}

	// Others found the founder by its door: they must not find it closed now.
	listener := a.takeDoor()
	if listener == nil {
		listener = a.listen(ctx, roles.AgentPort, a.address)
	}

	if listener == nil {
		return nil
	}

	server := api.Server{
		Registry: registry,
		Refused:  a.recordRefusal,
		Log:      a.Log,
	}

	return server.Serve(ctx, listener, config)
}
