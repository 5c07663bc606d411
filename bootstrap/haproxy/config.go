package haproxy

import (
	"context"
	"log/slog"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Defaults of the times that a test shortens.
const (
	DefaultTick        = 100 * time.Millisecond
	DefaultReloadEvery = time.Second
	// DefaultSteady is how often a process is looked at that serves and of which it is told when it ends, once
	// no check of its servers had another result for DefaultStableAfter: the first failure is seen before a server is
	// down, which takes three of them.
	DefaultSteady      = 500 * time.Millisecond
	DefaultStableAfter = 3 * time.Second
	// DefaultSweepEvery is how often sessions are looked at when nothing changes.
	DefaultSweepEvery = 5 * time.Second
	// DefaultLinger is for how long sessions are looked at again and again after a server closed: longer than
	// one that was being connected then can take to be connected after all ("timeout connect").
	DefaultLinger = time.Second
	// DefaultNotice is how long clients' checks need to see that a draining proxy is no longer healthy.
	DefaultNotice = 2 * time.Second
	// DefaultAnswer is how long the process has to answer one look at its servers or sessions.
	DefaultAnswer = 3 * time.Second
	// DefaultStartAfter is how long a process may not answer before its unit is asked to start.
	DefaultStartAfter = 5 * time.Second
	// DefaultKillAfter is how long one may not answer before it is killed: a start does nothing for a unit that runs.
	DefaultKillAfter = 30 * time.Second
	commandTimeout   = 10 * time.Second
)

// Runtime is the running HAProxy.
type Runtime interface {
	// State reads the servers of the process that accepts connections.
	State(ctx context.Context) ([]Server, error)
	// Tell gives that process commands, at once, and returns what it answers; most say nothing.
	Tell(ctx context.Context, commands []string) (string, error)
	// Current lists the sessions of that process.
	Current(ctx context.Context) ([]Session, error)
	// Left lists the sessions in processes that a reload left behind.
	Left(ctx context.Context) ([]Session, error)
	// End ends sessions of either kind.
	End(ctx context.Context, sessions []Session) error
	// Sessions counts the connections of clients to the process.
	Sessions(ctx context.Context) (int, error)
}

// Unit is HAProxy's unit.
type Unit interface {
	Reload(ctx context.Context) error
	// Start asks for a start, also after too many failures; a unit that runs is left alone.
	Start(ctx context.Context) error
	// Kill ends every process of a unit that runs; it starts again by itself.
	Kill(ctx context.Context) error
}

// Peers is the part of the peer set that the driver uses.
type Peers interface {
	Snapshot() peerset.Snapshot
	Changed() <-chan struct{}
}

// Roles are whose nodes the servers are.
type Roles struct {
	Database string            // "" where no database is behind this HAProxy
	Sites    map[string]string // by the backend; of a proxy that serves no site none
}

// Times are the driver's times; the zero value means the defaults.
type Times struct {
	Tick        time.Duration
	Steady      time.Duration
	StableAfter time.Duration
	ReloadEvery time.Duration
	SweepEvery  time.Duration
	Linger      time.Duration
	Notice      time.Duration
	Answer      time.Duration
	StartAfter  time.Duration
	KillAfter   time.Duration
}

// Config is what a driver needs.
type Config struct {
	File string // haproxy.cfg, kept right by the agent's templates
	// Loaded is where the driver notes the shape of the file that the process read last; gone at a reboot.
	Loaded  string
	Peers   Peers
	Roles   Roles
	Runtime Runtime
	Unit    Unit
	Report  func(Status)
	// Ended gets word when HAProxy ends; nil when nobody tells, and then it is looked at every Tick.
	Ended <-chan struct{}
	// Count is told of each reload and command, as Counted names them; nil for nobody.
	Count func(what string)
	Log   *slog.Logger
	Times Times
}

func (t *Times) defaults() {
	fallbacks := map[*time.Duration]time.Duration{
		&t.Tick:        DefaultTick,
		&t.Steady:      DefaultSteady,
		&t.StableAfter: DefaultStableAfter,
		&t.ReloadEvery: DefaultReloadEvery,
		&t.SweepEvery:  DefaultSweepEvery,
		&t.Linger:      DefaultLinger,
		&t.Notice:      DefaultNotice,
		&t.Answer:      DefaultAnswer,
		&t.StartAfter:  DefaultStartAfter,
		&t.KillAfter:   DefaultKillAfter,
	}

	for value, fallback := range fallbacks {
		if *value == 0 {
			*value = fallback
		}
	}
}
