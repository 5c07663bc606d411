// Package api carries the peer set between nodes: HTTP over mutual TLS. What a caller may do follows from its
// certificate alone. It knows no store and no role's business.
package api

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
)

type failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// kinds name the errors that a caller must tell apart.
var kinds = map[string]error{
	"stale-epoch": peerset.ErrStaleEpoch,
	"evicted":     peerset.ErrEvicted,
	"forbidden":   peerset.ErrForbidden,
	"unavailable": peerset.ErrUnavailable,
}

// Server is the agents' API of a member.
type Server struct {
	Registry peerset.Registry
	Refused  func(peerset.Refusal) // told of everything that was tried and not allowed
	Log      *slog.Logger
}

// Serve answers until ctx ends. The configuration is pki.Guard's: it tells of certificates that are refused.
func (s Server) Serve(ctx context.Context, listener net.Listener, config *tls.Config) error {
	server := &http.Server{
		Handler:      s.Handler(),
		TLSConfig:    config.Clone(),
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 only, in every build
		ErrorLog:     log.New(handshakes{s}, "", 0),
		BaseContext:  func(net.Listener) context.Context { return ctx },
	}
	listener = Bound(server, listener, s.Refused)

	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()

	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the agents' API: %w", err)
	}

	return nil
}

// caller is who asks, as the certificate says, and from where.
type caller struct {
	peerset.Identity
	kind string
	from string // address and port
}

// peersPath is where the peer set is read.
const peersPath = "/v1/peers"

// Handler is the agents' API.
func (s Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+peersPath, (&poll{registry: s.Registry}).serve)

	handle(mux, s, "POST /v1/join", func(ctx context.Context, who caller, join peerset.Join) (any, error) {
		if err := who.mayJoin(join); err != nil {
			return nil, err
		}

		return s.Registry.Admit(ctx, join)
	})

	handle(mux, s, "POST /v1/report", func(ctx context.Context, who caller, report peerset.Report) (any, error) {
		return struct{}{}, s.Registry.Report(ctx, who.Identity, report)
	})

	handle(mux, s, "POST /v1/hold", func(ctx context.Context, who caller, request holdRequest) (any, error) {
		lease, held, err := s.Registry.Hold(ctx, who.Identity, request.Lease, request.TTL)
		return holdAnswer{lease, held}, err
	})

	handle(mux, s, "POST /v1/seize", func(ctx context.Context, who caller, request seizeRequest) (any, error) {
		seen := peerset.Lease{Name: request.Lease, Epoch: request.Epoch}
		return s.Registry.Seize(ctx, who.Identity, seen, request.Reason)
	})

	handle(mux, s, "POST /v1/release", func(ctx context.Context, who caller, lease peerset.Lease) (any, error) {
		return struct{}{}, s.Registry.Release(ctx, who.Identity, lease)
	})

	handle(mux, s, "POST /v1/put", func(ctx context.Context, who caller, request putRequest) (any, error) {
		err := s.Registry.Put(ctx, who.Identity, request.Key, request.Value, request.Fence)
		return struct{}{}, err
	})

	handle(mux, s, "POST /v1/event", func(ctx context.Context, who caller, note peerset.Note) (any, error) {
		return struct{}{}, s.Registry.Note(ctx, who.Identity, note)
	})

	mux.HandleFunc("GET /v1/events", s.events)

	handle(mux, s, "POST /v1/news", func(_ context.Context, who caller, _ news) (any, error) {
		if err := peerset.MemberOnly(who.kind, who.Role); err != nil {
			return nil, err
		}

		// The request says only that something changed: the store says what.
		s.Registry.Refresh()

		return struct{}{}, nil
	})

	handle(mux, s, "POST /v1/beats", func(_ context.Context, who caller, body beats) (any, error) {
		if err := peerset.MemberOnly(who.kind, who.Role); err != nil {
			return nil, err
		}

		s.Registry.TakeHeartbeats(body)

		return struct{}{}, nil
	})

	return s.hold(mux)
}

// events answers with the newest events after an id.
func (s Server) events(w http.ResponseWriter, r *http.Request) {
	after, limit := EventsQuery(r.URL.Query())

	events, err := s.Registry.Events(r.Context(), after, limit)
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}

	write(w, http.StatusOK, events)
}

// EventsQuery reads which events are asked for: those after an id, the newest n of them.
func EventsQuery(query url.Values) (after int64, limit int) {
	after, _ = strconv.ParseInt(query.Get("after"), 10, 64)
	limit, err := strconv.Atoi(query.Get("n"))
	if err != nil || limit < 0 || limit > peerset.MaxEvents {
		limit = peerset.MaxEvents
	}

	return after, limit
}

// mayJoin holds a join to the certificate: the name, the incarnation, the kind, and the address that it comes from.
func (c caller) mayJoin(join peerset.Join) error {
	if join.Identity != c.Identity {
		return fmt.Errorf("join as %s: %w: it names %s", join.Name, peerset.ErrForbidden, c.Name)
	}

	if !peerset.MayBe(join.Kind, c.kind) {
		kind := cmp.Or(c.kind, peerset.KindClient)

		return fmt.Errorf("join as a %s: %w: it is for a %s of role %s",
			join.Kind, peerset.ErrForbidden, kind, c.Role)
	}

	// The address was parsed when the body was read.
	address := netip.MustParseAddr(join.Address)

	// The address goes into every node's configuration: nobody may name another's.
	from, err := netip.ParseAddrPort(c.from)
	if err != nil || from.Addr().Unmap() != address.Unmap() {
		return fmt.Errorf("join at %s: %w: the request comes from %s", join.Address, peerset.ErrForbidden, c.from)
	}

	return nil
}

func handle[Body any](
	mux *http.ServeMux,
	s Server,
	pattern string,
	do func(context.Context, caller, Body) (any, error),
) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		who, err := identity(r)
		if err != nil {
			s.refuse(who, pattern, peerset.ReasonNoCertificate, err)
			fail(w, http.StatusForbidden, err)

			return
		}

		var body Body
		if err := read(http.MaxBytesReader(w, r.Body, maxBody), &body); err != nil {
			s.refuse(who, pattern, peerset.ReasonUnreadable, err)
			fail(w, http.StatusBadRequest, fmt.Errorf("read body: %w", err))

			return
		}

		answer, err := do(r.Context(), who, body)
		if err != nil {
			// A peer set that cannot answer now refuses nobody: that is no attempt to report.
			if reason, refused := reasonOf(err); refused {
				s.refuse(who, pattern, reason, err)
			} else {
				s.Log.Debug("request not served", "request", pattern, "node", who.Name, "err", err)
			}

			fail(w, statusOf(err), err)

			return
		}

		write(w, http.StatusOK, answer)
	})
}

func identity(r *http.Request) (caller, error) {
	who := caller{from: r.RemoteAddr}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return who, peerset.ErrForbidden
	}

	name, err := pki.NameOf(r.TLS.PeerCertificates[0])
	if err != nil {
		return who, err
	}

	who.kind = name.Kind
	who.Identity = peerset.Identity{
		Name:        name.Node,
		Role:        name.Role,
		Incarnation: name.Incarnation,
	}

	return who, nil
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, peerset.ErrForbidden):
		return http.StatusForbidden
	case errors.Is(err, peerset.ErrStaleEpoch), errors.Is(err, peerset.ErrEvicted):
		return http.StatusConflict
	default:
		return http.StatusServiceUnavailable
	}
}

func fail(w http.ResponseWriter, status int, err error) {
	answer := failure{
		Kind:    "other",
		Message: err.Error(),
	}

	for kind, sentinel := range kinds {
		if errors.Is(err, sentinel) {
			answer.Kind = kind
		}
	}

	write(w, status, answer)
}

func write(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)

	// An error means that the caller went away.
	_ = json.NewEncoder(w).Encode(answer)
}
