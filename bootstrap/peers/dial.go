package peers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/canonical/go-dqlite/v2/client"
	"github.com/canonical/go-dqlite/v2/driver"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// dialTimeout is how long a member waits for another to take a connection. go-dqlite looks for a new leader by
// asking the last one first: without a limit of its own a machine that vanished uses all the time up that an
// attempt has.
const dialTimeout = 250 * time.Millisecond

// departed are the addresses of members that were seen to go, as far as no other node has them now. libdqlite tries
// to connect to a member that was removed for as long as it runs.
type departed struct {
	mu        sync.Mutex
	addresses map[string]bool
}

// note compares who was a member with who is.
func (d *departed) note(was, now peerset.Snapshot) {
	d.mu.Lock()
	defer d.mu.Unlock()

	for _, peer := range was.Peers {
		if peer.Kind == peerset.KindMember {
			d.addresses[peer.Address] = true
		}
	}

	// A node that joined since may have got an address of one that went.
	for _, peer := range now.Peers {
		delete(d.addresses, peer.Address)
	}
}

func (d *departed) has(address string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.addresses[address]
}

var errDeparted = errors.New("no member is at this address any more")

// dialMembers connects to other members, or gives up soon. go-dqlite lets one connection at a time be made in
// the whole process, and libdqlite makes them in the threads that write its log: members that vanished would
// keep new ones from joining, and the peer set from writing.
func (c Config) dialMembers(gone *departed) client.DialFunc {
	dialer := net.Dialer{Timeout: dialTimeout}

	dial := func(ctx context.Context, endpoint string) (net.Conn, error) {
		if host, _, err := net.SplitHostPort(endpoint); err == nil && gone.has(host) {
			// An attempt would take the whole timeout, and hold up the connections to members that live.
			return nil, fmt.Errorf("connect to %s: %w", endpoint, errDeparted)
		}

		return dialer.DialContext(ctx, "tcp", endpoint)
	}

	return client.DialFuncWithTLS(dial, c.dialTLS())
}

// database opens the store through a driver like that of go-dqlite's app, whose pauses it bounds: a new leader
// is found soon after it is there.
func (c Config) database(dial client.DialFunc) (*sql.DB, error) {
	bound := func(ctx context.Context, endpoint string) (net.Conn, error) {
		connection, err := dial(ctx, endpoint)
		if err != nil {
			return nil, err
		}

		return bounded{connection}, nil
	}

	members := nodes(filepath.Join(c.Dir, "cluster.yaml"))

	// The driver's own pauses grow to a second. With them the first write after a leader's death came 0.4 s later.
	made, err := driver.New(members,
		driver.WithDialFunc(bound),
		driver.WithLogFunc(c.logDqlite),
		driver.WithConnectionBackoffFactor(c.NetworkLatency),
		driver.WithConnectionBackoffCap(4*c.NetworkLatency),
	)
	if err != nil {
		return nil, err
	}

	connector, err := made.OpenConnector(database)
	if err != nil {
		return nil, err
	}

	return sql.OpenDB(connector), nil
}

// bounded is a connection whose last deadline stands until there is another. go-dqlite sets one for each
// statement and takes it back after it, but commits and rolls back without any: a leader that vanishes then, or
// that has no majority to write with, would hold its caller for ever, and this member's next
// transaction behind it.
type bounded struct{ net.Conn }

// SetDeadline sets a deadline, and takes none back.
func (b bounded) SetDeadline(t time.Time) error {
	if t.IsZero() {
		return nil
	}

	return b.Conn.SetDeadline(t)
}

// nodes is the file in which go-dqlite's app keeps who is in consensus, read anew each time.
type nodes string

// Get returns who is in consensus.
func (n nodes) Get(ctx context.Context) ([]client.NodeInfo, error) {
	store, err := client.NewYamlNodeStore(string(n))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", string(n), err)
	}

	return store.Get(ctx)
}

// Set does nothing: the app writes the file.
func (nodes) Set(context.Context, []client.NodeInfo) error {
	return nil
}
