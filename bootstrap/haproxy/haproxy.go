// Package haproxy drives a proxy node's HAProxy: it looks at the running process and the peer set, decides
// purely what to tell the process (Decide), and tells it through its socket. Only what the process cannot be
// told is a reload. The one database node that takes writes is the holder of the writer lease; sessions to any
// other are ended first.
//
// It must not know how the configuration is rendered, how the peer set works, or what MariaDB is.
package haproxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/pause"
)

// States of a proxy, as it says them.
const (
	StateStarting   = "starting"    // HAProxy does not answer yet
	StateNoWriter   = "no-writer"   // nobody holds the writer lease, or its holder is not known here
	StateWriterDown = "writer-down" // the writer's check does not pass
	StateServing    = "serving"
	StateDraining   = "draining"
)

// What Config.Count is told of.
const (
	CountedReload  = "reload"
	CountedCommand = "command"
)

// Status is what the node says of itself.
type Status struct {
	State   string
	Healthy bool
	Reason  string
	Writer  string // the database node that this proxy sends writes to; empty when none
}

// Driver runs a proxy node.
type Driver struct {
	Config

	mu       sync.Mutex
	draining bool
	status   Status

	// Only the loop touches these.
	reloaded time.Time       // the last reload
	answered time.Time       // the last answer of the process
	asked    time.Time       // the unit was asked to start last
	told     []string        // the commands that were given last
	swept    time.Time       // the last look at sessions
	open     []string        // servers that took sessions at the last look
	lingers  time.Time       // until when to look again and again, because a server closed
	before   []Server        // at the last look
	closely  time.Time       // until when to look every Tick
	cut      map[string]bool // servers whose sessions in old processes must end, besides those that are closed
}

// New makes a driver. Run runs it.
func New(config Config) *Driver {
	config.Times.defaults()

	if config.Count == nil {
		config.Count = func(string) {}
	}

	return &Driver{
		Config: config,
		cut:    map[string]bool{},
	}
}

// Run drives HAProxy until ctx ends. HAProxy goes on without its driver.
func (d *Driver) Run(ctx context.Context) error {
	d.answered = time.Now()

	for {
		// The channel is taken before the snapshot is read, so that no change falls in between.
		changed := d.Peers.Changed()
		status, servers := d.step(ctx)
		d.report(status)
		d.sweep(ctx, servers)

		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			// The agent writes the same change into the file, which may need a reload.
			d.watchClosely(5 * d.Times.Tick)
		case <-d.Ended:
			d.watchClosely(d.Times.StableAfter)
		case <-time.After(d.pace(status)):
		}
	}
}

// watchClosely has the process looked at every Tick for a while.
func (d *Driver) watchClosely(span time.Duration) {
	if until := time.Now().Add(span); until.After(d.closely) {
		d.closely = until
	}
}

// pace is how long the loop may wait for somebody to tell it something.
func (d *Driver) pace(status Status) time.Duration {
	now := time.Now()
	serves := status.State == StateServing && d.reported().State == StateServing

	// After a change the process is looked at every Tick: more changes may follow at once.
	busy := len(d.cut) > 0 || now.Before(d.closely) || now.Before(d.lingers)

	if d.Ended != nil && serves && !busy {
		return d.Times.Steady
	}

	return d.Times.Tick
}

// step makes the process what the peer set says, once, and tells how it is then. It returns no servers when it could
// not see them.
func (d *Driver) step(ctx context.Context) (Status, []Server) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()

	snapshot := d.Peers.Snapshot()

	servers, err := d.look(ctx)
	if err != nil {
		d.restart(ctx)

		return Status{
			State:  StateStarting,
			Reason: "HAProxy does not answer: " + err.Error(),
		}, nil
	}

	d.answered = time.Now()

	// The health of a server changes with the first check that fails, before it counts as down.
	if !slices.Equal(servers, d.before) {
		d.before = servers
		d.watchClosely(d.Times.StableAfter)
	}

	if d.reload(ctx, servers) {
		d.watchClosely(d.Times.StableAfter)

		// The next step sees whom the new process serves.
		return d.reported(), nil
	}

	plan := Decide(servers, d.Roles, snapshot)
	if len(plan.Close)+len(plan.Open) == 0 {
		d.told = nil
		return StatusOf(servers, d.Roles, snapshot), servers
	}

	d.watchClosely(d.Times.StableAfter)

	// Old processes know the server by its old address: their sessions to it must end, too.
	for _, server := range plan.Moved {
		d.cut[server] = true
	}

	if servers, err = d.tell(ctx, plan); err != nil {
		return Status{
			State:  StateStarting,
			Reason: err.Error(),
		}, nil
	}

	return StatusOf(servers, d.Roles, snapshot), servers
}

// look asks the process what its servers are.
func (d *Driver) look(ctx context.Context) ([]Server, error) {
	ctx, cancel := context.WithTimeout(ctx, d.Times.Answer)
	defer cancel()
	return d.Runtime.State(ctx)
}

// tell gives the commands and reads the result back: all in one go, so that there is a writer all the time, unless
// sessions must end in between. Commands without effect are given again at the next step, and logged once.
func (d *Driver) tell(ctx context.Context, plan Plan) ([]Server, error) {
	commands := slices.Concat(plan.Close, plan.Open)
	again := slices.Equal(d.told, commands)
	rounds := [][]string{commands}

	// Sessions to the old address end before the new one opens.
	if len(plan.Moved) > 0 {
		rounds = [][]string{plan.Close, plan.Open}
	}

	for i, round := range rounds {
		answer, err := d.Runtime.Tell(ctx, round)
		if err != nil {
			return nil, fmt.Errorf("tell HAProxy %q: %w", round, err)
		}

		d.Count(CountedCommand)

		if !again {
			d.Log.Info("told HAProxy", "commands", strings.Join(round, "; "), "answer", answer)
		}

		if i == 0 && len(plan.Moved) > 0 {
			if err := d.endAll(ctx, plan.Moved); err != nil {
				return nil, err
			}
		}
	}

	d.told = commands

	// What the process says is read back: an answer alone proves no change.
	return d.Runtime.State(ctx)
}

// endAll ends every connected session to some servers.
func (d *Driver) endAll(ctx context.Context, servers []string) error {
	sessions, err := d.Runtime.Current(ctx)
	if err != nil {
		return err
	}

	return d.end(ctx, slices.DeleteFunc(sessions, func(s Session) bool {
		return !s.Connected || !slices.Contains(servers, s.Server)
	}))
}

func (d *Driver) end(ctx context.Context, sessions []Session) error {
	if len(sessions) == 0 {
		return nil
	}

	count := map[string]int{}

	for _, session := range sessions {
		count[session.Server]++
	}

	d.Log.Info("end sessions", "servers", count)

	return d.Runtime.End(ctx, sessions)
}

// sweep ends the sessions to database nodes that must not have any: to those that closed or went down in the
// process that accepts connections, and to the same in processes that a reload left behind, which do not check
// their servers any more and know them only by the addresses of their time.
func (d *Driver) sweep(ctx context.Context, servers []Server) {
	// Without the servers nobody knows which sessions are wrong.
	if servers == nil {
		return
	}

	// A session that is being connected is not seen yet: the sweeps go on for a while.
	if open := openServers(servers); !slices.Equal(open, d.open) {
		d.open = open
		d.lingers = time.Now().Add(d.Times.Linger)
	}

	if len(d.cut) == 0 && time.Now().After(d.lingers) && time.Since(d.swept) < d.Times.SweepEvery {
		return
	}

	ctx, cancel := context.WithTimeout(ctx, d.Times.Answer)
	defer cancel()

	d.swept = time.Now()
	spared := Spared(servers, d.Peers.Snapshot())

	current, unseen := d.Runtime.Current(ctx)
	err := errors.Join(unseen, d.end(ctx, SessionsToEnd(current, servers, spared, nil)))

	left, unseen := d.Runtime.Left(ctx)
	err = errors.Join(err, unseen, d.end(ctx, SessionsToEnd(left, servers, spared, d.cut)))

	if err != nil {
		d.Log.Debug("end sessions", "err", err)
		return
	}

	// A sweep without an error has seen every old process.
	clear(d.cut)
}

// restart asks for a start when the process has been silent for too long, and kills one that hangs.
func (d *Driver) restart(ctx context.Context) {
	silent := time.Since(d.answered)
	if silent < d.Times.StartAfter || time.Since(d.asked) < d.Times.StartAfter {
		return
	}

	if silent >= d.Times.KillAfter {
		d.Log.Warn("HAProxy hangs: it is killed", "silent", silent.Round(time.Second))

		// The next process has as long to answer.
		d.answered = time.Now()

		if err := d.Unit.Kill(ctx); err != nil && ctx.Err() == nil {
			d.Log.Warn("kill HAProxy", "err", err)
		}
	}

	// A start that fails is asked for again only after a while.
	d.asked = time.Now()

	if err := d.Unit.Start(ctx); err != nil && ctx.Err() == nil {
		d.Log.Warn("start HAProxy", "err", err)
	}
}

// reload makes the process read its file when it runs another shape of it, and not more often than once in
// ReloadEvery. What came meanwhile is in the file, so one reload serves them all.
func (d *Driver) reload(ctx context.Context, servers []Server) bool {
	text, err := os.ReadFile(d.File)
	if err != nil {
		d.Log.Warn("read HAProxy's configuration", "err", err)
		return false
	}

	shape := Shape(text)
	loaded, err := os.ReadFile(d.Loaded)

	// A process with other servers than the file's needs a reload, whatever the note says.
	if slices.Equal(Slots(text), names(servers)) {
		if err != nil {
			// There is no note: the agent started it from this file just now.
			d.note(shape)
			return false
		}

		if string(loaded) == shape {
			return false
		}
	}

	if time.Since(d.reloaded) < d.Times.ReloadEvery {
		return false
	}

	d.reloaded = time.Now()

	if err := d.Unit.Reload(ctx); err != nil {
		d.Log.Warn("reload HAProxy", "err", err)
		return false
	}

	d.Count(CountedReload)
	d.Log.Info("reloaded HAProxy", "slots", Slots(text))
	d.note(shape)

	return true
}

func (d *Driver) note(shape string) {
	if _, err := file.Write(d.Loaded, []byte(shape), file.Options{Mode: 0o600}); err != nil {
		d.Log.Warn("note HAProxy's configuration", "err", err)
	}
}

// reported returns the status that was reported last.
func (d *Driver) reported() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.status
}

// report tells of a status that is new.
func (d *Driver) report(status Status) {
	d.mu.Lock()
	defer d.mu.Unlock()

	if d.draining {
		status.State = StateDraining
		status.Healthy = false
		status.Reason = "draining"
	}

	if status == d.status {
		return
	}

	d.status = status
	d.Report(status)
}

// Drain makes the proxy say that it is not healthy, so that its clients go elsewhere, and returns when they have.
func (d *Driver) Drain(ctx context.Context, notice time.Duration) error {
	d.mu.Lock()
	d.draining = true
	status := d.status
	d.mu.Unlock()

	d.report(status)

	// Clients go elsewhere only after their health checks have failed.
	if !pause.For(ctx, max(notice, d.Times.Notice)) {
		return ctx.Err()
	}

	for {
		sessions, err := d.Runtime.Sessions(ctx)
		if err != nil || sessions == 0 {
			// A process that does not answer has no clients to wait for.
			return nil
		}

		if !pause.For(ctx, d.Times.Tick) {
			return fmt.Errorf("drain the proxy: %d connections are still open: %w", sessions, ctx.Err())
		}
	}
}
