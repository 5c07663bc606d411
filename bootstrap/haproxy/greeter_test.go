package haproxy_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// greeter is a database node: it greets with its name, echoes lines, and answers health checks.
type greeter struct {
	name, address string
	healthy       atomic.Bool
	refuses       atomic.Int32 // so many checks from now on get no answer, as from an agent that starts again
	answers       atomic.Int32 // checks that got one
	health        *http.Server
	listener      net.Listener
}

func newGreeter(t *testing.T, name, address string) *greeter {
	g := &greeter{name: name, address: address}
	g.healthy.Store(true)

	listener, err := net.Listen("tcp", address+":3306")
	require.NoError(t, err)

	g.listener = listener
	t.Cleanup(func() { listener.Close() })

	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}

			go g.talk(connection)
		}
	}()

	g.startHealth(t)
	t.Cleanup(func() { g.health.Close() })

	return g
}

func (g *greeter) talk(connection net.Conn) {
	defer connection.Close()

	fmt.Fprintln(connection, g.name)
	io.Copy(connection, connection)
}

// swallow makes the node answer nobody who connects, as one that is gone: its queue of connections is full from
// now on.
func (g *greeter) swallow(t *testing.T) {
	g.listener.Close()

	// Go's net package cannot make a queue of length 0, so this socket is made by hand.
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	require.NoError(t, syscall.SetsockoptInt(fd,
		syscall.SOL_SOCKET,
		syscall.SO_REUSEADDR,
		1,
	))

	at := &syscall.SockaddrInet4{
		Port: 3306,
		Addr: [4]byte(net.ParseIP(g.address).To4()),
	}
	require.NoError(t, syscall.Bind(fd, at))
	require.NoError(t, syscall.Listen(fd, 0))

	// Connections are made until the queue is full: the kernel takes one more than asked.
	require.Eventually(t, func() bool {
		connection, err := net.DialTimeout(
			"tcp",
			g.address+":3306",
			100*time.Millisecond,
		)
		if err == nil {
			t.Cleanup(func() { connection.Close() })
		}

		return err != nil
	}, patience, time.Millisecond)
}

func (g *greeter) startHealth(t *testing.T) {
	listener, err := net.Listen("tcp", g.address+":9200")
	require.NoError(t, err)

	answer := func(w http.ResponseWriter, _ *http.Request) {
		// The panic closes the connection without an answer.
		if g.refuses.Load() > 0 {
			g.refuses.Add(-1)
			panic(http.ErrAbortHandler)
		}

		g.answers.Add(1)

		if !g.healthy.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}

	g.health = &http.Server{Handler: http.HandlerFunc(answer)}

	go g.health.Serve(listener)
}
