package api_test

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
)

// moving is a peer set that is larger than what one write takes, and that changes.
type moving struct {
	registry
	mu         sync.Mutex
	generation uint64
	changed    chan struct{}
}

func (m *moving) Snapshot() peerset.Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()

	return peerset.Snapshot{
		Founded:    "f",
		Quorum:     true,
		Generation: m.generation,
		Settings:   map[string]string{"long": strings.Repeat("x", 100<<10)},
	}
}

func (m *moving) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

func (m *moving) change() {
	m.mu.Lock()
	defer m.mu.Unlock()

	m.generation++
	close(m.changed)

	m.changed = make(chan struct{})
}

type counting struct {
	net.Listener
	accepted atomic.Int64
}

func (c *counting) Accept() (net.Conn, error) {
	connection, err := c.Listener.Accept()
	if err == nil {
		c.accepted.Add(1)
	}

	return connection, err
}

func TestAWatcherKeepsItsConnection(t *testing.T) {
	ca, err := pki.NewCA("bench")
	require.NoError(t, err)

	member, err := ca.Issue(pki.Name{
		Stack:       "bench",
		Role:        "db",
		Node:        "db-1",
		Incarnation: 1,
		Kind:        peerset.KindMember,
	})
	require.NoError(t, err)

	client, err := ca.Issue(pki.Name{
		Stack:       "bench",
		Role:        "web",
		Node:        "web-1",
		Incarnation: 1,
		Kind:        peerset.KindClient,
	})
	require.NoError(t, err)

	serves, err := pki.PeerTLS(ca.Certificate, member, "bench")
	require.NoError(t, err)

	asks, err := pki.PeerTLS(ca.Certificate, client, "bench")
	require.NoError(t, err)

	plain, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)

	// Each connection is counted as it is accepted.
	listener := &counting{Listener: plain}

	set := &moving{
		registry:   registry{t: t},
		generation: 1,
		changed:    make(chan struct{}),
	}

	go func() {
		_ = api.Server{
			Registry: set,
			Log:      slog.New(slog.DiscardHandler),
		}.Serve(
			t.Context(),
			listener,
			serves,
		)
	}()

	_, port, err := net.SplitHostPort(plain.Addr().String())
	require.NoError(t, err)

	number, err := strconv.Atoi(port)
	require.NoError(t, err)

	watcher := api.Watch(
		t.Context(),
		api.NewClient(asks, "127.0.0.1", number, []string{"127.0.0.1"}),
		peerset.Snapshot{},
		1,
		slog.New(slog.NewTextHandler(t.Output(), nil)),
	)

	for range 5 {
		set.change()
		want := set.Snapshot().Generation
		require.Eventually(t,
			func() bool {
				return watcher.Snapshot().Generation == want
			},
			5*time.Second,
			time.Millisecond,
			fmt.Sprint(want),
		)
	}

	require.EqualValues(t, 1, listener.accepted.Load(), "connections")
}
