package sockets_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/sockets"
)

// exchange is a connection between a client and a server of the test's.
type exchange struct {
	t              *testing.T
	port           int
	client, server net.Conn
}

func connect(t *testing.T) exchange {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })

	client, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })

	server, err := listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })

	return exchange{
		t:      t,
		port:   listener.Addr().(*net.TCPAddr).Port,
		client: client,
		server: server,
	}
}

func (e exchange) sends(from, to net.Conn) {
	e.t.Helper()

	_, err := from.Write([]byte("x"))
	require.NoError(e.t, err)

	_, err = to.Read(make([]byte, 1))
	require.NoError(e.t, err)
}

func (e exchange) busy() int {
	e.t.Helper()

	count, err := sockets.Busy(e.t.Context(), []int{1, e.port})
	require.NoError(e.t, err)

	return count
}

func (e exchange) becomes(want int) {
	e.t.Helper()

	end := time.Now().Add(10 * time.Second)

	for e.busy() != want {
		require.True(
			e.t,
			time.Now().Before(end),
		)
		time.Sleep(50 * time.Millisecond)
	}
}

// stays holds for longer than an answer may pause.
func (e exchange) stays(want int) {
	e.t.Helper()

	end := time.Now().Add(2 * time.Second)

	for time.Now().Before(end) {
		require.Equal(
			e.t,
			want,
			e.busy(),
		)
		time.Sleep(50 * time.Millisecond)
	}
}

func TestAConnectionIsBusyFromItsRequestToTheEndOfItsAnswer(t *testing.T) {
	t.Parallel()

	e := connect(t)
	e.becomes(0)

	e.sends(e.client, e.server)
	e.stays(1)

	e.sends(e.server, e.client)
	e.becomes(0)

	// The next request on the same connection.
	e.sends(e.client, e.server)
	require.Equal(t, 1, e.busy())

	require.NoError(t, e.client.Close())
	e.becomes(0)
}

func TestAnAnswerThatNobodyTakesIsUnderWay(t *testing.T) {
	t.Parallel()

	e := connect(t)
	e.sends(e.client, e.server)

	// More than the client's machine takes while nobody reads.
	go func() { _, _ = e.server.Write(make([]byte, 64<<20)) }()

	e.stays(1)
}

func TestOnlyThePortsThatAreAskedForCount(t *testing.T) {
	t.Parallel()

	e := connect(t)
	e.sends(e.client, e.server)

	count, err := sockets.Busy(t.Context(), []int{1})
	require.NoError(t, err)
	require.Zero(t, count)

	count, err = sockets.Busy(t.Context(), nil)
	require.NoError(t, err)
	require.Zero(t, count)
}
