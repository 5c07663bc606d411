package bootstrap

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/roles"
)

// door is the agents' API's port of a node that is in no peer set yet and may found one, or did. Others find the node
// by it.
type door struct {
	listener *net.TCPListener
	server   *http.Server
	ended    chan struct{}
}

// openDoor answers at the agents' API's port, until the door is taken or shut, or ctx ends.
func (a *Agent) openDoor(ctx context.Context, handler http.Handler) error {
	config, err := a.peerTLS()
	if err != nil {
		return err
	}

	listener, ok := a.listen(ctx, roles.AgentPort, a.address).(*net.TCPListener)
	if !ok {
		return ctx.Err()
	}

	d := &door{
		listener: listener,
		server: &http.Server{
			TLSConfig:    config,
			ErrorLog:     log.New(io.Discard, "", 0),
			TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2
			Handler:      handler,
		},
		ended: make(chan struct{}),
	}
	limited := api.Bound(d.server, lent{listener}, a.recordRefusal)

	go func() {
		defer close(d.ended)

		if err := d.server.ServeTLS(limited, "", ""); !errors.Is(err, http.ErrServerClosed) {
			a.Log.Warn("listen for members", "err", err)
		}
	}()

	context.AfterFunc(ctx, d.shut)

	a.mu.Lock()
	a.door = d
	a.mu.Unlock()

	return nil
}

// lent is a listener that its server gives back when it closes it.
type lent struct{ *net.TCPListener }

// Close ends a call of Accept, and lets the next owner of the listener call it again.
func (l lent) Close() error {
	return l.SetDeadline(time.Unix(1, 0))
}

// take ends the answers and returns the listener. Connections that come meanwhile wait: nobody finds the port closed.
func (d *door) take() net.Listener {
	d.server.Close()
	<-d.ended

	// An error means that the listener was closed: the next Accept says so.
	_ = d.listener.SetDeadline(time.Time{})

	return d.listener
}

func (d *door) shut() {
	d.take().Close()
}

// takeDoor is the listener of the node's door; nil when it has none.
func (a *Agent) takeDoor() net.Listener {
	a.mu.Lock()
	d := a.door
	a.door = nil
	a.mu.Unlock()

	if d == nil {
		return nil
	}

	return d.take()
}

// shutDoor frees the port.
func (a *Agent) shutDoor() {
	if listener := a.takeDoor(); listener != nil {
		listener.Close()
	}
}
