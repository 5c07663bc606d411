package api_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
)

// Two members at one port, as all nodes have it, and who asks them.
const (
	lost  = "127.0.0.1"
	stays = "127.0.0.2"
	asks  = "127.0.0.3"
)

// stops is a listener whose connections go on, and get no byte through any more once it is silent: as those of a
// machine that is lost.
type stops struct {
	net.Listener
	silent chan struct{}
}

func (s stops) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}

	return stopped{
		Conn:   conn,
		silent: s.silent,
	}, nil
}

type stopped struct {
	net.Conn
	silent chan struct{}
}

func (s stopped) Write(data []byte) (int, error) {
	select {
	case <-s.silent:
		return len(data), nil
	default:
		return s.Conn.Write(data)
	}
}

// halved is a peer set of two members, of which the first falls silent.
type halved struct {
	*moving
	client *api.Client
	fall   func()
}

func newHalved(t *testing.T) halved {
	set := &moving{
		registry:   registry{t: t},
		generation: 1,
		changed:    make(chan struct{}),
	}

	ca, err := pki.NewCA("half")
	require.NoError(t, err)

	silent := make(chan struct{})
	config := tlsOf(t, ca, "db", peerset.KindMember)

	listener, err := net.Listen("tcp", net.JoinHostPort(lost, "0"))
	require.NoError(t, err)

	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)

	other, err := net.Listen("tcp", net.JoinHostPort(stays, port))
	require.NoError(t, err)

	for _, at := range []net.Listener{stops{listener, silent}, other} {
		server := api.Server{
			Registry: set,
			Log:      slog.New(slog.DiscardHandler),
		}

		go func() { _ = server.Serve(t.Context(), at, config) }()
	}

	number, err := strconv.Atoi(port)
	require.NoError(t, err)

	members := []string{lost, stays}

	return halved{
		moving: set,
		client: api.NewClient(tlsOf(t, ca, "web", peerset.KindClient), asks, number, members),
		fall:   func() { close(silent) },
	}
}

// tlsOf is the second incarnation of the first node of a role, web1 among them.
func tlsOf(t *testing.T, ca pki.Pair, role, kind string) *tls.Config {
	t.Helper()

	pair, err := ca.Issue(pki.Name{
		Stack:       "half",
		Role:        role,
		Node:        role + "-1",
		Incarnation: 2,
		Kind:        kind,
	})
	require.NoError(t, err)

	config, err := pki.PeerTLS(ca.Certificate, pair, "half")
	require.NoError(t, err)

	return config
}

// watch listens to so many members, until all are heard.
func (h halved) watch(t *testing.T, members int) *api.Watcher {
	t.Helper()

	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	watcher := api.Watch(t.Context(), h.client, peerset.Snapshot{}, members, log)

	h.change()
	require.Eventually(t, func() bool { return h.heardBy(watcher) }, 10*time.Second, time.Millisecond)

	return watcher
}

func (h halved) heardBy(watcher *api.Watcher) bool {
	heard := watcher.Snapshot()
	return heard.Quorum && heard.Generation == h.Snapshot().Generation
}

// The machine of the member that a node listens to is lost, and the change is that somebody else takes the writes.
func TestWhoListensToTwoMembersHearsOfAChangeAtOnce(t *testing.T) {
	for members, hears := range map[int]bool{1: false, 2: true} {
		h := newHalved(t)
		watcher := h.watch(t, members)

		h.fall()
		h.change()

		heard := func() bool { return h.heardBy(watcher) }

		if hears {
			require.Eventually(t, heard, 10*time.Second, time.Millisecond)
		} else {
			require.Never(t, heard, time.Second, 10*time.Millisecond, "else a second one is for nothing")
		}
	}
}

// A lease of four seconds is renewed within two: the first member must not take all of them.
func TestASilentMemberLeavesTimeForTheNext(t *testing.T) {
	h := newHalved(t)
	watcher := h.watch(t, 1)
	h.fall()

	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()

	_, _, err := watcher.Hold(ctx, "web.reserved-ip", 4*time.Second)
	require.NoError(t, err)
}

func TestARoundWithoutTimeBeginsWithAnotherMemberNextTime(t *testing.T) {
	h := newHalved(t)
	watcher := h.watch(t, 1)
	h.fall()

	for try := 0; ; try++ {
		// Too little for any second member.
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		err := watcher.Report(ctx, peerset.Report{State: "serving"})

		cancel()

		if err == nil {
			break
		}

		require.Less(t, try, 20, err)
	}
}
