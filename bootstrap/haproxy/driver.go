package haproxy

import (
	"context"
	"log/slog"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// DefaultTick is how often the running state is looked at when the peer set does not change: a reload or a restart of
// HAProxy must not go unseen for longer.
const DefaultTick = 300 * time.Millisecond

// Config is what a driver needs.
type Config struct {
	Set    peerset.Set
	Socket Socket
	Say    func(healthy bool, state, reason string)
	Log    *slog.Logger
	Tick   time.Duration
}

// Driver keeps a proxy true to the peer set.
type Driver struct{ Config }

// New makes a driver. Run runs it.
func New(config Config) *Driver {
	if config.Tick == 0 {
		config.Tick = DefaultTick
	}
	return &Driver{config}
}

// Run drives until ctx ends. HAProxy goes on without its driver.
func (d *Driver) Run(ctx context.Context) error {
	for {
		changed := d.Set.Changed()
		if err := d.step(ctx); err != nil && ctx.Err() == nil {
			d.Say(false, "no-haproxy", err.Error())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-time.After(d.Tick):
		}
	}
}

func (d *Driver) step(ctx context.Context) error {
	servers, err := d.Socket.Servers(ctx)
	if err != nil {
		return err
	}
	snapshot := d.Set.Snapshot()
	if snapshot.Founded == "" {
		return nil // nothing was ever known: the file's own state stands
	}
	if commands := Decide(servers, snapshot); len(commands) > 0 {
		d.Log.Info("tell HAProxy", "commands", commands)
		if err := d.Socket.Do(ctx, commands); err != nil {
			return err
		}
		if servers, err = d.Socket.Servers(ctx); err != nil {
			return err
		}
	}
	d.Say(Judge(servers, snapshot))
	return nil
}

// Drain has nothing to hand over: the agent's health check fails, and the web nodes' HAProxies leave.
func (d *Driver) Drain(context.Context) error { return nil }
