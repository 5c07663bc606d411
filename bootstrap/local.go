package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/status"
)

// SocketPath is where the agent answers its own node's root.
const SocketPath = "/run/hornero/agent.sock"

// Status is the node's account of itself.
func (a *Agent) Status() status.Status {
	// These take locks of their own, so they come before the agent's mutex.
	healthy, reason := a.Health()
	image, draining, set := a.watch.status(), a.isLeaving(), a.peerSet()
	walls := a.walls.status()

	a.mu.Lock()
	s := status.Status{
		Image:       image,
		Stack:       a.node.Stack,
		Node:        a.node.Node,
		Role:        a.node.Role,
		Incarnation: a.node.Incarnation,
		Address:     a.address,
		Phase:       a.phase,
		State:       a.status.State,
		Healthy:     healthy,
		Reason:      reason,
		Alarm:       a.status.Alarm,
		Walls:       walls,
		Draining:    draining,
		Marks:       maps.Clone(a.marks),
	}
	if healthy {
		s.Reason = a.status.Reason
	}
	if a.applied != nil {
		s.Templates = a.applied.Error()
	}

	// until it is in consensus itself it is as lost without the others
	s.UnknownPeer = a.unknownPeer && (set == nil || a.entering)
	self := a.self()
	driver := a.driver
	a.mu.Unlock()

	if measured, ok := driver.(interface{ Figures() status.Figures }); ok {
		s.Figures = measured.Figures()
	}

	if set == nil {
		return s
	}

	snapshot := set.Snapshot()
	writer := snapshot.Leases[a.rights.Lease(a.node.Role, peerset.LeaseWriter)]

	s.Writer = writer.Holder == self.Name && writer.Incarnation == self.Incarnation
	s.ReservedIP = a.reservedIP(snapshot)
	s.Certificates = toldBy(snapshot, self.Role)
	s.PeerSet = peerSetStatus(snapshot)
	s.Checkers = a.asked.others(snapshot.Peers)
	s.PeerSet.Writer = snapshot.Holder(a.rights.Lease(a.databaseRole(), peerset.LeaseWriter))

	return s
}

// peerSetStatus is the peer set as this node knows it.
func peerSetStatus(snapshot peerset.Snapshot) status.PeerSet {
	s := status.PeerSet{
		Founded:    snapshot.Founded,
		Generation: snapshot.Generation,
		Quorum:     snapshot.Quorum,
		Era:        snapshot.Era(),
		Schema:     snapshot.Schema,
		Leader:     snapshot.Leader,
		Voters:     snapshot.Voters,
		ReservedIP: snapshot.ReservedIPHolder(),
		Forgotten:  snapshot.Forgotten(),
		Leases:     map[string]string{},
	}

	for name, lease := range snapshot.Leases {
		if lease.Holder != "" {
			s.Leases[name] = lease.Holder
		}
	}

	for _, peer := range snapshot.Peers {
		s.Peers = append(s.Peers, status.Peer{
			Name:        peer.Name,
			Role:        peer.Role,
			Kind:        peer.Kind,
			Incarnation: peer.Incarnation,
			Address:     peer.Address,
			State:       peer.State,
			Healthy:     peer.Healthy,
			Alive:       peer.Alive,
			Facts:       peer.Facts,
		})
	}

	return s
}

// ServeLocal answers the node's own root on a unix socket until ctx ends.
func (a *Agent) ServeLocal(ctx context.Context, path string) {
	a.keepServing(ctx, "the local socket", func(ctx context.Context) error {
		return a.serveLocal(ctx, path)
	})
}

func (a *Agent) serveLocal(ctx context.Context, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}

	// An agent that was killed leaves its socket behind.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}

	listener, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", path, err)
	}

	// Who may write to the socket may drain this node and forget others: root only.
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}

	server := &http.Server{
		Handler:           a.localHandler(),
		ReadHeaderTimeout: checkTimeout,
	}

	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()

	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}

	return nil
}

func (a *Agent) localHandler() http.Handler {
	mux := http.NewServeMux()

	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")

		// An error means that the caller went away.
		_ = json.NewEncoder(w).Encode(a.Status())
	})

	mux.HandleFunc("POST /drain", a.serveDrain)

	mux.HandleFunc("GET /events", a.serveEvents)
	mux.HandleFunc("GET /forget", a.serveForget)
	mux.HandleFunc("POST /forget", a.serveForget)
	mux.HandleFunc("POST /drift", a.serveDrift)
	mux.HandleFunc("POST /share", a.serveShare)
	mux.HandleFunc("GET /kept", a.serveKept)
	mux.HandleFunc("PUT /kept/{name}", a.serveKeep)

	return mux
}

// answer says why something could not be done; nothing when it was.
func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

// LocalClient talks to the agent of this node.
func LocalClient(path string) *http.Client {
	dialer := net.Dialer{Timeout: time.Second}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", path)
	}

	// A connection that is kept would be left behind with each client: a client is for one question.
	return &http.Client{Transport: &http.Transport{
		DialContext:       dial,
		DisableKeepAlives: true,
	}}
}
