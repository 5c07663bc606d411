// Package bootstrap is the agent inside every image: user-data -> identity -> peers -> configuration -> health. It
// configures a node once, keeps its templates true to the peer set, and says how the node is. What serves traffic
// never waits for it. It must not know Packer, the fleet or the lab.
package bootstrap

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/bootstrap/reservedip"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/metrics"
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/internal/systemd"
	"github.com/hornero/hornero/roles"
)

// Phases of a node's life, in order. Refused is the end of a node whose document is not for it.
const (
	PhaseFinding     = "finding"
	PhaseJoining     = "joining"
	PhaseConfiguring = "configuring"
	PhaseServing     = "serving"
	PhaseRefused     = "refused"
)

// DefaultPKI is where a node's certificate, key and authority are: in memory, written anew at each boot.
const DefaultPKI = "/run/hornero/pki"

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
	// ReloadPause is between two rounds of units' reloads, at least.
	ReloadPause time.Duration
}

// Agent runs one node.
type Agent struct {
	Config
	start    time.Time
	news     pause.Bell // the driver said something new: have the next heartbeat sent now
	happened chan peerset.Note
	changed  pause.Bell     // this member changed the peer set: tell the others now
	work     sync.WaitGroup // what goes on beside the phases; Run ends after it
	leave    context.CancelCauseFunc
	// rejoin asks the members to let this node in once more; nil for a member.
	rejoin    func(context.Context) error
	refusedAt time.Time // rejoin, last; only keepReporting touches it
	paid      time.Time // units were paid last; only the loop that applies templates touches it

	mu       sync.Mutex
	node     cloudinit.Node
	address  string
	network  string
	origin   origin
	anchor   string // where packets for the reserved IP come in
	droplet  int
	manifest *roles.Manifest
	truth    truth
	phase    string
	reason   string
	entering bool // it is registered, and on its way into consensus
	word     Word
	web      check // the manifest's own check
	draining bool
	stranger bool      // it was never in a peer set, and founds none
	beat     time.Time // the last heartbeat was begun
	evicted  string    // why this incarnation is no longer in the peer set
	marks    map[string]float64
	set      peerset.Set
	events   peerset.Events
	recent   recent
	driver   Driver
	keeper   *reservedip.Keeper // nil where the stack's reserved IP is of no matter
	refused  refusals
	counted  counters
	applied  error // what the last round of templates said
}

// check is the manifest's health check's last result.
type check struct {
	asked  bool
	ok     bool
	reason string
}

// New makes an agent. Run runs it.
func New(config Config) *Agent {
	if config.State == "" {
		config.State = "/var/lib/hornero"
	}

	if config.PKI == "" {
		config.PKI = DefaultPKI
	}

	if config.Volatile == "" {
		config.Volatile = "/run/hornero/files"
	}

	config.Times.complete()

	if config.Trial == "" {
		config.Trial = "/run/hornero/check"
	}

	if config.Systemctl == nil {
		config.Systemctl = systemd.Systemctl
	}

	if config.Heartbeat == 0 {
		config.Heartbeat = DefaultHeartbeat
	}

	if config.LookAround == 0 {
		config.LookAround = DefaultLookAround
	}

	if config.ReloadPause == 0 {
		config.ReloadPause = DefaultReloadPause
	}

	if config.TaskTTL == 0 {
		config.TaskTTL = DefaultTaskTTL
	}

	if config.FoundWithin == 0 {
		config.FoundWithin = DefaultFoundWithin
	}

	if config.Retry == 0 {
		config.Retry = DefaultRetry
	}

	if config.Metrics == nil {
		config.Metrics = &metrics.Registry{}
	}

	a := &Agent{
		Config:  config,
		start:   time.Now(),
		news:    pause.NewBell(),
		changed: pause.NewBell(),
		happened: make(
			chan peerset.Note,
			maxNotes,
		),
		phase:  PhaseFinding,
		reason: "looking for user-data",
		marks:  map[string]float64{},
		truth:  newTruth(),
	}
	a.register()

	return a
}

// ErrRefused is a document that is not for this node: it joins nothing, and only says why.
var ErrRefused = errors.New("user-data refused")

// Run takes the node through its phases and serves until ctx ends.
func (a *Agent) Run(ctx context.Context) error {
	ctx, a.leave = context.WithCancelCause(ctx)
	a.work.Go(func() { a.keepWatched(ctx) })

	err := a.live(ctx)
	a.leave(nil)
	a.work.Wait()

	if cause := context.Cause(ctx); errors.Is(cause, ErrOutlived) {
		return errors.Join(cause, a.SetAside())
	}

	return err
}

func (a *Agent) live(ctx context.Context) error {
	for _, phase := range []struct {
		name string
		run  func(context.Context) error
	}{{PhaseFinding, a.find}, {PhaseJoining, a.join}, {PhaseConfiguring, a.configure}} {
		a.enter(phase.name, "")
		err := phase.run(ctx)

		if ctx.Err() != nil {
			return nil
		}

		if phase.name == PhaseFinding {
			// refused or not, the node says how it is
			a.work.Go(func() {
				a.again(ctx, "health", a.serveHealth)
			})
		}

		if err != nil {
			a.refuse(ctx, phase.name, err)
			return nil
		}

		a.mark(phase.name)
	}

	a.enter(PhaseServing, "")

	if err := a.serve(ctx); err != nil {
		a.refuse(ctx, PhaseServing, err)
	}

	return nil
}

// refuse keeps saying why this node does nothing.
func (a *Agent) refuse(ctx context.Context, phase string, err error) {
	a.enter(PhaseRefused, err.Error())
	a.Log.Error("node refused", "phase", phase, "err", err)
	<-ctx.Done()
}

func (a *Agent) enter(phase, reason string) {
	a.mu.Lock()
	from := a.phase
	a.phase, a.reason = phase, reason
	a.mu.Unlock()
	a.Log.Info("phase", "from", from, "to", phase, "reason", reason)
}

func (a *Agent) because(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()

	if a.reason != reason {
		a.Log.Info("waiting", "phase", a.phase, "reason", reason)
	}

	a.reason = reason
}

func (a *Agent) mark(phase string) {
	a.mu.Lock()
	defer a.mu.Unlock()

	a.marks[phase] = time.Since(a.start).Seconds()
}

// find reads user-data until there is some, and refuses what is not a document for this node.
func (a *Agent) find(ctx context.Context) error {
	found, err := a.lookUp(ctx)
	if err != nil {
		return err
	}

	node, err := cloudinit.Decode(found.Source, found.Data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}

	manifest, err := roles.Load(a.Roles, node.Role)
	if err != nil {
		return fmt.Errorf("%w: this image has no role %q: %w", ErrRefused, node.Role, err)
	}

	if _, ok := a.Drivers[manifest.Driver]; manifest.Driver != "" && !ok {
		return fmt.Errorf(
			"%w: role %s wants driver %q, which this bootstrap has not",
			ErrRefused,
			node.Role,
			manifest.Driver,
		)
	}

	a.mu.Lock()
	a.node, a.manifest = node, manifest.On(a.Release)
	a.mu.Unlock()

	a.Log.Info("document found",
		"source", found.Source,
		"stack", node.Stack,
		"node", node.Node,
		"role", node.Role,
		"incarnation", node.Incarnation,
	)

	if err := a.identify(); err != nil {
		return err
	}

	_, err = retry(ctx, a, "keep the node's certificate", func(context.Context) (struct{}, error) {
		return struct{}{}, a.keepIdentity()
	})

	return err
}

// lookUp learns the VPC address and the user-data, from the metadata service or, after a reboot without it, from what
// this node kept of its first boot.
func (a *Agent) lookUp(ctx context.Context) (cloudinit.Found, error) {
	kept, known := a.kept()
	sources := a.sources()
	droplet, err := cloudinit.Await(ctx, a.waits("ask the metadata service who this "+
		"Droplet is"), func(ctx context.Context) (cloudinit.Droplet, error) {
		droplet, err := sources.Describe(ctx)
		if err == nil {
			_, err = droplet.VPCAddress() // it may be attached a moment later
		}
		if err != nil && known {
			return kept.Droplet, nil
		}

		return droplet, err
	})
	if err != nil {
		return cloudinit.Found{}, err
	}

	address, err := droplet.VPCAddress()
	if err != nil {
		return cloudinit.Found{}, err
	}

	a.mu.Lock()
	a.address, a.network, a.anchor, a.droplet = address, network(droplet), droplet.AnchorAddress(), droplet.ID
	a.mu.Unlock()

	a.origin = origin{
		Droplet: droplet,
		First:   time.Now(),
	}
	if known && kept.Droplet.ID == droplet.ID {
		a.origin.First = kept.First
		if a.UserData == "" {
			return kept.Found, nil // user-data cannot change after a Droplet's creation
		}
	}

	found, err := cloudinit.Await(ctx, a.waits("look for user-data"), sources.Find)
	if err != nil {
		return found, err
	}

	_, err = retry(ctx, a, "keep the user-data", func(context.Context) (struct{}, error) {
		a.origin.Found = found
		return struct{}{}, a.keep(a.origin)
	})

	return found, err
}

func (a *Agent) sources() cloudinit.Sources {
	return cloudinit.Sources{
		Metadata: a.Metadata,
		File:     a.UserData,
	}
}

// waits says what this node waits for and why.
func (a *Agent) waits(what string) func(error) {
	return func(err error) {
		a.because(what + ": " + err.Error())
	}
}

// retry tries until it succeeds or ctx ends, saying what it waits for.
func retry[T any](ctx context.Context, a *Agent, what string, try func(context.Context) (T, error)) (T, error) {
	for {
		value, err := try(ctx)
		if err == nil {
			return value, nil
		}

		a.waits(what)(err)

		select {
		case <-ctx.Done():
			return value, ctx.Err()
		case <-time.After(a.Retry):
		}
	}
}

func (a *Agent) self() peerset.Identity {
	return peerset.Identity{
		Name:        a.node.Node,
		Role:        a.node.Role,
		Incarnation: a.node.Incarnation,
	}
}

// join founds, joins or comes back to the peer set.
func (a *Agent) join(ctx context.Context) error {
	config, err := a.memberTLS()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}

	remembered := recall(filepath.Join(a.State, snapshotFile))
	client := api.NewClient(config, a.address, roles.AgentPort, a.candidates(remembered))
	a.mu.Lock()
	a.stranger = remembered.Founded == "" && !a.node.Found && !a.Known()
	a.mu.Unlock()

	set, err := a.enterSet(ctx, config, client, remembered)
	if err != nil {
		return err
	}

	a.mu.Lock()
	a.set = set
	a.mu.Unlock()
	a.work.Go(func() { a.remember(ctx, set) })
	a.work.Go(func() { a.keepNoting(ctx) })

	if a.manifest.Peers == roles.Member { // there are enough of them
		a.work.Go(func() { a.keepRecent(ctx) })
	}

	return nil
}

func (a *Agent) enterSet(
	ctx context.Context,
	config *tls.Config,
	client *api.Client,
	remembered peerset.Snapshot,
) (peerset.Set, error) {
	if a.manifest.Peers != roles.Member {
		if remembered.Founded == "" {
			welcome, err := a.ask(ctx, client, "ask to join the peer set")
			if err != nil {
				return nil, err
			}

			remembered = welcome.Snapshot
		}

		a.rejoin = func(ctx context.Context) error {
			_, err := client.Join(ctx, a.joining())
			return err
		}

		watcher := api.Watch(ctx, client, remembered, a.Log)
		a.setEvents(watcher)

		return withMemory(watcher, remembered), nil
	}

	welcome, err := a.way(ctx, client, remembered.Founded)
	if err != nil {
		return nil, err
	}

	if len(welcome.Members) > 0 {
		return withMemory(a.enterBeside(ctx, config, client, remembered, welcome), remembered), nil
	}

	member, err := a.openMember(ctx, config, client, remembered, welcome)
	if err != nil {
		return nil, err
	}

	a.setEvents(peerset.BindEvents(member, a.self()))

	return withMemory(peerset.Bind(member, a.self()), remembered), nil
}

// openMember makes this node a member of consensus, by the way in that it was told.
func (a *Agent) openMember(
	ctx context.Context,
	config *tls.Config,
	client *api.Client,
	remembered peerset.Snapshot,
	welcome peerset.Welcome,
) (Member, error) {
	var refused error
	again := false
	member, err := retry(ctx, a, "join the peer set", func(ctx context.Context) (Member, error) {
		if again { // meanwhile the members may be others, or in another era
			var err error
			if welcome, err = a.way(ctx, client, remembered.Founded); err != nil {
				refused = err
				return nil, nil
			}
		}

		again = true
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()

		return a.Open(ctx, Opening{
			Node:    a.node,
			Address: a.address,
			Join:    welcome.Members,
			Era:     welcome.Snapshot.Era(),
			TLS:     config,
			Tell:    a.changed.Ring,
			Refused: a.refuseStranger,
			Pass:    client.Beats,
			Shun:    writer,
		})
	})
	if err := errors.Join(refused, err); err != nil {
		return nil, err
	}

	a.work.Go(func() {
		a.again(ctx, "the agents' API", func(ctx context.Context) error {
			return a.serveAPI(ctx, member)
		})
	})

	a.work.Go(func() {
		a.keepTelling(ctx, client, member)
	})
	a.work.Go(func() {
		a.watchEra(ctx, client, member, remembered)
	})

	a.work.Go(func() {
		<-ctx.Done()
		a.close(member, context.Cause(ctx))
	})

	return member, a.admitSelf(ctx, member, remembered)
}

// way tells through whom to join: nobody for the founder of what was never founded and for a member that comes back.
func (a *Agent) way(ctx context.Context, client *api.Client, founded string) (peerset.Welcome, error) {
	founds, otherwise := a.founds()
	if a.Known() || founds && founded == "" {
		return peerset.Welcome{}, nil
	}
	if a.node.Found {
		stop, err := a.hear(ctx, client)
		if err != nil {
			return peerset.Welcome{}, err
		}
		defer stop()
	}

	return a.ask(ctx, client, cmp.Or(otherwise, "ask to join the peer set"))
}

// ask asks the known members to let this node in, until one does or refuses for good.
func (a *Agent) ask(ctx context.Context, client *api.Client, what string) (peerset.Welcome, error) {
	var final error
	welcome, err := retry(ctx, a, what, func(ctx context.Context) (peerset.Welcome, error) {
		welcome, err := client.Join(ctx, a.joining())
		if errors.Is(err, peerset.ErrEvicted) || errors.Is(err, peerset.ErrForbidden) {
			final = fmt.Errorf("%w: %w", ErrRefused, err)
			return welcome, nil
		}

		return welcome, err
	})

	return welcome, errors.Join(final, err)
}

func (a *Agent) joining() peerset.Join {
	return peerset.Join{
		Identity: a.self(),
		Address:  a.address,
		Kind:     a.manifest.Peers,
	}
}

// admitSelf registers a founder. A member that comes back may have no quorum yet, and goes on without.
func (a *Agent) admitSelf(ctx context.Context, member Member, remembered peerset.Snapshot) error {
	if remembered.Founded != "" {
		return nil
	}

	_, err := retry(ctx, a, "register in the peer set", func(ctx context.Context) (peerset.Welcome, error) {
		return member.Admit(ctx, a.joining())
	})

	return err
}

func (a *Agent) close(member Member, why error) {
	patience := checkTimeout
	if errors.Is(why, ErrOutlived) {
		patience = 0 // there is nobody to hand over to
	}

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	if err := member.Close(ctx); err != nil {
		a.Log.Info("leave consensus", "err", err)
	}
}

func (a *Agent) candidates(remembered peerset.Snapshot) []string {
	var addresses []string
	for _, peer := range remembered.Peers {
		if peer.Kind == roles.Member && peer.Name != a.node.Node {
			addresses = append(addresses, peer.Address)
		}
	}

	return append(addresses, a.node.Join...)
}
