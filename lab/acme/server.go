// Package acme is the lab's ACME server: pebble, in the lab's own process. It asks names for their answers as
// Let's Encrypt does, by HTTP on port 80, and finds them as the lab's Droplets do. It keeps nothing on disk: after a
// restart of the lab no account is known, and the authority is another one.
//
// It must not know the lab's API, nor who orders certificates.
package acme

import (
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"github.com/hornero/hornero/lab/nameserver"
)

// DirectoryPath is where clients begin.
const DirectoryPath = wfe.DirectoryPath

// RootPath is where the certificate is that those trust who trust what this server issues.
const RootPath = wfe.RootCertPath + "0"

// These paths are pebble's.
const (
	newOrderPath = "/order-plz"
	finalizePath = "/finalize-order/"
)

// Profile is the only one, named as Let's Encrypt's usual one: of several, pebble gives any to who names none.
const Profile = "classic"

// DefaultLife is how long certificates last.
const DefaultLife = 90 * 24 * time.Hour

// Views is how often a name is asked for its answer at a time: from several places of the net, as it were.
const Views = 3

// DefaultPort is where names are asked for their answer.
const DefaultPort = 80

// Config is what a server needs.
type Config struct {
	Names  dns.Handler   // answers for the names that certificates are for
	Port   int           // where names are asked; 0: DefaultPort
	Life   time.Duration // of certificates; 0: DefaultLife
	Logger *slog.Logger
	// Accounts are those that the server knows by a key id, with their keys as base64url; none: it takes everybody.
	Accounts map[string]string
}

// Server is an ACME server. What is true of it is told by its counters.
type Server struct {
	handler  http.Handler
	resolver *nameserver.Server
	faults   atomic.Pointer[Fault]
	orders   atomic.Int64
	issued   atomic.Int64
}

// Fault is how the server answers instead of doing what it is asked for.
type Fault struct {
	Status     int           // of the answer
	Kind       string        // of the problem, as in rateLimited
	RetryAfter time.Duration // 0: it does not say
	OrdersOnly bool          // only new orders are refused
}

// New makes a server. Close ends its resolver.
func New(config Config) (*Server, error) {
	if config.Port == 0 {
		config.Port = DefaultPort
	}

	if config.Life == 0 {
		config.Life = DefaultLife
	}

	// Pebble asks for names by TCP alone.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for names: %w", err)
	}

	// Pebble reads this when it is made. Its pauses would only make tests slow.
	if err := os.Setenv("PEBBLE_VA_NOSLEEP", "1"); err != nil {
		return nil, err
	}

	s := &Server{resolver: nameserver.Serve(config.Names, listener, nil)}
	logger := log.New(debugWriter{config.Logger}, "", 0)
	store := db.NewMemoryStore()
	authority := ca.New(logger, store, "", "ecdsa", 0, 1, map[string]ca.Profile{Profile: {
		Description:    "certificates of " + config.Life.String(),
		ValidityPeriod: uint64(config.Life / time.Second),
	}})

	for id, key := range config.Accounts {
		if err := store.AddExternalAccountKeyByID(id, key); err != nil {
			return nil, errors.Join(fmt.Errorf("account %s: %w", id, err), s.Close())
		}
	}

	// No challenge over TLS is offered to anybody of ours, so its port does not matter.
	validator := va.New(logger, config.Port, config.Port, false, listener.Addr().String(), store)
	bound := len(config.Accounts) > 0
	front := wfe.New(logger, store, validator, authority, []string{"lab.invalid"}, false, bound, 1, 1)

	s.handler = s.routes(front.Handler(), front.ManagementHandler())

	return s, nil
}

// routes has the roots beside what clients ask for.
func (s *Server) routes(clients, management http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == RootPath {
			management.ServeHTTP(w, r)
			return
		}

		order := r.URL.Path == newOrderPath
		if fault := s.faults.Load(); fault != nil && (order || !fault.OrdersOnly) {
			fault.answer(w)
			return
		}

		answered := &noted{ResponseWriter: w}
		clients.ServeHTTP(answered, r)

		// One of twenty requests is refused for its nonce, so that clients learn to ask again.
		switch {
		case answered.status >= http.StatusBadRequest:
		case order:
			s.orders.Add(1)
		case strings.HasPrefix(r.URL.Path, finalizePath):
			s.issued.Add(1)
		}
	})
}

// Handler answers clients. URLs in its answers are of the host that was asked.
func (s *Server) Handler() http.Handler { return s.handler }

// Orders is how many orders were made.
func (s *Server) Orders() int { return int(s.orders.Load()) }

// Issued is how many orders were finished, each by a certificate.
func (s *Server) Issued() int { return int(s.issued.Load()) }

// Break has the server answer by a fault from now on; nil: as it should.
func (s *Server) Break(fault *Fault) { s.faults.Store(fault) }

// Close ends the resolver.
func (s *Server) Close() error { return s.resolver.Close() }

// noted is an answer whose status is known afterwards.
type noted struct {
	http.ResponseWriter
	status int
}

// WriteHeader is http.ResponseWriter's.
func (n *noted) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

// debugWriter has pebble's lines in the lab's log, where somebody looks for them.
type debugWriter struct{ logger *slog.Logger }

func (d debugWriter) Write(line []byte) (int, error) {
	d.logger.Debug("acme", "said", strings.TrimSpace(string(line)))

	return len(line), nil
}
