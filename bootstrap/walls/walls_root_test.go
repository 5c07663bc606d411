//go:build root

package walls_test

import (
	"context"
	"net"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/bootstrap/walls"
	"github.com/hornero/hornero/roles"
)

// The node's address, and where others of its network come from.
const (
	node      = "10.1.0.2"
	shop      = "10.1.0.6"
	another   = "10.1.0.7"
	stranger  = "10.1.0.99"
	guarded   = 7001
	operators = 7022
	counted   = 7003
)

// place is a network namespace, with a thread in it.
type place struct {
	work   chan func()
	thread int
}

// newPlace makes a namespace, which ends with the test.
func newPlace(t *testing.T) place {
	p := place{work: make(chan func())}
	ready := make(chan error)

	go func() {
		runtime.LockOSThread() // and never unlocked: the namespace ends with the thread

		p.thread = unix.Gettid()
		ready <- unix.Unshare(unix.CLONE_NEWNET)

		for work := range p.work {
			work()
		}
	}()

	require.NoError(t, <-ready)
	t.Cleanup(func() { close(p.work) })

	return p
}

// do does something in the namespace.
func (p place) do(work func()) {
	done := make(chan struct{})
	p.work <- func() {
		defer close(done)

		work()
	}
	<-done
}

func (p place) run(t *testing.T, line string) {
	t.Helper()

	var out []byte
	var err error

	words := strings.Fields(line)
	p.do(func() { out, err = exec.Command(words[0], words[1:]...).CombinedOutput() })
	require.NoError(t, err, "%s: %s", line, out)
}

// listen has somebody listen at a port who answers each line with the same.
func (p place) listen(t *testing.T, port int) {
	t.Helper()
	p.listenAt(t, node, port)
}

func (p place) listenAt(t *testing.T, address string, port int) {
	t.Helper()

	var listener net.Listener
	var err error

	p.do(func() { listener, err = net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port))) })
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })

	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}

			t.Cleanup(func() { conn.Close() })

			go func() {
				buffer := make([]byte, 64)

				for {
					n, err := conn.Read(buffer)
					if err != nil {
						return
					}

					_, _ = conn.Write(buffer[:n])
				}
			}()
		}
	}()
}

// dial connects from an address.
func (p place) dial(t *testing.T, from string, port int, patience time.Duration) (conn net.Conn, err error) {
	dialer := net.Dialer{
		Timeout:   patience,
		LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)},
	}

	p.do(func() { conn, err = dialer.Dial("tcp", net.JoinHostPort(node, strconv.Itoa(port))) })

	if err == nil {
		t.Cleanup(func() { conn.Close() })
	}

	return conn, err
}

// reaches connects, and says whether something answers.
func (p place) reaches(t *testing.T, from string, port int) net.Conn {
	t.Helper()

	conn, err := p.dial(t, from, port, 10*time.Second)
	require.NoError(t, err, "%s to %d", from, port)
	echo(t, conn)

	return conn
}

func echo(t *testing.T, conn net.Conn) {
	t.Helper()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))

	_, err := conn.Write([]byte("x"))
	require.NoError(t, err)

	_, err = conn.Read(make([]byte, 1))
	require.NoError(t, err)
}

// pings holds that an echo is answered.
func (p place) pings(t *testing.T, from string) {
	t.Helper()

	var conn net.PacketConn
	var err error

	p.do(func() { conn, err = net.ListenPacket("ip4:icmp", from) })
	require.NoError(t, err)

	defer conn.Close()

	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))

	// Type and code of an echo, checksum, its number and the message's (RFC 792).
	echo := []byte{8, 0, 0xf7, 0xfd, 0, 1, 0, 1}
	_, err = conn.WriteTo(echo, &net.IPAddr{IP: net.ParseIP(node)})
	require.NoError(t, err)

	answer := make([]byte, 64)
	_, _, err = conn.ReadFrom(answer)
	require.NoError(t, err)
	require.Zero(t, answer[0], "an echo's reply")
}

// heldBack holds that an address gets no answer at a port.
func (p place) heldBack(t *testing.T, from string, port int) {
	t.Helper()

	_, err := p.dial(t, from, port, 500*time.Millisecond)
	require.Error(t, err, "%s to %d", from, port)

	failed := new(net.OpError)
	require.ErrorAs(t, err, &failed)
	require.True(t, failed.Timeout(), "%s to %d: %v", from, port, err)
}

// network is a node with its walls, and a place from which all others come.
func network(t *testing.T) (inside, outside place) {
	inside, outside = newPlace(t), newPlace(t)

	inside.run(t, "ip link add eth1 type veth peer name eth1 netns "+strconv.Itoa(outside.thread))
	inside.run(t, "ip address add "+node+"/24 dev eth1")
	inside.run(t, "ip link set eth1 up")
	inside.run(t, "ip link set lo up")

	for _, address := range []string{shop, another, stranger} {
		outside.run(t, "ip address add "+address+"/24 dev eth1")
	}

	outside.run(t, "ip link set eth1 up")

	for _, port := range []int{guarded, operators, counted} {
		inside.listen(t, port)
	}

	return inside, outside
}

// ground is a node behind its walls, and others around it.
type ground struct {
	t               *testing.T
	inside, outside place
	view            walls.View
}

func newGround(t *testing.T) *ground {
	inside, outside := network(t)

	count := from(counted, "shop", "other")
	count.Connections = 3

	return &ground{
		t:       t,
		inside:  inside,
		outside: outside,
		view: view(
			from(guarded, "shop"),
			from(operators, roles.FromOperator),
			count,
		),
	}
}

// from is a port with who may reach it.
func from(port int, words ...string) roles.Port {
	return roles.Port{
		Port: port,
		From: words,
	}
}

func (g *ground) raise() {
	g.t.Helper()

	var err error
	g.inside.do(func() { err = walls.Nft(g.t.Context(), g.view.Rules()) })
	require.NoError(g.t, err, g.view.Rules())
}

func (g *ground) stands() (yes bool) {
	g.inside.do(func() { yes = walls.Nft(g.t.Context(), "") == nil })
	return yes
}

func TestWallsHold(t *testing.T) {
	g := newGround(t)
	outside := g.outside

	// Without walls everybody comes in: it is they that hold.
	require.False(t, g.stands())
	outside.reaches(t, another, guarded)
	early := outside.reaches(t, stranger, guarded)

	g.raise()
	require.True(t, g.stands())
	echo(t, early) // what is open stays open

	outside.reaches(t, shop, guarded)
	outside.heldBack(t, another, guarded)
	outside.heldBack(t, stranger, guarded)

	// Whoever may log in is no node of the stack.
	outside.reaches(t, stranger, operators)
	outside.heldBack(t, shop, operators)

	// The node itself, and who asks it for a sign of life.
	g.inside.reaches(t, node, guarded)
	outside.pings(t, another)
}

func TestWallsCountConnections(t *testing.T) {
	g := newGround(t)
	g.raise()

	for range 3 {
		g.outside.reaches(t, shop, counted)
	}

	_, err := g.outside.dial(t, shop, counted, 10*time.Second)
	require.ErrorIs(t, err, unix.ECONNREFUSED)

	g.outside.reaches(t, another, counted) // it has a count of its own
	require.True(t, g.stands(), "they can be listed with what they count")
}

func TestWallsFollowThePeerSet(t *testing.T) {
	g := newGround(t)
	g.raise()
	open := g.outside.reaches(t, shop, guarded)

	moved := peerset.Peer{
		Role:    "shop",
		Address: another,
	}
	g.view.Peers = []peerset.Peer{moved}
	g.raise()

	g.outside.reaches(t, another, guarded)
	g.outside.heldBack(t, shop, guarded)
	g.outside.reaches(t, shop, operators) // it is no peer any more
	echo(t, open)
}

func TestWallsComeBack(t *testing.T) {
	g := newGround(t)
	g.raise()
	open := g.outside.reaches(t, shop, guarded)

	g.inside.run(t, "nft flush ruleset")
	require.False(t, g.stands())
	g.outside.reaches(t, stranger, guarded)

	g.raise()
	g.outside.heldBack(t, stranger, guarded)
	echo(t, open)
}

func TestRulesThatNftRefusesAreAnError(t *testing.T) {
	inside := newPlace(t)

	var err error
	inside.do(func() { err = walls.Nft(t.Context(), "table of nothing\n") })
	require.ErrorContains(t, err, "syntax error")
}

// A node that is too busy to ask is not one without walls.
func TestANftThatWasEndedTellsNothing(t *testing.T) {
	inside := newPlace(t)
	ctx, cancel := context.WithCancel(t.Context())

	var gone, unknown error
	inside.do(func() { gone = walls.Nft(ctx, "") })
	require.ErrorContains(t, gone, "No such file or directory")

	cancel()
	inside.do(func() { unknown = walls.Nft(ctx, "") })
	require.NoError(t, unknown)
}
