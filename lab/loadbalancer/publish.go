package loadbalancer

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/hornero/hornero/lab/machine"
)

// dialTimeout is how long a published address' other side may take to answer.
const dialTimeout = 5 * time.Second

// acceptPause is how long nothing is accepted after accepting went wrong: mostly there are too many open files.
const acceptPause = 100 * time.Millisecond

// Loopback is where a public address of the lab is published.
func Loopback(public netip.Addr) netip.Addr {
	return machine.Loopback(public)
}

// Publisher relays ports of loopback to the lab's public addresses, so that a person's browser finds them.
type Publisher struct {
	logger    *slog.Logger
	mutex     sync.Mutex
	listeners map[netip.AddrPort]net.Listener // by public address
}

// NewPublisher makes a Publisher of nothing yet.
func NewPublisher(logger *slog.Logger) *Publisher {
	return &Publisher{
		logger:    logger,
		listeners: map[netip.AddrPort]net.Listener{},
	}
}

// Publish makes these ports of an address, and no others, reachable on loopback.
func (p *Publisher) Publish(public netip.Addr, ports []int) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	wanted := map[netip.AddrPort]bool{}
	var problems []error

	for _, port := range ports {
		at := netip.AddrPortFrom(public, uint16(port))
		wanted[at] = true

		// A port that is published already keeps its connections.
		if p.listeners[at] != nil {
			continue
		}
		if err := p.open(at); err != nil {
			problems = append(problems, fmt.Errorf("publish %s: %w", at, err))
		}
	}

	// Ports of rules that are gone must not stay open on loopback.
	p.drop(func(at netip.AddrPort) bool {
		return at.Addr() == public && !wanted[at]
	})

	return errors.Join(problems...)
}

func (p *Publisher) open(at netip.AddrPort) error {
	listener, err := net.Listen("tcp", netip.AddrPortFrom(Loopback(at.Addr()), at.Port()).String())
	if err != nil {
		return err
	}

	p.listeners[at] = listener
	go p.serve(listener, at)

	return nil
}

func (p *Publisher) serve(listener net.Listener, at netip.AddrPort) {
	for {
		client, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		} else if err != nil {
			p.logger.Warn("connection not accepted", "address", at, "err", err)
			time.Sleep(acceptPause)
			continue
		}

		go relay(client, at)
	}
}

// relay copies both ways until both sides have sent all. Where nobody listens the client's connection is closed.
func relay(client net.Conn, to netip.AddrPort) {
	defer client.Close()

	server, err := net.DialTimeout("tcp", to.String(), dialTimeout)
	if err != nil {
		return
	}
	defer server.Close()

	var both sync.WaitGroup

	for from, into := range map[net.Conn]net.Conn{client: server, server: client} {
		// One direction may end before the other: only the end of sending is passed on.
		both.Go(func() {
			io.Copy(into, from)
			into.(*net.TCPConn).CloseWrite()
		})
	}

	both.Wait()
}

// Withdraw takes all ports of an address off loopback.
func (p *Publisher) Withdraw(public netip.Addr) {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	p.drop(func(at netip.AddrPort) bool { return at.Addr() == public })
}

// Published tells on which address of loopback a public address is reached; false when none of its ports is.
func (p *Publisher) Published(public netip.Addr) (netip.Addr, bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	for at := range p.listeners {
		if at.Addr() == public {
			return Loopback(public), true
		}
	}

	return netip.Addr{}, false
}

// URL writes where a published port is found by a browser.
func URL(scheme string, public netip.Addr, port int) string {
	host := Loopback(public).String()
	if scheme == HTTP && port != 80 || scheme == HTTPS && port != 443 {
		host = net.JoinHostPort(host, strconv.Itoa(port))
	}

	return scheme + "://" + host + "/"
}

// Close takes everything off loopback.
func (p *Publisher) Close() {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	p.drop(func(netip.AddrPort) bool { return true })
}

func (p *Publisher) drop(unwanted func(netip.AddrPort) bool) {
	for at, listener := range p.listeners {
		if unwanted(at) {
			listener.Close()
			delete(p.listeners, at)
		}
	}
}
