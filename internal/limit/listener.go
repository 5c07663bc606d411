// Package limit bounds the connections that a listener has open at once, of each address and in all. One address that
// opens thousands loses its own oldest; another's are left alone. It must not know what is said on them.
package limit

import (
	"net"
	"sync"
	"syscall"
)

// Bounds are numbers of connections that are open at once.
type Bounds struct {
	Each int // of one address
	All  int
}

// Limits are a listener's.
type Limits struct {
	// Strangers have shown nothing yet. On a port without TLS all stay strangers.
	Strangers Bounds
	// Known are those that Prove was called for: a flood of strangers ends none of them.
	Known Bounds
}

// Listener ends the oldest connections of an address that has too many.
type Listener struct {
	net.Listener
	dropped func(from net.Addr)

	mu        sync.Mutex
	strangers *pool
	known     *pool
}

// New bounds a listener's connections. dropped is told of each that is ended for it, and must not block.
func New(listener net.Listener, limits Limits, dropped func(from net.Addr)) *Listener {
	return &Listener{
		Listener:  listener,
		dropped:   dropped,
		strangers: newPool(limits.Strangers),
		known:     newPool(limits.Known),
	}
}

// Accept takes the next connection. It is the newest of its address, and so not the one that is ended: who asks and
// goes gets his answer also from an address that others hold connections open from.
func (l *Listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}

	c := &Conn{
		Conn:     conn,
		listener: l,
		host:     hostOf(conn.RemoteAddr()),
	}

	l.mu.Lock()
	c.in = l.strangers
	ended := c.in.add(c)
	l.mu.Unlock()

	l.drop(ended)

	return c, nil
}

// Prove counts a connection among the known from now on: its other side has shown a certificate, say. It is one that
// Accept returned, or TLS on one.
func (l *Listener) Prove(conn net.Conn) {
	c := own(conn)
	if c == nil {
		return
	}

	l.mu.Lock()

	// One that was ended meanwhile is in no pool.
	if c.in != l.strangers {
		l.mu.Unlock()
		return
	}

	l.strangers.remove(c)
	c.in = l.known
	ended := c.in.add(c)
	l.mu.Unlock()

	l.drop(ended)
}

// drop ends a connection that there is no room for.
func (l *Listener) drop(c *Conn) {
	if c == nil {
		return
	}

	l.dropped(c.RemoteAddr())

	// No goodbye: what is not sent yet would be kept for a machine that floods this one.
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it is closed in any case
	}

	c.Conn.Close()
}

// own is the listener's connection below TLS; nil when it is none of a listener's.
func own(conn net.Conn) *Conn {
	for {
		if c, ok := conn.(*Conn); ok {
			return c
		}

		wrapped, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}

		conn = wrapped.NetConn()
	}
}

// Conn is a connection that counts until it is closed.
type Conn struct {
	net.Conn
	listener *Listener
	host     string
	in       *pool // nil when it counts no more
}

// Close ends the connection and frees its place.
func (c *Conn) Close() error {
	c.listener.mu.Lock()

	if c.in != nil {
		c.in.remove(c)
	}
	c.listener.mu.Unlock()

	return c.Conn.Close()
}

// SyscallConn gives access to the socket's own options.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	raw, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, syscall.EINVAL
	}

	return raw.SyscallConn()
}

// hostOf is an address without its port.
func hostOf(address net.Addr) string {
	host, _, err := net.SplitHostPort(address.String())
	if err != nil {
		return address.String()
	}

	return host
}
