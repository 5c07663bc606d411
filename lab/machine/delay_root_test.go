//go:build root

package machine_test

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netns"

	"github.com/hornero/hornero/lab/machine"
)

const (
	late = 40 * time.Millisecond
	// slack is what a busy computer adds to a round trip.
	slack = 35 * time.Millisecond
)

// listenIn listens inside a station's network, and answers each connection with what it gets.
func (l *testLab) listenIn(station string, address netip.Addr) string {
	l.t.Helper()
	opened := make(chan net.Listener, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		defer close(opened)

		namespace, err := netns.GetFromName(l.Namespace(station))
		if err != nil {
			return
		}
		defer namespace.Close()

		if netns.Set(namespace) != nil {
			return
		}

		if listener, err := net.Listen("tcp", netip.AddrPortFrom(address, 0).String()); err == nil {
			opened <- listener
		}
	}()

	listener, ok := <-opened
	require.True(l.t, ok, "listen in the network of %s", station)
	l.t.Cleanup(func() { listener.Close() })

	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}

			go func() {
				defer connection.Close()

				io.Copy(connection, connection)
			}()
		}
	}()

	return listener.Addr().String()
}

// roundTrips measures how long bytes take there and back, one after the other.
func (l *testLab) roundTrips(from int, to string, times int) []time.Duration {
	l.t.Helper()
	connection, err := l.DialIn(l.t.Context(), from, "tcp", to)
	require.NoError(l.t, err)
	defer connection.Close()

	took := []time.Duration{}

	for range times {
		require.NoError(l.t, connection.SetDeadline(time.Now().Add(5*time.Second)))
		begun := time.Now()
		_, err = connection.Write([]byte{1})
		require.NoError(l.t, err)

		_, err = io.ReadFull(connection, make([]byte, 1))
		require.NoError(l.t, err)

		took = append(took, time.Since(begun))
	}

	return took
}

// between requires the quickest round trip to take this long, and not much longer.
func (l *testLab) between(from int, to string, least time.Duration) {
	l.t.Helper()
	quickest := slices.Min(l.roundTrips(from, to, 5))
	require.GreaterOrEqual(l.t, quickest, least)
	require.Less(l.t, quickest, least+slack)
}

func (l *testLab) inFabric(line string) string {
	l.t.Helper()

	text, err := exec.Command(
		"ip",
		"netns",
		"exec",
		"hornero-"+labName,
		"sh",
		"-c",
		line,
	).CombinedOutput()
	require.NoError(l.t, err, "%s", text)

	return string(text)
}

// ports is all that is to be seen of the fabric's links. What ip says of peers that it cannot name changes while
// other labs come and go.
func (l *testLab) ports() string {
	return l.inFabric(
		"exec 2>/dev/null; ip -o link | sort; ip link | grep alias; grep . /proc/sys/net/ipv4/conf/*/arp_ignore",
	)
}

func TestLateLinks(t *testing.T) {
	l := newLab(t)
	a, b := l.droplet(100001, nil).Attachment, l.droplet(100002, nil).Attachment
	require.NoError(t, l.Attach("100001", a))
	require.NoError(t, l.Attach("100002", b))

	private, public := l.listenIn("100002", b.Private), l.listenIn("100002", b.Public)
	before := l.ports()
	l.between(100001, private, 0)

	require.NoError(t,
		l.SetDelays([]machine.Delay{{
			Droplets: []int{100001},
			Network:  "vpc",
			By:       late,
		}}),
	)

	l.between(100001, private, 2*late)
	l.between(100001, public, 0)

	require.NoError(t,
		l.SetDelays([]machine.Delay{
			{
				Droplets: []int{100001, 100002},
				By:       late / 2,
			},
			{
				Droplets: []int{100001},
				By:       late / 2,
			},
		}),
	)

	l.between(100001, private, 3*late)
	l.between(100001, public, 3*late)
	l.bulk(private)
	l.bulk(public)

	t.Log("jitter")

	require.NoError(t,
		l.SetDelays([]machine.Delay{{
			Droplets: []int{100001},
			By:       late,
			Jitter:   late / 2,
		}}),
	)

	trips := l.roundTrips(100001, private, 20)
	require.GreaterOrEqual(t, slices.Min(trips), late)

	require.Greater(t,
		slices.Max(trips)-slices.Min(trips),
		late/4,
	)

	t.Log("rules by the port's name still hold")

	require.NoError(t, l.SetLosses(
		t.Context(),
		[]machine.Loss{{
			From:    []int{100001},
			Network: "vpc",
			Percent: 100,
		}},
	))

	_, err := dialFor(l, 100001, private)
	require.Error(t, err)
	require.NoError(t, l.SetLosses(t.Context(), nil))

	t.Log("cables")

	require.NoError(t, l.SetDelays([]machine.Delay{{
		Droplets: []int{100001},
		By:       late,
	}}))

	require.NoError(t, l.Links(100001, false))

	_, err = dialFor(l, 100001, private)
	require.Error(t, err)
	require.NoError(t, l.Links(100001, true))
	require.NoError(t, l.Up(t.Context()))
	l.between(100001, private, 2*late)
	require.NoError(t, l.Attach("100001", a))
	l.between(100001, private, 2*late)
	require.NoError(t, l.SetDelays(nil))
	l.between(100001, private, 0)
	require.Equal(t, before, l.ports(), "lifted without trace")

	l.lateLinkGoesAndComesAgain(a, private)
}

func (l *testLab) lateLinkGoesAndComesAgain(a machine.Attachment, private string) {
	l.t.Helper()
	l.t.Log("one that goes and comes again")

	require.NoError(l.t, l.SetDelays([]machine.Delay{{
		Droplets: []int{100001},
		By:       late,
	}}))

	require.NoError(l.t, l.Detach(l.t.Context(), "100001", a))
	require.NotContains(l.t, l.inFabric("ip -o link"), "100001")
	require.NoError(l.t, l.Attach("100001", a))
	l.between(100001, private, 2*late)

	require.NoError(l.t,
		l.SetDelays([]machine.Delay{{
			Droplets: []int{100009},
			By:       late,
		}}),
		"one that is not there yet",
	)

	l.between(100001, private, 0)
}

func dialFor(l *testLab, from int, to string) (net.Conn, error) {
	done := make(chan error, 1)
	var connection net.Conn
	go func() {
		var err error
		connection, err = l.DialIn(l.t.Context(), from, "tcp", to)
		done <- err
	}()

	select {
	case err := <-done:
		return connection, err
	case <-time.After(time.Second):
		return nil, os.ErrDeadlineExceeded
	}
}

// bulk sends 20 MB there and back, uncut: most of it goes through the relay in frames larger than a packet.
func (l *testLab) bulk(to string) {
	l.t.Helper()
	connection, err := l.DialIn(l.t.Context(), 100001, "tcp", to)
	require.NoError(l.t, err)
	defer connection.Close()

	require.NoError(l.t, connection.SetDeadline(time.Now().Add(time.Minute)))

	before, begun := l.counted(), time.Now()
	sent, got := sha256.New(), sha256.New()
	const size = 20 << 20
	failed := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.MultiWriter(connection, sent), rand.Reader, size)
		failed <- err
	}()

	_, err = io.CopyN(got, connection, size)
	require.NoError(l.t, err)
	require.NoError(l.t, <-failed)

	require.Equal(
		l.t,
		sent.Sum(nil),
		got.Sum(nil),
	)

	after := l.counted()
	frame := (after[0] - before[0]) / (after[1] - before[1])
	l.t.Logf(
		"20 MB there and back in %s, %d bytes a frame",
		time.Since(begun).Round(time.Millisecond),
		frame,
	)

	require.Greater(l.t, frame, 2000, "frames are carried uncut")
}

// counted are the bytes and frames that the late Droplet's TAPs carried both ways.
func (l *testLab) counted() [2]int {
	l.t.Helper()
	var sums [2]int

	for i, what := range []string{"bytes", "packets"} {
		for _, port := range []string{"p100001", "v100001"} {
			for n := range strings.FieldsSeq(
				l.inFabric(fmt.Sprintf("cat /sys/class/net/%s/statistics/?x_%s", port, what)),
			) {
				value, err := strconv.Atoi(n)
				require.NoError(l.t, err)
				sums[i] += value
			}
		}
	}

	return sums
}
