package bootstrap

import (
	"cmp"
	"context"
	"crypto/tls"
	"io/fs"
	"log/slog"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/bootstrap/reservedip"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/metrics"
	"github.com/hornero/hornero/internal/systemd"
)

// DefaultPKI is where a node's certificate, key and authority are: in memory, written anew at each boot.
const DefaultPKI = "/run/hornero/pki"

// Places on a node; a test has its own.
const (
	defaultState    = "/var/lib/hornero"
	defaultVolatile = "/run/hornero/files"
	defaultTrial    = "/run/hornero/check"
)

// Defaults, which a test shortens.
const (
	DefaultHeartbeat = time.Second
	DefaultRetry     = 500 * time.Millisecond
	checkTimeout     = 5 * time.Second
)

// Member opens this node's part of consensus. Its adapter is bootstrap/peers.
type Member interface {
	peerset.Registry
	Close(ctx context.Context) error
}

// Opening is what a member needs to found, join or come back.
type Opening struct {
	Node    cloudinit.Node
	Rights  peerset.Rights
	Address string
	Join    []string // members' addresses; none to found or to come back
	Era     int      // of the peer set that is joined
	TLS     *tls.Config
	Tell    func() // to be called after each change that this member made
	Refused func(peerset.Refusal)
	// Pass gives heartbeats, by name and incarnation, to the agent at another member's address.
	Pass func(ctx context.Context, member string, beats map[string]int) error
	// Shun names the nodes that are not to lead consensus while another can.
	Shun func(peerset.Snapshot) []string
}

// Config is what an agent needs. The zero value of a path means its place on a node.
type Config struct {
	Metadata string // base URL of the metadata service
	UserData string // a file to read instead of asking any source
	State    string // the agent's own folder, 0700
	PKI      string // where the node's certificate is left for services
	Volatile string // where the files of templates lie that are to be on no disk
	Trial    string // where a new text is checked before it takes a file's place
	Roles    fs.FS  // role folders, as baked
	Release  string // as baked
	Drivers  Drivers
	// Open founds, joins or comes back to consensus.
	Open func(ctx context.Context, opening Opening) (Member, error)
	// SetAside puts this node's part of consensus out of the way: the peer set was rebuilt without it.
	SetAside  func() error
	Systemctl systemd.Ctl // nil means the real one
	Image     Image       // what the node runs on; nil when that is no image, and then nothing is held to one
	// Walls puts rules about who may reach the node in force, and tells without any by an error that none are. Its
	// adapter is bootstrap/walls; nil: everybody may.
	Walls func(ctx context.Context, rules string) error
	// Busy counts the connections at these ports on which something is being answered; nil: a drain waits for none. Its
	// adapter is internal/sockets.
	Busy func(ctx context.Context, ports []int) (int, error)
	// Known tells whether this node was in consensus before.
	Known     func() bool
	Metrics   *metrics.Registry // nil means one of the agent's own
	Version   string            // of the bootstrap
	Log       *slog.Logger
	Heartbeat time.Duration
	Retry     time.Duration
	Times     ImageTimes
	// ReservedIP are the times of keeping the stack's reserved IP.
	ReservedIP reservedip.Times
	// LookAround is how often a member looks whether the peer set goes on without it.
	LookAround time.Duration
	TaskTTL    time.Duration
	// FoundWithin is for how long after it was made a document lets its node found the peer set.
	FoundWithin time.Duration
	// FoundAfter is for how long a node that may found hears nothing of the one that went first, before it founds.
	FoundAfter time.Duration
	// SweepPause is between a node's first two sweeps of its subnet.
	SweepPause time.Duration
	// ReloadPause is between two rounds of units' reloads, at least.
	ReloadPause time.Duration
}

// complete fills in what was left to the defaults.
func (c *Config) complete() {
	c.State = cmp.Or(c.State, defaultState)
	c.PKI = cmp.Or(c.PKI, DefaultPKI)
	c.Volatile = cmp.Or(c.Volatile, defaultVolatile)
	c.Trial = cmp.Or(c.Trial, defaultTrial)

	c.Heartbeat = cmp.Or(c.Heartbeat, DefaultHeartbeat)
	c.Retry = cmp.Or(c.Retry, DefaultRetry)
	c.LookAround = cmp.Or(c.LookAround, DefaultLookAround)
	c.TaskTTL = cmp.Or(c.TaskTTL, DefaultTaskTTL)
	c.FoundWithin = cmp.Or(c.FoundWithin, DefaultFoundWithin)
	c.FoundAfter = cmp.Or(c.FoundAfter, DefaultFoundAfter)
	c.SweepPause = cmp.Or(c.SweepPause, DefaultSweepPause)
	c.ReloadPause = cmp.Or(c.ReloadPause, DefaultReloadPause)
	c.Times.complete()

	if c.Systemctl == nil {
		c.Systemctl = systemd.Systemctl
	}

	if c.Metrics == nil {
		c.Metrics = &metrics.Registry{}
	}
}
