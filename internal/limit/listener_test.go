package limit_test

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/limit"
)

// patience bounds what a test waits for; nothing takes as long.
const patience = 30 * time.Second

// server accepts on loopback and says a letter to each connection.
type server struct {
	*testing.T
	listener *limit.Listener
	accepted chan net.Conn
	dropped  atomic.Int32
}

func serve(t *testing.T, limits limit.Limits) *server {
	t.Helper()

	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)

	s := &server{
		T:        t,
		accepted: make(chan net.Conn, 100),
	}
	s.listener = limit.New(tcp, limits, func(net.Addr) { s.dropped.Add(1) })
	t.Cleanup(func() { s.listener.Close() })

	go func() {
		for {
			conn, err := s.listener.Accept()
			if err != nil {
				return
			}

			s.accepted <- conn
		}
	}()

	return s
}

// dial connects from an address and returns both ends.
func (s *server) dial(from string) (client, here net.Conn) {
	s.Helper()

	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}

	client, err := dialer.Dial("tcp", s.listener.Addr().String())
	require.NoError(s, err)
	s.Cleanup(func() { client.Close() })

	select {
	case here = <-s.accepted:
	case <-time.After(patience):
		require.Fail(s, "it was not accepted")
	}

	return client, here
}

// isOpen tells whether what is said here arrives there.
func (s *server) isOpen(client, here net.Conn) bool {
	s.Helper()
	require.NoError(s, client.SetDeadline(time.Now().Add(patience)))

	if _, err := here.Write([]byte("x")); err != nil {
		return false
	}

	_, err := io.ReadFull(client, make([]byte, 1))

	return err == nil
}

func bounds(each, all int) limit.Limits {
	return limit.Limits{
		Strangers: limit.Bounds{Each: each, All: all},
		Known:     limit.Bounds{Each: each, All: all},
	}
}

func TestAnAddressLosesItsOwnOldest(t *testing.T) {
	s := serve(t, bounds(2, 100))

	other, otherHere := s.dial("127.0.0.3")
	first, firstHere := s.dial("127.0.0.2")
	second, secondHere := s.dial("127.0.0.2")
	require.Zero(t, s.dropped.Load())

	third, thirdHere := s.dial("127.0.0.2")

	require.False(t, s.isOpen(first, firstHere))
	require.True(t, s.isOpen(second, secondHere))
	require.True(t, s.isOpen(third, thirdHere))
	require.True(t, s.isOpen(other, otherHere))
	require.Equal(t, int32(1), s.dropped.Load())

	t.Log("the server closes what was ended for it, too, and that frees no second place")
	firstHere.Close()

	_, fourthHere := s.dial("127.0.0.2")
	require.False(t, s.isOpen(second, secondHere))

	t.Log("one that ended by itself leaves room")
	fourthHere.Close()
	s.dial("127.0.0.2")
	require.True(t, s.isOpen(third, thirdHere))
	require.Equal(t, int32(2), s.dropped.Load())
}

func TestWhoHasMostMakesRoomForAll(t *testing.T) {
	s := serve(t, bounds(100, 4))

	lonely, lonelyHere := s.dial("127.0.0.3")
	first, firstHere := s.dial("127.0.0.2")
	s.dial("127.0.0.2")
	s.dial("127.0.0.2")

	another, anotherHere := s.dial("127.0.0.4")

	require.False(t, s.isOpen(first, firstHere))
	require.True(t, s.isOpen(lonely, lonelyHere))
	require.True(t, s.isOpen(another, anotherHere))
}

func TestAFloodOfStrangersEndsNobodyKnown(t *testing.T) {
	s := serve(t, bounds(2, 100))

	agent, agentHere := s.dial("127.0.0.2")
	s.listener.Prove(agentHere)

	for range 20 {
		s.dial("127.0.0.2")
	}

	require.True(t, s.isOpen(agent, agentHere))
	require.Equal(t, int32(18), s.dropped.Load())

	t.Log("the known of one address have a bound as well")

	for range 2 {
		_, here := s.dial("127.0.0.2")
		s.listener.Prove(here)
	}

	require.False(t, s.isOpen(agent, agentHere))

	t.Log("to prove what has been ended is of no effect")
	s.listener.Prove(agentHere)
	require.Equal(t, int32(20), s.dropped.Load())
}
