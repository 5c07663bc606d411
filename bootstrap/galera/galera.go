// Package galera owns the database node's life: it looks at the server, the data directory and the peer set, decides
// purely (Decide, Writer), and acts dully: start, bootstrap, join, stop. A bootstrap is written to the store
// before it is acted on, and only ever from data at a known position, when every known database node has
// spoken.
//
// It must not know how the peer set works, how configuration is rendered, or what the database is used for.
package galera

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
)

// Defaults of the times that a test shortens.
const (
	DefaultTick       = 100 * time.Millisecond
	DefaultWriterTick = 500 * time.Millisecond
	// DefaultSteady is how often a server is looked at that serves and tells by itself when something changes,
	// once nothing has changed for DefaultCalm.
	DefaultSteady    = 500 * time.Millisecond
	DefaultCalm      = 3 * time.Second
	DefaultWriterTTL = 3 * time.Second
	DefaultLeaseTTL  = 10 * time.Second
	// DefaultStall is how long a joining server may show no moving byte before it is started anew.
	DefaultStall = 10 * time.Minute
	// DefaultForlorn is how long a joining server may wait while the peer set has a quorum and knows of no
	// primary component: longer than Galera takes to form the last one again when all its members are there.
	DefaultForlorn = 10 * time.Second
	// DefaultInvite is how long a new cluster waits, before anything is written in it, for a node that it
	// invited, and for one in the peer set that has not said yet what it holds; half as long for one that has
	// not come to the peer set.
	DefaultInvite = 4 * time.Second
	// DefaultSeqnoEvery is how often a serving node refreshes the seqno that it reports: each report wakes
	// every watcher.
	DefaultSeqnoEvery = 30 * time.Second
	DefaultBackoff    = 2 * time.Second
	// DefaultGrace is how long a unit may look stopped after systemd accepted its start.
	DefaultGrace = 3 * time.Second
	// DefaultPause follows a step that went wrong.
	DefaultPause = time.Second
	// DefaultOutlive is for how long at most a server that ended is believed to be in the others' views: a
	// start in the middle of their change of view can cost them the primary component. Galera gives up on it
	// after evs.inactive_timeout, three seconds.
	DefaultOutlive = 5 * time.Second
	// DefaultYield is how long a writer that gives its state stays the writer: an incremental transfer is over
	// by then, and moving the writer would cost more than the wait.
	DefaultYield = 1500 * time.Millisecond
	// DefaultParting is how long a node that gives its work up waits at most for the proxies to send their
	// writes elsewhere.
	DefaultParting = 5 * time.Second
	// DefaultUnreadable is for how long recoveries must fail, for a reason that does not pass by itself, before
	// the data counts as unreadable.
	DefaultUnreadable = 15 * time.Minute
	maxBackoff        = time.Minute
)

// Times are the driver's times; the zero value means the defaults.
type Times struct {
	Tick, WriterTick, WriterTTL, LeaseTTL, Stall, Forlorn, Invite, SeqnoEvery, Backoff, Grace, Pause, Outlive, Yield, Parting, Unreadable, Steady, Calm time.Duration
	// Settle scales how long a decision must stand; 0 means 1.
	Settle float64
}

// Config is what a driver needs.
type Config struct {
	Node        string
	Incarnation int
	Founder     bool
	Issued      time.Time // when the node's document was made: the newest has the passwords that count
	Address     string    // in the VPC
	Expected    []string  // database nodes that the stack is to have
	Set         peerset.Set
	Unit        Unit
	Database    Database
	Data        Data
	ClusterFile string // where the server reads the cluster's addresses
	GrantsFile  string // users and grants; "" for none
	// Told gets word when the server's state or view may be another; nil when nobody tells, and then it is
	// looked at every Tick.
	Told   <-chan struct{}
	Report func(Status)
	Log    *slog.Logger
	Times  Times
}

// Driver runs a database node.
type Driver struct {
	Config
	kick pause.Bell
	seen pause.Bell // the server's view of the cluster or the node's word is another: the writer may have to move

	mu      sync.Mutex
	local   Local
	leave   time.Time // when the node was told to give its work up; zero while it was not
	status  Status
	quorate bool // the peer set had a quorum under this agent
	blinded bool
	drained chan struct{}

	// Only the loop touches these.
	settling  Action
	settled   time.Time
	retryAt   time.Time
	seqnoTime time.Time
	seqno     int64
	freeTime  time.Time
	free      string
	tried     time.Time // the last attempt to get a turn to join
	stopping  time.Time // the last request to stop
	lasting   lasting
	disowned  bool
	compared  compared
	regrantAt time.Time  // before that users and grants are not tried again
	found     *following // a server on its way that this agent did not start
	around    circumstances
	evicted   map[string]string // the last member that was shut out, by node
	attention attention
}

// New makes a driver. Run runs it.
func New(config Config) *Driver {
	t := &config.Times
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{{
		value:    &t.Tick,
		fallback: DefaultTick,
	}, {
		value:    &t.WriterTick,
		fallback: DefaultWriterTick,
	}, {
		value:    &t.WriterTTL,
		fallback: DefaultWriterTTL,
	}, {
		value:    &t.LeaseTTL,
		fallback: DefaultLeaseTTL,
	},
		{
			value:    &t.Stall,
			fallback: DefaultStall,
		}, {
			value:    &t.Forlorn,
			fallback: DefaultForlorn,
		}, {
			value:    &t.Invite,
			fallback: DefaultInvite,
		}, {
			value:    &t.SeqnoEvery,
			fallback: DefaultSeqnoEvery,
		}, {
			value:    &t.Backoff,
			fallback: DefaultBackoff,
		},
		{
			value:    &t.Grace,
			fallback: DefaultGrace,
		}, {
			value:    &t.Pause,
			fallback: DefaultPause,
		}, {
			value:    &t.Outlive,
			fallback: DefaultOutlive,
		}, {
			value:    &t.Yield,
			fallback: DefaultYield,
		}, {
			value:    &t.Parting,
			fallback: DefaultParting,
		}, {
			value:    &t.Unreadable,
			fallback: DefaultUnreadable,
		},
		{&t.Steady, DefaultSteady}, {&t.Calm, DefaultCalm}} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}

	if t.Settle == 0 {
		t.Settle = 1
	}

	return &Driver{
		Config:  config,
		kick:    pause.NewBell(),
		seen:    pause.NewBell(),
		drained: make(chan struct{}),
		evicted: map[string]string{},
	}
}

// Run drives the node until ctx ends. The server goes on without its driver.
func (d *Driver) Run(ctx context.Context) error {
	var writer sync.WaitGroup
	writer.Go(func() { d.keepWriter(ctx) })
	defer writer.Wait()

	for ctx.Err() == nil {
		changed := d.Set.Changed()

		if err := d.step(ctx); err != nil && ctx.Err() == nil {
			d.Log.Warn("drive the database node", "err", err)
			pause.For(ctx, d.Times.Pause)
		}

		select {
		case <-ctx.Done():
		case <-changed:
		case <-d.kick:
		case <-d.Told:
			d.attention.hear()
		case member := <-d.Database.Ended():
			d.bury(member)
		case <-time.After(d.rest()):
		}
	}

	return nil
}

// Drain makes the node give its work up: another takes the writes, then the server stops. It returns when it has.
func (d *Driver) Drain(ctx context.Context) error {
	d.mu.Lock()
	if d.leave.IsZero() {
		d.leave = time.Now()
	}

	d.mu.Unlock()
	d.kick.Ring()

	select {
	case <-d.drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("drain the database node: %s: %w", d.Status().Reason, ctx.Err())
	}
}

// Status returns what the node last said of itself.
func (d *Driver) Status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.status
}

func (d *Driver) step(ctx context.Context) error {
	if err := d.look(ctx); err != nil {
		// An agent that was stopped has learned nothing: what it last said still holds.
		if ctx.Err() != nil {
			return err
		}

		in := d.input()
		d.tell(in, Decide(in)) // what it last said holds no longer

		return err
	}

	in := d.notice(d.input())
	d.rememberGone(in)
	d.shutOut(ctx, in)

	action := Decide(in)
	d.tell(in, action)

	if action.Kind != Watch {
		d.found = nil
	}

	if !d.stands(action) {
		return nil
	}

	return d.act(ctx, in, action)
}

// stands tells whether an action has been the decision for long enough.
func (d *Driver) stands(action Action) bool {
	now := time.Now()
	if d.settling.Kind != action.Kind ||
		d.settling.Wipe != action.Wipe ||
		d.settling.Settle != action.Settle ||
		d.settling.Position != action.Position ||
		!maps.Equal(d.settling.Evidence, action.Evidence) {
		d.settling, d.settled = action, now
	}

	return now.Sub(d.settled) >= time.Duration(float64(action.Settle)*d.Times.Settle)
}

func (d *Driver) input() Input {
	snapshot := d.Set.Snapshot()
	d.mu.Lock()
	defer d.mu.Unlock()

	d.quorate = d.quorate || snapshot.Quorum
	d.blinded = d.blinded || (d.local.Served || d.quorate) && !snapshot.Quorum

	return Input{
		Node:        d.Node,
		Incarnation: d.Incarnation,
		Founder:     d.Founder,
		Expected:    d.Expected,
		Local:       d.local,
		Peers:       snapshot,
		Leave:       !d.leave.IsZero(),
		Parting:     time.Since(d.leave) < d.Times.Parting,
		JustEnded: time.Since(
			d.local.Ended,
		) < d.Times.Outlive,
		BackingOff: time.Now().Before(d.retryAt),
		Blinded:    d.blinded,
	}
}

// look finds out what the server and the data directory are like.
func (d *Driver) look(ctx context.Context) error {
	local := d.known()
	before := local
	d.measure(&local)

	gone, unread := d.Data.Disowned(d.Incarnation)
	if unread == nil {
		local.Gone = gone
	}

	wsrep, err := d.Database.Probe(ctx)
	if err == nil {
		local.Process = ProcessRunning
		local.Wsrep = wsrep
		local.Served = true
		local.Member, local.Ended = wsrep.Member, time.Time{}

		if before.Process != ProcessRunning || !wsrep.likeBefore(before.Wsrep) {
			d.attention.see(d.Times.Calm)
		}

		local.Synced = wsrep.synced() || local.Synced && wsrep.primary()
		d.remember(local)

		return nil
	}

	local.Wsrep = Wsrep{}
	d.attention.stirred = time.Now()
	local.Process, err = d.Unit.State(ctx)

	// Questions that the agent itself broke off say nothing of the server: an agent that is stopped in the middle
	// of a probe would leave its peers the word that its server does not answer.
	if ctx.Err() != nil {
		return fmt.Errorf("look at the server: %w", context.Cause(ctx))
	}

	if err != nil {
		local.Process, local.Synced = ProcessUnseen, false
		d.remember(local)
		return err
	}

	if local.Process == ProcessStarting && local.Served && time.Since(local.Ended) < d.Times.Outlive {
		local.Process = ProcessStopping // systemd has not noticed yet
	}

	down := local.Process == ProcessStopped || local.Process == ProcessFailed
	local.Served, local.Synced = local.Served && !down, local.Synced && !down

	if down {
		local.ended()
		d.inspect(&local, unread)
	}

	d.remember(local)

	return nil
}

// inspect reads the data directory anew at every look: it is cheap, and between two looks a wipe may have
// broken off or an operator may have emptied it. What cannot be read is evidence of nothing.
func (d *Driver) inspect(local *Local, unread error) {
	content, position, err := d.Data.Inspect()
	err = cmp.Or(unread, err)
	local.Content = content
	local.Position = position
	local.Seed = ""
	local.Unseen = ""

	if err == nil && content == ContentPristine {
		local.Seed, err = d.Data.Seed()
	}

	switch {
	case err != nil:
		local.Content, local.Position, local.Unseen = "", Position{}, err.Error()
	case content == ContentCrashed && d.unreadable():
		local.Content = ContentUnreadable
	case content != ContentCrashed:
		d.lasting, local.Unread = lasting{}, 0
	}
}

func (d *Driver) known() Local {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.local
}

func (d *Driver) remember(local Local) {
	d.mu.Lock()
	moved := !slices.Equal(d.local.Wsrep.Incoming, local.Wsrep.Incoming) ||
		d.local.Wsrep.synced() != local.Wsrep.synced()
	d.local = local
	d.mu.Unlock()

	if moved {
		d.seen.Ring()
	}
}

func (d *Driver) update(change func(*Local)) {
	d.mu.Lock()
	change(&d.local)
	d.mu.Unlock()
}

// tell reports the node's status when it differs, and logs each transition.
func (d *Driver) tell(in Input, action Action) {
	status := Status{
		State:   action.State,
		Reason:  action.Reason,
		Healthy: Healthy(in, action.State),
		Facts:   d.facts(in, action),
	}

	d.mu.Lock()
	same := d.status.State == status.State &&
		d.status.Reason == status.Reason &&
		d.status.Healthy == status.Healthy &&
		maps.Equal(d.status.Facts, status.Facts)

	before := d.status.State
	d.status = status
	d.mu.Unlock()

	if same {
		return
	}

	d.seen.Ring()

	if before != status.State {
		d.Log.Info("database node changes state",
			"from", before,
			"to", status.State,
			"reason", status.Reason,
		)
	}

	if in.Leave &&
		status.State == StateStopped &&
		(in.Local.Process == ProcessStopped || in.Local.Process == ProcessFailed) {
		d.mu.Lock()
		select {
		case <-d.drained:
		default:
			close(d.drained)
		}

		d.mu.Unlock()
	}

	d.Report(status)
}

func (d *Driver) facts(in Input, action Action) map[string]string {
	kind, position := in.Local.evidence()
	facts := map[string]string{
		FactAddress:  d.Address,
		FactEvidence: string(kind),
	}
	// A node about to start has no evidence to give any more: what it holds may change any moment.
	if action.Kind == Bootstrap || action.Kind == Join {
		delete(facts, FactEvidence)
		if action.Settle > 0 {
			facts[FactEvidence] = string(kind)
		}
	}

	if in.Leave {
		facts[FactLeaving] = "yes"
	}

	if in.Local.Space.Total > 0 {
		facts[FactFree] = d.reportedFree(in.Local.Space)
	}

	if in.Local.Short {
		facts[FactShort] = "yes"
	}

	if in.Local.Seed != "" {
		facts[FactSeed] = in.Local.Seed
	}

	if in.Local.Unread > 0 {
		facts[FactReason] = "its data cannot be read: " + short(in.Local.Trouble)
	}

	if position.Named() {
		facts[FactUUID] = position.UUID
		facts[FactSeqno] = strconv.FormatInt(d.reportedSeqno(kind, position.Seqno), 10)
	}

	if !in.Local.Ended.IsZero() {
		facts[FactEnded] = in.Local.Member
	}

	if in.Local.Process == ProcessRunning {
		w := in.Local.Wsrep
		if len(w.Incoming) > 0 {
			facts[FactView] = strings.Join(w.Incoming, " ")
		}

		facts[FactClusterStatus], facts[FactSize], facts[FactState] = w.ClusterStatus, strconv.Itoa(w.Size), strconv.Itoa(w.LocalState)

		if w.Arbiters > 0 {
			facts[FactArbiters] = strconv.Itoa(w.Arbiters)
		}
	}

	return facts
}

// short keeps what goes to every peer small; the node's own status has the whole.
func short(text string) string {
	const most = 160
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}

	return string(runes[:most]) + "..."
}

func (d *Driver) reportedSeqno(kind Evidence, seqno int64) int64 {
	if now := time.Now(); kind != EvidenceNone || now.Sub(d.seqnoTime) >= d.Times.SeqnoEvery {
		d.seqno, d.seqnoTime = seqno, now
	}

	return d.seqno
}

// errNotOurs says that somebody else's turn it is.
var errNotOurs = errors.New("another node holds the lease")
