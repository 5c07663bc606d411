// Package peers is the peer set on embedded dqlite: members, leases and settings in consensus. It is the only
// importer of go-dqlite. It knows names, incarnations and epochs, and nothing of what a role does with them.
package peers

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/canonical/go-dqlite/v2/app"
	"github.com/canonical/go-dqlite/v2/client"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Defaults, which a test shortens.
const (
	DefaultRefresh        = 250 * time.Millisecond // how often a member reads generation, renewals and beats
	DefaultLeadership     = 2 * time.Second        // how often a member looks who leads and who votes
	DefaultNetworkLatency = 20 * time.Millisecond  // dqlite's unit: a dead leader is replaced in 0.6 s instead of 4.4 s (measured)
	DefaultRolesFrequency = 2 * time.Second        // how soon a stand-by takes a lost voter's place
	DefaultAliveFor       = 5 * time.Second        // a peer with no heartbeat for as long is not alive
	DefaultQuorumFor      = 3 * time.Second        // a snapshot not refreshed for as long is only remembered
	voters                = 3
	standBys              = 3
	database              = "hornero"
)

// Config is what a member needs.
type Config struct {
	Dir     string // 0700; dqlite's files
	Stack   string
	Address string      // this node's, in the VPC
	Port    int         // dqlite's
	Join    []string    // VPC addresses of members; empty founds, or reopens what Dir holds
	TLS     *tls.Config // from pki.PeerTLS
	Log     *slog.Logger

	Refresh, Leadership, NetworkLatency, RolesFrequency, AliveFor, QuorumFor time.Duration
}

func (c *Config) defaults() {
	for field, value := range map[*time.Duration]time.Duration{
		&c.Refresh: DefaultRefresh, &c.Leadership: DefaultLeadership, &c.NetworkLatency: DefaultNetworkLatency, &c.RolesFrequency: DefaultRolesFrequency,
		&c.AliveFor: DefaultAliveFor, &c.QuorumFor: DefaultQuorumFor,
	} {
		if *field == 0 {
			*field = value
		}
	}
}

// Store is a member of the peer set. It implements peerset.Registry.
type Store struct {
	config   Config
	app      *app.App
	db       *sql.DB
	stop     context.CancelFunc
	done     chan struct{}
	looked   time.Time     // when watch last saw who leads and who votes
	patience time.Duration // of watch, for its next look
	// writing has room for one: the transaction under way.
	writing chan struct{}

	mu       sync.Mutex
	snapshot peerset.Snapshot
	changed  chan struct{}
	fresh    time.Time
	beats    map[string]sighting // by peer and incarnation
	renewals map[string]sighting // by lease and epoch
}

// sighting is a counter and when this process first saw it at that value, on its own monotonic clock.
type sighting struct {
	value int64
	since time.Time
	moved bool // it was seen to change: a counter that only stands there says nothing of life
}

// Known tells whether a folder holds a member that once joined or founded.
func Known(dir string) bool {
	for _, name := range []string{"info.yaml", "cluster.yaml"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	_, joining := os.Stat(filepath.Join(dir, "join"))
	return joining != nil
}

// Open founds (no Join, empty Dir), joins, or comes back as a member, and returns once this node is one.
func Open(ctx context.Context, config Config) (*Store, error) {
	config.defaults()
	if err := prepare(config.Dir); err != nil {
		return nil, fmt.Errorf("open peer set: %w", err)
	}
	founding := len(config.Join) == 0 && !Known(config.Dir)
	node, err := app.New(config.Dir, config.options()...)
	if err != nil {
		return nil, fmt.Errorf("open peer set: %w", err)
	}
	if !Known(config.Dir) || founding {
		if err := node.Ready(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("join peer set: %w", err), node.Close())
		}
	}
	db, err := config.database()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open peer set: %w", err), node.Close())
	}
	s := &Store{config: config, app: node, db: db, done: make(chan struct{}), writing: make(chan struct{}, 1), changed: make(chan struct{}),
		beats: map[string]sighting{}, renewals: map[string]sighting{}, snapshot: peerset.Snapshot{Stack: config.Stack}}
	if founding {
		if err := s.found(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("found peer set: %w", err), node.Close())
		}
	}
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	go s.watch(watch)
	return s, nil
}

// prepare removes what a crash between the two identity files left: dqlite's app rejects one without the other.
func prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if Known(dir) {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (c Config) options() []app.Option {
	options := []app.Option{
		app.WithAddress(c.endpoint(c.Address)),
		app.WithTLS(c.TLS, c.dialTLS()),
		app.WithVoters(voters),
		app.WithStandBys(standBys),
		app.WithNetworkLatency(c.NetworkLatency),
		app.WithRolesAdjustmentFrequency(c.RolesFrequency),
		app.WithAutoRecovery(false), // it can lose data
		app.WithLogFunc(c.logDqlite),
	}
	if len(c.Join) > 0 {
		endpoints := make([]string, len(c.Join))
		for i, address := range c.Join {
			endpoints[i] = c.endpoint(address)
		}
		options = append(options, app.WithCluster(endpoints))
	}
	return options
}

// dialTLS is the client's side: go-dqlite takes a configuration with ClientCAs for a server's.
func (c Config) dialTLS() *tls.Config {
	dial := c.TLS.Clone()
	dial.ClientCAs = nil
	return dial
}

func (c Config) endpoint(address string) string {
	return net.JoinHostPort(address, strconv.Itoa(c.Port))
}

func (c Config) logDqlite(level client.LogLevel, format string, args ...any) {
	c.Log.Debug("dqlite", "level", level.String(), "message", fmt.Sprintf(format, args...))
}

// Close hands this member's duties over and leaves the consensus' data on disk.
func (s *Store) Close(ctx context.Context) error {
	s.stop()
	<-s.done
	handover := s.app.Handover(ctx)
	return errors.Join(handover, s.db.Close(), s.app.Close())
}

// Snapshot returns the last known snapshot.
func (s *Store) Snapshot() peerset.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	snapshot := s.snapshot.Clone()
	snapshot.Quorum = time.Since(s.fresh) < s.config.QuorumFor
	return snapshot
}

// Changed returns a channel that is closed when there is a newer snapshot.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}
