// Package api owns the lab's API: DigitalOcean's v2 API as godo, doctl, Terraform and Packer use it, over the lab's
// state, and the lab's own extras below /lab/v1/. It answers requests, runs the actions that they start, and keeps
// load balancers and firewalls in step with the Droplets that they are for. It does not know how a Droplet, a volume
// or a load balancer is run: these are ports (ports.go), which the lab fills with real ones and a test with fakes.
package api

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/hornero/hornero/lab/state"
)

// DefaultShutdownTimeout is how long a guest has to power itself off before the action errs.
const DefaultShutdownTimeout = 30 * time.Second

// Options is what a Server needs.
type Options struct {
	Token           string
	Store           *state.Store
	Machines        Machines
	Balancers       Balancers
	Volumes         Volumes
	Public          netip.Prefix // where Droplets and load balancers get their public addresses
	Delays          Delays
	RateLimit       bool          // hold clients to DigitalOcean's limits
	ShutdownTimeout time.Duration // 0 means DefaultShutdownTimeout
	Logger          *slog.Logger
	Now             func() time.Time // nil means time.Now
}

// Server answers the API. Make one with New, Start it, serve Handler, and Close it.
type Server struct {
	Options
	context context.Context
	cancel  context.CancelFunc
	closing sync.Mutex // held while a task is begun, or the server is told to end
	tasks   sync.WaitGroup
	changed chan struct{} // load balancers or firewalls may have
	limiter limiter
	faults  faultCounts
	reserve sync.Mutex // one change of who holds which reserved IP at a time
}

// New makes a server. Nothing runs before Start.
func New(options Options) *Server {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.ShutdownTimeout == 0 {
		options.ShutdownTimeout = DefaultShutdownTimeout
	}

	// the background work outlives each request: its context is the server's
	ctx, cancel := context.WithCancel(context.Background())

	return &Server{
		Options: options,
		context: ctx,
		cancel:  cancel,
		// one place is enough: the follower reads the whole state
		changed: make(chan struct{}, 1),
	}
}

// Start makes machines and state agree, whatever happened before, and begins the background work.
func (s *Server) Start(ctx context.Context) error {
	if err := s.reconcile(ctx); err != nil {
		return err
	}

	// the follower starts after the state is right, or it would apply what is about to change
	s.begin(s.followBalancers)
	s.begin(s.renewCertificates)

	// what an earlier run of the lab began and did not end
	for _, certificate := range s.Store.View().Certificates {
		if certificate.State == certificatePending {
			s.verifyCertificate(certificate.ID)
		}
	}

	s.resumeImports()

	// what changed while the lab was down must be applied, too
	s.wakeFollower()

	return nil
}

// Close ends the background work and waits for it. Machines run on; actions cut short are taken up by the next Start.
func (s *Server) Close() {
	// the mutex keeps begin from adding a task while Wait looks
	s.closing.Lock()
	s.cancel()
	s.closing.Unlock()

	s.tasks.Wait()
}

// begin runs work that Close waits for. A request may still be answered while the server closes. What it begins then
// is left to the next Start, like everything in the state that is not done.
func (s *Server) begin(work func()) {
	s.closing.Lock()
	defer s.closing.Unlock()

	if s.context.Err() == nil {
		s.tasks.Go(work)
	}
}

// now is the time as the API shows it: UTC, whole seconds.
func (s *Server) now() time.Time {
	// Terraform finds a snapshot by its action's time, and compares whole seconds
	return s.Now().UTC().Truncate(time.Second)
}

// Handler returns the whole API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range s.routes() {
		mux.Handle(pattern, s.answer(handle))
	}

	return s.guard(mux)
}

// routes are the requests that the lab answers. Each noun adds its own: as a part, or as methods of the server.
func (s *Server) routes() map[string]handler {
	all := map[string]handler{}

	// the parts: each has what it needs of the lab, and no more
	keys := &sshKeys{store: s.Store}

	zones := &zones{
		store: s.Store,
		now:   s.now,
	}

	projects := &projects{
		store: s.Store,
		now:   s.now,
	}

	spacesKeys := &spacesKeys{
		store: s.Store,
		now:   s.now,
	}

	for _, routes := range []map[string]handler{
		s.accountRoutes(),
		keys.routes(),
		s.catalogueRoutes(),
		s.imageRoutes(),
		s.snapshotRoutes(),
		s.actionRoutes(),
		s.dropletRoutes(),
		s.tagRoutes(),
		s.vpcRoutes(),
		s.certificateRoutes(),
		s.balancerRoutes(),
		s.labRoutes(),
		s.reservedIPRoutes(),
		s.firewallRoutes(),
		zones.routes(),
		projects.routes(),
		s.volumeRoutes(),
		spacesKeys.routes(),
		s.billingRoutes(),
	} {
		maps.Copy(all, routes)
	}

	return all
}
