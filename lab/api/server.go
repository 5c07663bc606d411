// Package api owns the lab's face: DigitalOcean's v2 API as godo, doctl, Terraform and Packer use it, over the
// lab's state, and the lab's own extras below /lab/v1/. It answers requests, runs the actions that they start, and keeps
// load balancers in step with the Droplets they point at. It does not know how a Droplet or a load balancer is run: both
// are ports (ports.go), which the lab fills with real machines and a test with pretended ones.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/hornero/hornero/lab/state"
)

// Delays makes the lab as slow as a cloud. The zero value is the lab at its quickest; actions are asynchronous anyway.
type Delays struct {
	Create  time.Duration // before a new Droplet boots
	Network time.Duration // from active until the addresses are shown
	Action  time.Duration // before any other action
	Delete  time.Duration // a deleted Droplet is still seen for this long
}

// RealDelays are delays like the real service's, shortened.
func RealDelays() Delays {
	return Delays{Create: 3 * time.Second, Network: time.Second, Action: 2 * time.Second, Delete: 2 * time.Second}
}

// DefaultShutdownTimeout is how long a guest has to power itself off before the action errs.
const DefaultShutdownTimeout = 30 * time.Second

// Options is what a Server needs.
type Options struct {
	Token           string
	Store           *state.Store
	Machines        Machines
	Balancers       Balancers
	Public          netip.Prefix // where Droplets and load balancers get their public addresses
	Delays          Delays
	ShutdownTimeout time.Duration // 0 means DefaultShutdownTimeout
	Logger          *slog.Logger
	Now             func() time.Time // nil means time.Now
}

// Server answers the API. Make one with New, Start it, serve Handler, and Close it.
type Server struct {
	Options
	context context.Context
	cancel  context.CancelFunc
	tasks   sync.WaitGroup
	kick    chan struct{} // load balancers may have changed
	limiter limiter
}

// New makes a server. Nothing runs before Start.
func New(options Options) *Server {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.ShutdownTimeout == 0 {
		options.ShutdownTimeout = DefaultShutdownTimeout
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Server{Options: options, context: ctx, cancel: cancel, kick: make(chan struct{}, 1)}
}

// Start brings state and machines together after whatever happened before, and begins the background work.
func (s *Server) Start(ctx context.Context) error {
	if err := s.reconcile(ctx); err != nil {
		return err
	}
	s.tasks.Go(s.followBalancers)
	s.kickBalancers()
	return nil
}

// Close ends the background work and waits for it. Machines run on; actions cut short are taken up by the next Start.
func (s *Server) Close() {
	s.cancel()
	s.tasks.Wait()
}

// now is the time as the API shows it: UTC, whole seconds.
func (s *Server) now() time.Time { return s.Now().UTC().Truncate(time.Second) }

// Handler returns the whole API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range s.routes() {
		mux.Handle(pattern, s.answer(handle))
	}
	return s.front(mux)
}

func (s *Server) routes() map[string]handler {
	return map[string]handler{
		"GET /v2/account": s.getAccount,

		"GET /v2/account/keys":          s.listKeys,
		"POST /v2/account/keys":         s.createKey,
		"GET /v2/account/keys/{key}":    s.getKey,
		"PUT /v2/account/keys/{key}":    s.updateKey,
		"DELETE /v2/account/keys/{key}": s.deleteKey,

		"GET /v2/regions": s.listRegions,
		"GET /v2/sizes":   s.listSizes,

		"GET /v2/images":                          s.listImages,
		"GET /v2/images/{image}":                  s.getImage,
		"PUT /v2/images/{image}":                  s.updateImage,
		"DELETE /v2/images/{image}":               s.deleteImage,
		"GET /v2/images/{image}/actions":          s.listImageActions,
		"POST /v2/images/{image}/actions":         s.createImageAction,
		"GET /v2/images/{image}/actions/{action}": s.getImageAction,

		"GET /v2/snapshots":               s.listSnapshots,
		"GET /v2/snapshots/{snapshot}":    s.getSnapshot,
		"DELETE /v2/snapshots/{snapshot}": s.deleteSnapshot,

		"GET /v2/actions":          s.listActions,
		"GET /v2/actions/{action}": s.getAction,

		"POST /v2/droplets":                           s.createDroplets,
		"GET /v2/droplets":                            s.listDroplets,
		"DELETE /v2/droplets":                         s.deleteDropletsByTag,
		"POST /v2/droplets/actions":                   s.createDropletActionsByTag,
		"GET /v2/droplets/{droplet}":                  s.getDroplet,
		"DELETE /v2/droplets/{droplet}":               s.deleteDroplet,
		"GET /v2/droplets/{droplet}/actions":          s.listDropletActions,
		"POST /v2/droplets/{droplet}/actions":         s.createDropletAction,
		"GET /v2/droplets/{droplet}/actions/{action}": s.getDropletAction,
		"GET /v2/droplets/{droplet}/snapshots":        s.listDropletSnapshots,
		"GET /v2/droplets/{droplet}/backups":          s.emptyDropletList("backups"),
		"GET /v2/droplets/{droplet}/kernels":          s.emptyDropletList("kernels"),
		"GET /v2/droplets/{droplet}/neighbors":        s.emptyDropletList("droplets"),
		"GET /v2/droplets/{droplet}/firewalls":        s.emptyDropletList("firewalls"),

		"GET /v2/tags":                    s.listTags,
		"POST /v2/tags":                   s.createTag,
		"GET /v2/tags/{tag}":              s.getTag,
		"DELETE /v2/tags/{tag}":           s.deleteTag,
		"POST /v2/tags/{tag}/resources":   s.tagResources,
		"DELETE /v2/tags/{tag}/resources": s.untagResources,

		"GET /v2/vpcs":               s.listVPCs,
		"POST /v2/vpcs":              s.createVPC,
		"GET /v2/vpcs/{vpc}":         s.getVPC,
		"PUT /v2/vpcs/{vpc}":         s.replaceVPC,
		"PATCH /v2/vpcs/{vpc}":       s.patchVPC,
		"DELETE /v2/vpcs/{vpc}":      s.deleteVPC,
		"GET /v2/vpcs/{vpc}/members": s.listVPCMembers,

		"GET /v2/certificates":                  s.listCertificates,
		"POST /v2/certificates":                 s.createCertificate,
		"GET /v2/certificates/{certificate}":    s.getCertificate,
		"DELETE /v2/certificates/{certificate}": s.deleteCertificate,

		"GET /v2/load_balancers":                                s.listBalancers,
		"POST /v2/load_balancers":                               s.createBalancer,
		"GET /v2/load_balancers/{balancer}":                     s.getBalancer,
		"PUT /v2/load_balancers/{balancer}":                     s.updateBalancer,
		"DELETE /v2/load_balancers/{balancer}":                  s.deleteBalancer,
		"POST /v2/load_balancers/{balancer}/droplets":           s.addBalancerDroplets,
		"DELETE /v2/load_balancers/{balancer}/droplets":         s.removeBalancerDroplets,
		"POST /v2/load_balancers/{balancer}/forwarding_rules":   s.addBalancerRules,
		"DELETE /v2/load_balancers/{balancer}/forwarding_rules": s.removeBalancerRules,

		"GET /lab/v1/status":                     s.getLabStatus,
		"GET /lab/v1/published":                  s.getPublished,
		"POST /lab/v1/droplets/{droplet}/faults": s.createFault,
	}
}
