// Package reservedip keeps a stack's reserved IP with one node of a role: the holder of the role's lease. Who
// holds the lease is decided by the peer set (Wants); the holder assigns the address to its own Droplet through
// DigitalOcean's API when it is not there (Next), and looks in the metadata service whether it is. Without the
// lease nobody moves anything.
//
// DigitalOcean knows no epochs, so a call cannot be refused for being late. Right before the one call that changes
// something the lease is renewed, at the epoch that it was taken with, and the call must be over before another
// may take it.
//
// It must not know what is served at the address, user-data, or HTTP.
package reservedip

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/cloud"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
)

// Defaults of the times that a test shortens.
const (
	// DefaultTTL is for how long a holder may be silent: the most of what a dead holder costs.
	DefaultTTL       = 4 * time.Second
	DefaultTick      = 500 * time.Millisecond
	DefaultGrace     = 2 * time.Second
	DefaultCooldown  = 15 * time.Second
	DefaultLookEvery = time.Minute
	DefaultFresh     = time.Second
	DefaultRetry     = time.Second
	// DefaultLongestRetry bounds the pauses between calls that fail; what the API itself asks for may be longer.
	DefaultLongestRetry = 30 * time.Second
	DefaultCall         = 10 * time.Second
	DefaultHandOver     = 8 * time.Second
)

// Times are the keeper's times; the zero value means the defaults.
type Times struct {
	TTL          time.Duration // of the lease
	Tick         time.Duration // between two steps
	Grace        time.Duration // for how long a holder may be unfit before it gives the lease up
	Cooldown     time.Duration // between two changes by one node, and before who gave the lease up may take it again
	LookEvery    time.Duration // between two looks at an address that is where it is to be
	Fresh        time.Duration // for how long a look is good enough to change something
	Retry        time.Duration // after a call that failed, and twice as long after each one more
	LongestRetry time.Duration
	Call         time.Duration // that one call may take
	HandOver     time.Duration // for how long a node that leaves waits until another has the address
}

func (t *Times) defaults() {
	fallbacks := map[*time.Duration]time.Duration{
		&t.TTL:          DefaultTTL,
		&t.Tick:         DefaultTick,
		&t.Grace:        DefaultGrace,
		&t.Cooldown:     DefaultCooldown,
		&t.LookEvery:    DefaultLookEvery,
		&t.Fresh:        DefaultFresh,
		&t.Retry:        DefaultRetry,
		&t.LongestRetry: DefaultLongestRetry,
		&t.Call:         DefaultCall,
		&t.HandOver:     DefaultHandOver,
	}

	for value, fallback := range fallbacks {
		if *value == 0 {
			*value = fallback
		}
	}
}

// API is DigitalOcean, as far as one reserved IP goes.
type API interface {
	Holder(ctx context.Context) (droplet int, locked bool, err error)
	Assign(ctx context.Context, droplet int) (cloud.Action, error)
	Follow(ctx context.Context, action int) (cloud.Action, error)
	Broad(ctx context.Context) (bool, error)
}

// Metadata tells which reserved IP reaches this Droplet.
type Metadata interface {
	Active(ctx context.Context) (string, error)
}

// Set is the part of the peer set that the keeper uses.
type Set interface {
	Snapshot() peerset.Snapshot
	Changed() <-chan struct{}
	Hold(ctx context.Context, lease string, ttl time.Duration) (peerset.Lease, bool, error)
	Release(ctx context.Context, lease peerset.Lease) error
}

// Config is what a keeper needs.
type Config struct {
	Node     string
	Role     string
	Droplet  int
	Address  string
	Set      Set
	API      API
	Metadata Metadata
	Health   func() (healthy, leaving bool) // how the node is now
	Note     func(text string)              // adds an event about this node
	Changed  func()                         // told when the node's fact is another
	Count    func(result string)            // told of each change of the address that ended: ok, failed
	Log      *slog.Logger
	Times    Times
}

// Status is what a keeper says of itself.
type Status struct {
	Address string
	Holds   bool   // this node holds the lease
	Active  bool   // the address reaches this node
	Problem string // why the address is not where it is to be; empty when nothing is wrong
	Warning string // about the token
}

// Keeper is one node's part in keeping the address.
type Keeper struct {
	Config
	lease string
	taken pause.Bell // the lease was taken: look after the address at once

	mu      sync.Mutex
	held    peerset.Lease // the zero value: none
	until   time.Time     // when another may take it
	since   time.Time     // when it was taken
	unable  bool
	gave    bool
	left    bool // Leave was called
	active  bool
	problem string
	warning string
	fit     bool
	steady  time.Time // when that changed

	why string // of the last decision about the lease; only its loop touches it

	// Only the loop of the address touches these.
	look     Look
	action   int
	under    int64 // the epoch that it was begun at
	assigned time.Time
	retry    time.Time
	failures int
	stuck    bool      // the last assignment failed
	asked    time.Time // the metadata service
	watched  bool      // it has answered
	checked  bool      // whether the token can do more than it should
}

// New makes a keeper. Run runs it.
func New(config Config) *Keeper {
	config.Times.defaults()

	return &Keeper{
		Config: config,
		lease:  peerset.ReservedIPLease(config.Role),
		taken:  pause.NewBell(),
		steady: time.Now(),
	}
}

// Run keeps the address until ctx ends. It stays where it is then.
func (k *Keeper) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()

	work.Go(func() { k.keepLease(ctx) })
	k.keepAddress(ctx)

	return nil
}

// Status is how it is now.
func (k *Keeper) Status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()

	return Status{
		Address: k.Address,
		Holds:   k.holds(time.Now()),
		Active:  k.active,
		Problem: k.problem,
		Warning: k.warning,
	}
}

// Fact is what the peers are to know: peerset.ReservedIPActive, peerset.ReservedIPUnable or "".
func (k *Keeper) Fact() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fact()
}

func (k *Keeper) fact() string {
	switch {
	case k.unable && !k.active:
		return peerset.ReservedIPUnable
	case k.active:
		return peerset.ReservedIPActive
	}

	return ""
}

// holds tells whether the lease is this node's for certain, and to be used. The caller holds the mutex.
func (k *Keeper) holds(now time.Time) bool {
	return k.held.Epoch != 0 && !k.left && now.Before(k.until)
}

// change changes what others see, and tells them when the fact is another.
func (k *Keeper) change(what func()) {
	k.mu.Lock()
	before := k.fact()
	what()

	after := k.fact()
	k.mu.Unlock()

	// The callback comes after the mutex is free: it may read the fact.
	if before != after {
		k.Changed()
	}
}
