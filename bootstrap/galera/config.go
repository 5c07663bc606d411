package galera

import (
	"log/slog"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
)

// Defaults of the times that a test shortens.
const (
	DefaultTick       = 100 * time.Millisecond
	DefaultWriterTick = 500 * time.Millisecond
	// DefaultIdlePoll is how often the driver looks at a server that serves and reports changes by itself, once
	// nothing has changed for DefaultIdleAfter.
	DefaultIdlePoll  = 500 * time.Millisecond
	DefaultIdleAfter = 3 * time.Second
	DefaultWriterTTL = 3 * time.Second
	DefaultLeaseTTL  = 10 * time.Second
	// DefaultStall is how long a joining server may show no moving byte before it is started anew.
	DefaultStall = 10 * time.Minute
	// DefaultNoPrimary is how long a joining server may wait while the peer set has a quorum and knows of no primary
	// component. Galera takes less to form the last one again when all its members are there.
	DefaultNoPrimary = 10 * time.Second
	// DefaultInvite is how long a new cluster waits, before anything is written in it, for a node that it invited, and
	// for one in the peer set that has not said yet what it holds. For one that has not come to the peer set it waits
	// half as long.
	DefaultInvite = 4 * time.Second
	// DefaultSeqnoEvery is how often a serving node refreshes the seqno that it reports: each report wakes every
	// watcher.
	DefaultSeqnoEvery = 30 * time.Second
	DefaultBackoff    = 2 * time.Second
	// DefaultGrace is how long a unit may look stopped after systemd accepted its start.
	DefaultGrace = 3 * time.Second
	// DefaultPause follows a step that went wrong.
	DefaultPause = time.Second
	// DefaultViewTimeout is how long at most a server that ended is believed to be in the others' views. A start in
	// the middle of their change of view can cost them the primary component. Galera gives up on the server after
	// evs.inactive_timeout, three seconds.
	DefaultViewTimeout = 5 * time.Second
	// DefaultYield is how long a writer that gives its state stays the writer. An incremental transfer is over by then,
	// and moving the writer would cost more than the wait.
	DefaultYield = 1500 * time.Millisecond
	// DefaultDrainGrace is how long a node that leaves waits at most for the proxies to send their writes elsewhere.
	DefaultDrainGrace = 5 * time.Second
	// DefaultUnreadable is how long recoveries must fail, for a reason that does not pass by itself, before the data
	// counts as unreadable.
	DefaultUnreadable = 15 * time.Minute

	// DefaultStranger is how long Galera's view may have a member that the peer set does not know: one that was
	// replaced leaves within seconds.
	DefaultStranger = 30 * time.Second

	maxBackoff = time.Minute
)

// Times are the driver's times; zero means the default.
type Times struct {
	Tick        time.Duration
	WriterTick  time.Duration
	WriterTTL   time.Duration
	LeaseTTL    time.Duration
	Stall       time.Duration
	NoPrimary   time.Duration
	Invite      time.Duration
	SeqnoEvery  time.Duration
	Backoff     time.Duration
	Grace       time.Duration
	Pause       time.Duration
	ViewTimeout time.Duration
	Yield       time.Duration
	DrainGrace  time.Duration
	Unreadable  time.Duration
	IdlePoll    time.Duration
	IdleAfter   time.Duration
	Stranger    time.Duration

	// DelayScale scales the delays of decisions; 0 means 1.
	DelayScale float64
}

func (t Times) withDefaults() Times {
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&t.Tick, DefaultTick},
		{&t.WriterTick, DefaultWriterTick},
		{&t.WriterTTL, DefaultWriterTTL},
		{&t.LeaseTTL, DefaultLeaseTTL},
		{&t.Stall, DefaultStall},
		{&t.NoPrimary, DefaultNoPrimary},
		{&t.Invite, DefaultInvite},
		{&t.SeqnoEvery, DefaultSeqnoEvery},
		{&t.Backoff, DefaultBackoff},
		{&t.Grace, DefaultGrace},
		{&t.Pause, DefaultPause},
		{&t.ViewTimeout, DefaultViewTimeout},
		{&t.Yield, DefaultYield},
		{&t.DrainGrace, DefaultDrainGrace},
		{&t.Unreadable, DefaultUnreadable},
		{&t.IdlePoll, DefaultIdlePoll},
		{&t.IdleAfter, DefaultIdleAfter},
		{&t.Stranger, DefaultStranger},
	} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}

	if t.DelayScale == 0 {
		t.DelayScale = 1
	}

	return t
}

// Config is what a driver needs.
type Config struct {
	Node        string
	Role        string   // whose peers are the database nodes: the node's own
	Arbitrators []string // roles whose peers are arbitrators
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
	// Notified gets word when the server's state or view may be another. It is nil when nobody tells: then the driver
	// looks at the server every Tick.
	Notified <-chan struct{}
	Report   func(Status)
	Log      *slog.Logger
	Times    Times
}

// New makes a driver. Run runs it.
func New(config Config) *Driver {
	config.Times = config.Times.withDefaults()

	return &Driver{
		Config: config,
		gate: gate{
			database: config.Database,
			grace:    config.Times.DrainGrace,
		},
		wake:    pause.NewBell(),
		seen:    pause.NewBell(),
		drained: make(chan struct{}),
		evicted: map[string]string{},
	}
}
