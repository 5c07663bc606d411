package acme

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// resolver answers pebble's questions for names, on loopback and by TCP alone, as pebble asks.
type resolver struct {
	server *dns.Server
	lookup func(name string) []netip.Addr
	served chan error
}

func newResolver(lookup func(name string) []netip.Addr) (*resolver, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for names: %w", err)
	}

	r := &resolver{lookup: lookup, served: make(chan error, 1)}
	started := make(chan struct{})

	r.server = &dns.Server{
		Listener:          listener,
		Handler:           r,
		NotifyStartedFunc: func() { close(started) },
	}

	go func() { r.served <- r.server.ActivateAndServe() }()

	// A server that has not begun cannot be ended.
	<-started

	return r, nil
}

func (r *resolver) address() string { return r.server.Listener.Addr().String() }

func (r *resolver) close() error { return errors.Join(r.server.Shutdown(), <-r.served) }

// ServeDNS answers for addresses; whatever else is asked for, there is none of it.
func (r *resolver) ServeDNS(w dns.ResponseWriter, asked *dns.Msg) {
	answer := new(dns.Msg)
	answer.SetReply(asked)

	for _, question := range asked.Question {
		name := strings.ToLower(strings.TrimSuffix(question.Name, "."))
		addresses := r.lookup(name)

		if len(addresses) == 0 {
			answer.Rcode = dns.RcodeNameError
		}

		for _, address := range addresses {
			if record := recordOf(question, address); record != nil {
				answer.Answer = append(answer.Answer, record)
			}
		}
	}

	// An error means that the client went away.
	_ = w.WriteMsg(answer)
}

// recordOf is an address as a question asks for it; nil when it asks for others.
func recordOf(question dns.Question, address netip.Addr) dns.RR {
	header := dns.RR_Header{
		Name:   question.Name,
		Rrtype: question.Qtype,
		Class:  dns.ClassINET,
	}

	switch {
	case question.Qtype == dns.TypeA && address.Is4():
		return &dns.A{Hdr: header, A: address.AsSlice()}
	case question.Qtype == dns.TypeAAAA && address.Is6():
		return &dns.AAAA{Hdr: header, AAAA: address.AsSlice()}
	}

	return nil
}
