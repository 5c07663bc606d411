package peers

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/canonical/go-dqlite/v2/client"
	"github.com/canonical/go-dqlite/v2/driver"
)

// dialTimeout is how long a member waits for another to take a connection. go-dqlite looks for a new leader by asking the last
// one first: without a limit of its own a machine that vanished uses all the time up that an attempt has.
const dialTimeout = 250 * time.Millisecond

// database opens the store through a driver like that of go-dqlite's app, whose dial and whose pauses it bounds: a new leader is
// found soon after it is there.
func (c Config) database() (*sql.DB, error) {
	dial := client.DialFuncWithTLS(dialSoon, c.dialTLS())
	made, err := driver.New(nodes(filepath.Join(c.Dir, "cluster.yaml")), driver.WithDialFunc(driver.DialFunc(dial)), driver.WithLogFunc(c.logDqlite),
		driver.WithConnectionBackoffFactor(c.NetworkLatency), driver.WithConnectionBackoffCap(4*c.NetworkLatency))
	if err != nil {
		return nil, err
	}
	connector, err := made.OpenConnector(database)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func dialSoon(ctx context.Context, address string) (net.Conn, error) {
	connection, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return bounded{connection}, nil
}

// bounded is a connection whose last deadline stands until there is another. go-dqlite sets one for each statement and takes it
// back after it, but commits and rolls back without any: a leader that vanishes then, or that has no majority to write with, would
// hold whoever waits for it for ever, and this member's next transaction behind it.
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
func (nodes) Set(context.Context, []client.NodeInfo) error { return nil }
