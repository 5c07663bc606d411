package api

import (
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/limit"
)

const (
	// headerTimeout is how long a caller may take for a TLS handshake, and for a request's header.
	headerTimeout = 5 * time.Second
	// maxHeader is the size of a request's header, in bytes; net/http allows 4 KiB more. A caller's has under 300.
	maxHeader = 4 << 10
)

// limits are numbers of connections. A node has at most a dozen to a member: the watch, heartbeats, leases, tasks. A
// stack of 200 nodes that starts has all of them come at once.
var limits = limit.Limits{
	Strangers: limit.Bounds{Each: 32, All: 1024},
	Known:     limit.Bounds{Each: 64, All: 4096},
}

var errTooMany = errors.New("more connections than a node has: the oldest are ended")

// Bound makes a server of the agents' port take small headers only, in time, and few connections of those who have not
// shown their certificate. It returns the listener that the server is to use.
func Bound(server *http.Server, listener net.Listener, refused func(peerset.Refusal)) net.Listener {
	limited := limit.New(listener, limits, TooManyAt("the agents' API", refused))

	server.MaxHeaderBytes = maxHeader
	server.ReadHeaderTimeout = headerTimeout
	server.IdleTimeout = 2 * idleConnection
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		// A request comes after the handshake only.
		if state == http.StateActive {
			limited.Prove(conn)
		}
	}

	return limited
}

// TooManyAt makes what a limited listener calls for a connection that it ends: it passes a Refusal that names the
// listener.
func TooManyAt(listener string, refused func(peerset.Refusal)) func(net.Addr) {
	return func(from net.Addr) {
		refused(peerset.Refusal{
			From:   from.String(),
			Tried:  "connect to " + listener,
			Reason: peerset.ReasonTooMany,
			Err:    errTooMany,
		})
	}
}
