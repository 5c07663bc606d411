package peers_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peers"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
)

// TestMain runs more tests at once than there are processors: they wait for heartbeats and elections most of the time.
func TestMain(m *testing.M) {
	flag.Parse()

	chosen := false
	flag.Visit(func(given *flag.Flag) {
		chosen = chosen || given.Name == "test.parallel"
	})

	if !chosen {
		_ = flag.Set("test.parallel", "4")
	}

	os.Exit(m.Run())
}

// cluster is real dqlite members on loopback addresses of their own, one port for all.
type cluster struct {
	t       *testing.T
	ca      pki.Pair
	network string // the first three numbers of its addresses
	port    int
	dir     string

	mu     sync.Mutex
	stores map[string]*peers.Store // by endpoint: the last that was started there
}

var clusters atomic.Int64

// newCluster makes one that runs beside those of other tests, and of other runs on this machine.
func newCluster(t *testing.T) *cluster {
	ca, err := pki.NewCA("test")
	require.NoError(t, err)

	network := fmt.Sprintf(
		"127.%d.%d.",
		1+os.Getpid()%254,
		clusters.Add(1)%256,
	)

	listener, err := net.Listen("tcp", network+"1:0")
	require.NoError(t, err)
	defer listener.Close()

	return &cluster{
		t:       t,
		ca:      ca,
		network: network,
		port:    listener.Addr().(*net.TCPAddr).Port,
		dir:     t.TempDir(),
		stores:  map[string]*peers.Store{},
	}
}

func (c *cluster) address(number int) string {
	return c.network + strconv.Itoa(10+number)
}

// endpoint is where a member's dqlite listens.
func (c *cluster) endpoint(number int) string {
	return net.JoinHostPort(c.address(number), strconv.Itoa(c.port))
}

func (c *cluster) config(stack, name string, number, incarnation int, join ...string) peers.Config {
	pair, err := c.ca.Issue(pki.Name{
		Stack:       stack,
		Role:        "db",
		Node:        name,
		Incarnation: incarnation,
		Kind:        peerset.KindMember,
	})
	require.NoError(c.t, err)

	config, err := pki.PeerTLS(c.ca.Certificate, pair, stack, membersOnly)
	require.NoError(c.t, err)

	return peers.Config{
		Dir: filepath.Join(c.dir, fmt.Sprintf(
			"%s-%d",
			name,
			incarnation,
		)),
		Stack:          stack,
		Address:        c.address(number),
		Port:           c.port,
		Join:           join,
		TLS:            config,
		Rights:         testRights,
		Log:            debugLog(c.t),
		Refresh:        50 * time.Millisecond,
		NetworkLatency: 20 * time.Millisecond,
		RolesFrequency: 200 * time.Millisecond,
		BeatEvery:      300 * time.Millisecond,
		AliveFor:       time.Second,
	}
}

// testRights are those of the built-in roles: the leases have the names that older members know.
var testRights = peerset.Rights{
	"db": {Driver: "galera", Leases: map[string]string{
		peerset.LeaseWriter:          peerset.LeaseWriter,
		peerset.LeaseGaleraBootstrap: peerset.LeaseGaleraBootstrap,
		peerset.LeaseGaleraJoin:      peerset.LeaseGaleraJoin,
	}},
	"web": {Leases: map[string]string{"wordpress-cron": "wordpress-cron"}},
}

func debugLog(t *testing.T) *slog.Logger {
	all := &slog.HandlerOptions{Level: slog.LevelDebug}
	return slog.New(slog.NewTextHandler(t.Output(), all))
}

func membersOnly(name pki.Name) error {
	return peerset.MemberOnly(name.Kind, name.Role)
}

func (c *cluster) start(config peers.Config) *peers.Store {
	store, err := peers.Open(c.within(20*time.Second), config)
	require.NoError(c.t, err)

	c.mu.Lock()
	defer c.mu.Unlock()

	c.stores[config.Address] = store

	return store
}

func (c *cluster) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(c.t.Context(), d)
	c.t.Cleanup(cancel)

	return ctx
}

// eventually waits until a condition holds. A failure shows how the members saw the peer set last.
func (c *cluster) eventually(within time.Duration, holds func() bool, message ...any) {
	c.t.Helper()

	for deadline := time.Now().Add(within); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().Before(deadline) {
			continue
		}

		for address, store := range c.stores {
			c.t.Logf("the member at %s: %+v", address, store.Snapshot())
		}

		require.Fail(
			c.t,
			"it did not come about within "+within.String(),
			message...,
		)
	}
}

// succeeds waits until an attempt returns no error. A failure shows the last one.
func (c *cluster) succeeds(within time.Duration, attempt func() error) {
	c.t.Helper()

	var err error
	tried := func() bool {
		err = attempt()
		return err == nil
	}

	for deadline := time.Now().Add(within); !tried(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			require.NoError(c.t, err, "within %s", within)
		}
	}
}

func (c *cluster) stop(store *peers.Store) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()

	_ = store.Close(ctx) // handing over fails when the rest is already gone
}

func who(name string, incarnation int) peerset.Identity {
	return peerset.Identity{
		Name:        name,
		Role:        "db",
		Incarnation: incarnation,
	}
}

// joining is the request of a database node.
func (c *cluster) joining(name string, number, incarnation int) peerset.Join {
	return peerset.Join{
		Identity: who(name, incarnation),
		Address:  c.address(number),
		Kind:     peerset.KindMember,
	}
}

func (c *cluster) admit(to *peers.Store, name string, number, incarnation int) peerset.Welcome {
	welcome, err := to.Admit(
		c.within(10*time.Second),
		c.joining(name, number, incarnation),
	)
	require.NoError(c.t, err)

	return welcome
}

func (c *cluster) report(to *peers.Store, name string, incarnation int, report peerset.Report) {
	require.NoError(c.t, to.Report(
		c.within(5*time.Second),
		who(name, incarnation),
		report,
	))
}

// hold takes a lease for a minute, which nobody else holds.
func (c *cluster) hold(at *peers.Store, name string, incarnation int, lease string) peerset.Lease {
	held, ok, err := at.Hold(
		c.within(5*time.Second),
		who(name, incarnation),
		lease,
		time.Minute,
	)
	require.NoError(c.t, err)
	require.True(c.t, ok)

	return held
}

func (c *cluster) member(to *peers.Store, name string, number, incarnation int) *peers.Store {
	welcome := c.admit(to, name, number, incarnation)
	return c.start(c.config(
		"test",
		name,
		number,
		incarnation,
		welcome.Members...,
	))
}

// founder starts the first member, db-1, and lets it in.
func (c *cluster) founder() *peers.Store {
	store := c.start(c.config("test", "db-1", 1, 1))
	c.admit(store, "db-1", 1, 1)

	return store
}

func ptr[T any](value T) *T { return &value }

func writeFile(t *testing.T, path, text string) {
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}
