// Package api carries the peer set between nodes: HTTP over mutual TLS. What a caller may do follows from its
// certificate alone. It knows no store and no role's business.
package api

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
)

// longestPoll is after what a watcher asks again.
const longestPoll = 30 * time.Second

type failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// kinds name the errors that a caller must tell apart.
var kinds = map[string]error{"stale-epoch": peerset.ErrStaleEpoch, "evicted": peerset.ErrEvicted, "forbidden": peerset.ErrForbidden, "unavailable": peerset.ErrUnavailable}

// Serve answers until ctx ends.
func Serve(ctx context.Context, listener net.Listener, config *tls.Config, registry peerset.Registry, log *slog.Logger) error {
	server := &http.Server{
		Handler: Handler(registry, log), TLSConfig: config, ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelWarn), // strangers refused in the handshake end here
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the agents' API: %w", err)
	}
	return nil
}

// Handler is the agents' API.
func Handler(registry peerset.Registry, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/peers", func(w http.ResponseWriter, r *http.Request) { peers(w, r, registry) })
	handle(mux, log, "POST /v1/join", func(ctx context.Context, who peerset.Identity, join peerset.Join) (any, error) {
		if join.Identity != who {
			return nil, fmt.Errorf("join as %s: %w: it names %s", join.Name, peerset.ErrForbidden, who.Name)
		}
		return registry.Admit(ctx, join)
	})
	handle(mux, log, "POST /v1/report", func(ctx context.Context, who peerset.Identity, report peerset.Report) (any, error) {
		return struct{}{}, registry.Report(ctx, who, report)
	})
	handle(mux, log, "POST /v1/hold", func(ctx context.Context, who peerset.Identity, request holdRequest) (any, error) {
		lease, held, err := registry.Hold(ctx, who, request.Lease, request.TTL)
		return holdAnswer{lease, held}, err
	})
	handle(mux, log, "POST /v1/seize", func(ctx context.Context, who peerset.Identity, request seizeRequest) (any, error) {
		return registry.Seize(ctx, who, request.Lease, request.Reason)
	})
	handle(mux, log, "POST /v1/release", func(ctx context.Context, who peerset.Identity, lease peerset.Lease) (any, error) {
		return struct{}{}, registry.Release(ctx, who, lease)
	})
	handle(mux, log, "POST /v1/put", func(ctx context.Context, who peerset.Identity, request putRequest) (any, error) {
		return struct{}{}, registry.Put(ctx, who, request.Key, request.Value, request.Fence)
	})
	return mux
}

func handle[Body any](mux *http.ServeMux, log *slog.Logger, pattern string, do func(context.Context, peerset.Identity, Body) (any, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		who, err := identity(r)
		if err != nil {
			fail(w, http.StatusForbidden, err)
			return
		}
		var body Body
		if err := read(http.MaxBytesReader(w, r.Body, maxBody), &body); err != nil {
			fail(w, http.StatusBadRequest, fmt.Errorf("read body: %w", err))
			return
		}
		answer, err := do(r.Context(), who, body)
		if err != nil {
			log.Info("request refused", "request", pattern, "node", who.Name, "err", err)
			fail(w, statusOf(err), err)
			return
		}
		write(w, http.StatusOK, answer)
	})
}

func identity(r *http.Request) (peerset.Identity, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return peerset.Identity{}, peerset.ErrForbidden
	}
	name, err := pki.NameOf(r.TLS.PeerCertificates[0])
	if err != nil {
		return peerset.Identity{}, err
	}
	return peerset.Identity{Name: name.Node, Role: name.Role, Incarnation: name.Incarnation}, nil
}

// peers answers at once when the caller's generation is old, else when it becomes so or the wait is over.
func peers(w http.ResponseWriter, r *http.Request, registry peerset.Registry) {
	generation, _ := strconv.ParseUint(r.URL.Query().Get("generation"), 10, 64)
	wait, _ := time.ParseDuration(r.URL.Query().Get("wait"))
	deadline := time.NewTimer(min(wait, longestPoll))
	defer deadline.Stop()
	for {
		changed := registry.Changed()
		snapshot := registry.Snapshot()
		if snapshot.Generation != generation || !snapshot.Quorum {
			write(w, http.StatusOK, snapshot)
			return
		}
		select {
		case <-changed:
			write(w, http.StatusOK, registry.Snapshot())
			return
		case <-deadline.C:
			write(w, http.StatusOK, registry.Snapshot())
			return
		case <-r.Context().Done():
			return
		}
	}
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
	answer := failure{Kind: "other", Message: err.Error()}
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
	_ = json.NewEncoder(w).Encode(answer) // the caller went away: nobody is left to tell
}
