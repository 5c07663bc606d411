package peers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/limit"
)

// listener takes connections from other members, by TLS, and relays them to dqlite's own socket, which has no
// TLS. go-dqlite's app would do so itself; its own listener lets a stranger who connects and says nothing wait
// for ever, and comes with a way of connecting to others that blocks the whole process (see dialMembers).
type listener struct {
	tcp       *limit.Listener
	config    *tls.Config
	handshake time.Duration // the longest
	refused   func(peerset.Refusal)
	out       func(peerset.Identity) error // why somebody is in the peer set no longer
	socket    string                       // dqlite's own
	stop      context.CancelFunc
	ended     context.Context
	done      sync.WaitGroup

	mu      sync.Mutex
	callers map[net.Conn]peerset.Identity // of the connections that are open
}

// Limits after which a connection to a machine that vanished is given up: those of go-dqlite's own proxy.
const (
	keepAlive   = 3 * time.Second // between probes; three are unanswered
	userTimeout = 30 * time.Second
)

// limits are numbers of connections. A peer set has six members in consensus and those that come and go; each has a few
// dozen to another at most.
var limits = limit.Limits{
	Strangers: limit.Bounds{Each: 32, All: 512},
	Known:     limit.Bounds{Each: 256, All: 2048},
}

var errTooMany = errors.New("more connections than a member has: the oldest are ended")

// refuseTooMany tells of a connection that was ended because its address has too many.
func (c Config) refuseTooMany(from net.Addr) {
	c.Refused(peerset.Refusal{
		From:   from.String(),
		Tried:  triedDqlite,
		Reason: peerset.ReasonTooMany,
		Err:    errTooMany,
	})
}

// listen takes the port. Nobody is let in before serve.
func (c Config) listen() (*listener, error) {
	alive := net.KeepAliveConfig{
		Enable:   true,
		Idle:     keepAlive,
		Interval: keepAlive,
		Count:    3,
	}
	listening := net.ListenConfig{KeepAliveConfig: alive}
	endpoint := c.endpoint(c.Address)

	tcp, err := listening.Listen(context.Background(), "tcp", endpoint)
	if err != nil {
		return nil, err
	}

	ended, stop := context.WithCancel(context.Background())

	return &listener{
		tcp:       limit.New(tcp, limits, c.refuseTooMany),
		config:    c.listenTLS(),
		handshake: c.Handshake,
		refused:   c.Refused,
		out:       c.out,
		// go-dqlite would name the socket of every first member alike.
		socket: fmt.Sprintf("@hornero-dqlite-%s-%d", endpoint, os.Getpid()),
		ended:  ended,
		stop:   stop,

		callers: map[net.Conn]peerset.Identity{},
	}, nil
}

func (l *listener) serve() {
	l.done.Go(func() {
		for {
			conn, err := l.tcp.Accept()
			if l.ended.Err() != nil {
				return
			}

			// Too many files may be open for a while.
			if err != nil {
				time.Sleep(retryRead)
				continue
			}

			l.done.Go(func() { l.handle(conn) })
		}
	})
}

// close ends the listener and all connections that it took.
func (l *listener) close() {
	l.stop()
	l.tcp.Close()
	l.done.Wait()
}

func (l *listener) handle(conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(l.ended, func() { conn.Close() })()

	// An error costs little: keep-alives find a machine that vanished, too.
	_ = setUserTimeout(conn)

	// A stranger who connects and says nothing would stay for ever.
	ctx, cancel := context.WithTimeout(l.ended, l.handshake)
	member := tls.Server(conn, l.config)
	err := member.HandshakeContext(ctx)
	cancel()

	if err != nil {
		l.refuse(conn, err)
		return
	}

	l.tcp.Prove(conn)
	defer l.forget(conn)

	if !l.note(conn, member.ConnectionState()) {
		return
	}

	// dqlite may not be there yet, or not any more: the other side tries again.
	own, err := net.Dial("unix", l.socket)
	if err != nil {
		return
	}

	relay(member, own)
}

// note remembers whose connection it is; false for one that is out since the handshake.
func (l *listener) note(conn net.Conn, state tls.ConnectionState) bool {
	who, err := callerOf(state)
	if err != nil {
		return false
	}

	l.mu.Lock()
	l.callers[conn] = who
	l.mu.Unlock()

	// Asked after it is remembered: what changes from now on finds the connection.
	return l.out(who) == nil
}

func (l *listener) forget(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()

	delete(l.callers, conn)
}

// drop ends the connections of those who are out by now.
func (l *listener) drop(out func(peerset.Identity) error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	for conn, who := range l.callers {
		// The plain connection: TLS would wait to say goodbye.
		if out(who) != nil {
			conn.Close()
		}
	}
}

// refuse tells of a handshake that came to nothing. What was wrong with a certificate was told already.
func (l *listener) refuse(conn net.Conn, err error) {
	reason, refused := peerset.ReasonOfHandshake(err.Error())
	if !refused {
		return
	}

	l.refused(peerset.Refusal{
		From:   conn.RemoteAddr().String(),
		Tried:  triedDqlite,
		Reason: reason,
		Err:    err,
	})
}

// relay copies both ways until one side ends.
func relay(a, b net.Conn) {
	ended := make(chan struct{}, 2)
	copyTo := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // however it ends, both ends are told by the close
		ended <- struct{}{}
	}

	go copyTo(a, b)
	go copyTo(b, a)

	// The other direction would wait in its read.
	<-ended
	a.Close()
	b.Close()
	<-ended
}

func setUserTimeout(conn net.Conn) error {
	raw, err := conn.(*limit.Conn).SyscallConn()
	if err != nil {
		return err
	}

	var set error

	limit := int(userTimeout.Milliseconds())
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, limit)
	})

	return errors.Join(err, set)
}
