// Package nameserver is the lab's DNS. It answers for the domains of the account, as DigitalOcean's name servers do,
// and it is the resolver of the Droplets at the same time: of every other name it says that there is none. It asks
// nobody, so that no question leaves this computer.
//
// It must not know the lab's API, nor where it listens.
package nameserver

import (
	"errors"
	"net"

	"github.com/miekg/dns"
)

// Server answers questions until Close.
type Server struct {
	servers []*dns.Server
	ended   chan error
}

// Serve answers who connects, and the datagrams of a socket unless that is nil.
func Serve(handler dns.Handler, stream net.Listener, datagrams net.PacketConn) *Server {
	servers := []*dns.Server{{Listener: stream, Handler: handler}}
	if datagrams != nil {
		servers = append(servers, &dns.Server{PacketConn: datagrams, Handler: handler})
	}

	s := &Server{servers: servers, ended: make(chan error, len(servers))}

	for _, server := range s.servers {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }

		go func() { s.ended <- server.ActivateAndServe() }()

		// One that has not begun cannot be ended.
		<-started
	}

	return s
}

// Close stops to listen, and waits for the answers that are under way.
func (s *Server) Close() error {
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Shutdown(), <-s.ended)
	}

	return errors.Join(errs...)
}
