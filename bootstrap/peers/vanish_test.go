package peers_test

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// swallow makes packets to a member's port vanish: nobody takes connections there, and no more of them fit into
// the queue.
func (c *cluster) swallow(number int) {
	fd, err := unix.Socket(
		unix.AF_INET,
		unix.SOCK_STREAM|unix.SOCK_CLOEXEC,
		0,
	)
	require.NoError(c.t, err)
	c.t.Cleanup(func() { unix.Close(fd) })
	require.NoError(c.t, unix.SetsockoptInt(fd,
		unix.SOL_SOCKET,
		unix.SO_REUSEADDR,
		1,
	))

	ip := [4]byte(net.ParseIP(c.address(number)).To4())
	require.NoError(c.t, unix.Bind(fd, &unix.SockaddrInet4{Port: c.port, Addr: ip}))
	require.NoError(c.t, unix.Listen(fd, 0))

	for {
		conn, err := net.DialTimeout(
			"tcp",
			c.endpoint(number),
			200*time.Millisecond,
		)
		if err != nil {
			return
		}

		c.t.Cleanup(func() { conn.Close() })
	}
}

// TestMembersThatVanishedHoldUpNobody replaces a member again and again. Its machines vanish: whoever connects
// to them waits.
func TestMembersThatVanishedHoldUpNobody(t *testing.T) {
	// It measures time: no other test runs beside it.
	c := newCluster(t)
	first := c.founder()
	defer c.stop(first)

	second := c.member(first, "db-2", 2, 1)
	defer c.stop(second)

	for incarnation := 1; incarnation <= 5; incarnation++ {
		number := 2 + incarnation
		began := time.Now()
		third := c.member(second, "db-3", number, incarnation)
		t.Logf(
			"incarnation %d is in consensus after %s",
			incarnation,
			time.Since(began),
		)
		require.Less(t, time.Since(began), 4*time.Second)

		for n := range 3 {
			began := time.Now()

			c.report(
				second,
				"db-2",
				1,
				peerset.Report{State: strconv.Itoa(incarnation*10 + n)},
			)
			t.Logf("a write takes %s", time.Since(began))
			require.Less(t, time.Since(began), 2*time.Second)
		}

		c.eventually(10*time.Second, func() bool {
			return len(third.Snapshot().Voters) == 3
		})

		require.NoError(t, third.Crash())
		c.swallow(number)

		// The others try to connect meanwhile.
		time.Sleep(time.Second)
	}
}
