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
)

// gate is dqlite's door: it takes connections from other members, by TLS, and hands what comes to dqlite's own
// socket, which has no TLS. go-dqlite's app would do so itself; its own door lets a stranger who connects and
// says nothing wait for ever, and comes with a way of connecting to others that blocks the whole process (see
// dialMembers).
type gate struct {
	listener net.Listener
	config   *tls.Config
	within   time.Duration // for a handshake
	refused  func(peerset.Refusal)
	inner    string // dqlite's own socket
	stop     context.CancelFunc
	ended    context.Context
	done     sync.WaitGroup
}

// Limits after which a connection to a machine that vanished is given up: those of go-dqlite's own proxy.
const (
	keepAlive   = 3 * time.Second // between probes; three are unanswered
	userTimeout = 30 * time.Second
)

// openGate takes the port. Nobody is let in before serve.
func (c Config) openGate() (*gate, error) {
	listening := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable:   true,
		Idle:     keepAlive,
		Interval: keepAlive,
		Count:    3,
	}}

	listener, err := listening.Listen(context.Background(), "tcp", c.endpoint(c.Address))
	if err != nil {
		return nil, err
	}

	g := &gate{
		listener: listener,
		config:   c.listenTLS(),
		within:   c.Handshake,
		refused:  c.Refused,
		inner:    fmt.Sprintf("@hornero-dqlite-%s-%d", c.endpoint(c.Address), os.Getpid()),
	}

	g.ended, g.stop = context.WithCancel(context.Background())

	return g, nil
}

func (g *gate) serve() {
	g.done.Go(func() {
		for {
			conn, err := g.listener.Accept()

			if g.ended.Err() != nil {
				return
			}
			if err != nil { // too many open files, for a while
				time.Sleep(againAfter)
				continue
			}

			g.done.Go(func() { g.admit(conn) })
		}
	})
}

// close ends the door and all connections that came by it.
func (g *gate) close() {
	g.stop()
	g.listener.Close()
	g.done.Wait()
}

func (g *gate) admit(conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(g.ended, func() { conn.Close() })()

	_ = setUserTimeout(conn) // without it, keep-alives find out
	member := tls.Server(conn, g.config)
	ctx, cancel := context.WithTimeout(g.ended, g.within)
	err := member.HandshakeContext(ctx)
	cancel()

	if err != nil {
		// What was wrong with a certificate was told already.
		if reason, refused := peerset.ReasonOfHandshake(err.Error()); refused {
			g.refused(peerset.Refusal{
				From:   conn.RemoteAddr().String(),
				Tried:  door,
				Reason: reason,
				Err:    err,
			})
		}

		return
	}

	own, err := net.Dial("unix", g.inner)
	if err != nil {
		return // dqlite is not there yet, or not any more
	}

	join(member, own)
}

// join copies both ways until one side ends.
func join(a, b net.Conn) {
	ended := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{
		{a, b},
		{b, a},
	} {
		go func() {
			_, _ = io.Copy(way[0], way[1]) // however it ends, both ends are told by the close
			ended <- struct{}{}
		}()
	}

	<-ended
	a.Close()
	b.Close()
	<-ended
}

func setUserTimeout(conn net.Conn) error {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}

	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(
			int(fd),
			unix.IPPROTO_TCP,
			unix.TCP_USER_TIMEOUT,
			int(userTimeout.Milliseconds()),
		)
	})

	return errors.Join(err, set)
}
