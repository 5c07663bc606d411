//go:build root

package walls_test

import (
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/bootstrap/walls"
)

// A host outside of the stack with two ports, and users of the node.
const (
	world   = "203.0.113.9"
	allowed = 7443
	closed  = 7025
	root    = 0
	daemon  = 4711
	free    = 4712
)

// tries connects as a user of the node: sockets belong to whom their thread stands for.
func (p place) tries(t *testing.T, uid uintptr, network, host string, port int) error {
	t.Helper()

	var err error

	p.do(func() {
		same := ^uintptr(0)

		_, _, failed := syscall.RawSyscall(unix.SYS_SETRESUID, same, uid, same)
		if failed != 0 {
			err = failed
			return
		}

		err = speak(network, net.JoinHostPort(host, strconv.Itoa(port)))

		_, _, failed = syscall.RawSyscall(unix.SYS_SETRESUID, same, root, same)
		if failed != 0 {
			err = failed
		}
	})

	return err
}

// speak connects, and sends what a datagram's refusal would answer.
func speak(network, address string) error {
	conn, err := net.DialTimeout(network, address, 5*time.Second)
	if err != nil {
		return err
	}

	defer conn.Close()

	_, err = conn.Write([]byte("x"))

	return err
}

func TestAUserReachesNoMoreThanItMay(t *testing.T) {
	g := newGround(t)
	g.outside.run(t, "ip address add "+world+"/32 dev eth1")
	g.inside.run(t, "ip route add "+world+" dev eth1")

	for _, port := range []int{allowed, closed} {
		g.outside.listenAt(t, world, port)
		g.outside.listenAt(t, shop, port)
	}

	reaches := func(uid uintptr, host string, port int) {
		t.Helper()
		require.NoError(t, g.inside.tries(t, uid, "tcp", host, port), "%d to %s:%d", uid, host, port)
	}
	held := func(uid uintptr, network string, port int) {
		t.Helper()
		require.Error(t, g.inside.tries(t, uid, network, world, port), "%d to %s %d", uid, network, port)
	}

	// Without walls: it is they that hold.
	reaches(daemon, world, closed)

	g.view.Leaving = []walls.Leaving{{
		UID:   daemon,
		Ports: []int{allowed},
	}}
	g.raise()

	reaches(daemon, world, allowed)
	held(daemon, "tcp", closed)
	held(daemon, "udp", closed)
	held(daemon, "udp", allowed)

	// Within the stack the receivers' walls hold, and root and who is not named go where they like.
	reaches(daemon, shop, closed)
	reaches(daemon, node, guarded)
	reaches(root, world, closed)
	reaches(free, world, closed)

	// A node that was told no subnet does not know which addresses are the stack's.
	g.view.Network = ""
	g.raise()
	reaches(daemon, world, closed)
}
