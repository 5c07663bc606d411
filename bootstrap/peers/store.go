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

	"github.com/canonical/go-dqlite/v2"
	"github.com/canonical/go-dqlite/v2/app"
	"github.com/canonical/go-dqlite/v2/client"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/pause"
)

// Defaults, which a test shortens.
const (
	// how often a member reads generation and counters, when nobody tells it of news
	DefaultRefresh    = 500 * time.Millisecond
	DefaultLeadership = 2 * time.Second // how often a member looks who leads and who votes
	// dqlite's unit: a heartbeat is 3 of it (heartbeat.go), a dead leader is missed after 15 to 30, and up to 3 more
	DefaultNetworkLatency = 57 * time.Millisecond
	DefaultRolesFrequency = 10 * time.Second        // how soon a stand-by takes a lost voter's place
	DefaultHandOver       = 5 * time.Second         // how long a member leads that is not to, before it hands over
	DefaultBeatEvery      = 1500 * time.Millisecond // how often a member writes down who gave it a heartbeat
	DefaultAliveFor       = 5 * time.Second         // a peer with no heartbeat for as long is not alive
	DefaultHandshake      = 5 * time.Second         // a connection whose TLS handshake takes longer is ended
	DefaultQuorumFor      = 3 * time.Second         // a snapshot not refreshed for as long is only remembered
	voters                = 3
	standBys              = 3
	database              = "hornero"
	// snapshotAfter and logKept bound what dqlite keeps in memory and on disk, in log entries of some 8 KiB,
	// with 200 nodes of 40: its defaults, 1024 and 8192, come to 70 MiB and more. The store itself is under 1
	// MiB, so who lags behind gets it whole. With 32 of them a member that joined with an empty disk once died
	// of an assertion in raft (log.c, refs_get).
	snapshotAfter = 128
	logKept       = 128 // no less than snapshotAfter
)

// Config is what a member needs.
type Config struct {
	Dir     string // 0700; dqlite's files
	Stack   string
	Node    string      // this node's name
	Era     int         // of the peer set that is joined; a member that comes back knows its own
	Address string      // this node's, in the VPC
	Port    int         // dqlite's
	Join    []string    // VPC addresses of members; empty founds, or reopens what Dir holds
	TLS     *tls.Config // from pki.PeerTLS
	Log     *slog.Logger
	// Refused is told of connections that are refused before they show a certificate; nil for nobody. TLS
	// itself tells of the rest.
	Refused func(peerset.Refusal)
	// Tell is called after this member changed something, so that the others are told; nil for nobody. It must
	// not block.
	Tell func()
	// Pass gives heartbeats, by name and incarnation, to the agent at another member's address; nil when there
	// is no way to.
	Pass func(ctx context.Context, member string, beats map[string]int) error
	// Shun names the nodes that are not to lead while another voter can, so that one fault takes no leader
	// along; nil for none.
	Shun func(peerset.Snapshot) []string

	Refresh, Leadership, NetworkLatency, RolesFrequency, HandOver, BeatEvery, AliveFor, QuorumFor, Handshake time.Duration
}

func (c *Config) defaults() {
	for field, value := range map[*time.Duration]time.Duration{
		&c.Refresh:        DefaultRefresh,
		&c.Leadership:     DefaultLeadership,
		&c.NetworkLatency: DefaultNetworkLatency,
		&c.RolesFrequency: DefaultRolesFrequency,
		&c.HandOver:       DefaultHandOver,
		&c.BeatEvery:      DefaultBeatEvery,
		&c.AliveFor:       DefaultAliveFor,
		&c.QuorumFor:      DefaultQuorumFor,
		&c.Handshake:      DefaultHandshake,
	} {
		if *field == 0 {
			*field = value
		}
	}

	if c.Tell == nil {
		c.Tell = func() {}
	}

	if c.Refused == nil {
		c.Refused = func(peerset.Refusal) {}
	}

	if c.Shun == nil {
		c.Shun = func(peerset.Snapshot) []string { return nil }
	}
}

// Store is a member of the peer set. It implements peerset.Registry.
type Store struct {
	config   Config
	app      *app.App
	gate     *gate
	gone     *departed
	db       *sql.DB
	stop     context.CancelFunc
	done     sync.WaitGroup
	patience time.Duration // of watch, for its next look
	leads    leadership
	// writing has room for one: the transaction under way.
	writing chan struct{}
	// Only the transaction under way touches these.
	bumped bool       // it makes a new generation
	grown  bool       // the schema is this version's, or a newer one's
	news   pause.Bell // the peer set is to be read now
	given  pause.Bell // another member passed heartbeats on

	mu       sync.Mutex
	snapshot peerset.Snapshot
	changed  chan struct{}
	fresh    time.Time
	beats    map[string]sighting       // by peer and incarnation
	renewals map[string]sighting       // by lease and epoch
	wrote    map[string]peerset.Report // by node: what it reported last to this member
	heard    map[string]int            // incarnations, by name: who gave a heartbeat that is not written down yet
}

// sighting is a counter and when this process first saw it at that value, on its own monotonic clock.
type sighting struct {
	value int64
	since time.Time
	moved bool // it was seen to change: a counter that only stands there says nothing of life
}

// Known tells whether a folder holds a member that once joined or founded, or is to be given one that was rebuilt.
func Known(dir string) bool {
	_, err := os.Stat(dir + rebuilt)
	return err == nil || known(dir)
}

func known(dir string) bool {
	for _, name := range []string{"info.yaml", "cluster.yaml"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}

	_, joining := os.Stat(filepath.Join(dir, "join"))

	return joining != nil && !torn(dir)
}

// Open founds (no Join, empty Dir), joins, or comes back as a member, and returns once this node is one.
func Open(ctx context.Context, config Config) (*Store, error) {
	config.defaults()

	if err := errors.Join(
		install(config.Dir),
		prepare(config.Dir),
	); err != nil {
		return nil, fmt.Errorf("open peer set: %w", err)
	}

	founding, err := config.founds()
	if err != nil {
		return nil, fmt.Errorf("open peer set: %w", err)
	}

	if config.Era, err = config.enterEra(); err != nil {
		return nil, fmt.Errorf("open peer set: %w", err)
	}

	gate, err := config.openGate()
	if err != nil {
		return nil, fmt.Errorf("open peer set: %w", err)
	}

	gone := &departed{addresses: map[string]bool{}}
	dial := config.dialMembers(gone)
	node, err := app.New(config.Dir, config.options(dial, gate.inner)...)
	if err != nil {
		gate.close()
		return nil, fmt.Errorf("open peer set: %w", err)
	}

	gate.serve()

	shut := func() error {
		gate.close()
		return node.Close()
	}
	if !known(config.Dir) || founding {
		if err := node.Ready(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("join peer set: %w", err), shut())
		}
	}

	db, err := config.database(dial)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open peer set: %w", err), shut())
	}

	s := &Store{
		config:   config,
		app:      node,
		gate:     gate,
		gone:     gone,
		db:       db,
		writing:  make(chan struct{}, 1),
		news:     pause.NewBell(),
		given:    pause.NewBell(),
		changed:  make(chan struct{}),
		heard:    map[string]int{},
		wrote:    map[string]peerset.Report{},
		beats:    map[string]sighting{},
		renewals: map[string]sighting{},
		snapshot: peerset.Snapshot{Stack: config.Stack},
	}
	if founding {
		if err := s.found(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("found peer set: %w", err), shut())
		}
		if err := os.Remove(filepath.Join(config.Dir, foundingFile)); err != nil {
			return nil, errors.Join(fmt.Errorf("found peer set: %w", err), shut())
		}
	}

	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.done.Go(func() { s.watch(watch) })
	s.done.Go(func() { s.keepBeats(watch) })

	if config.Era > 0 {
		s.done.Go(func() {
			s.declareEra(watch, config.Era)
		})
	}

	return s, nil
}

// foundingFile lies in a founder's folder until the founding is written: a founder that dies before that founds
// on when it is back. Nobody can have joined it meanwhile, as it lets nobody in before.
const foundingFile = "founding"

// founds tells whether this member founds the peer set, and notes it before it begins.
func (c Config) founds() (bool, error) {
	path := filepath.Join(c.Dir, foundingFile)
	if known(c.Dir) {
		_, err := os.Stat(path)
		return err == nil, nil
	}

	if len(c.Join) > 0 {
		return false, nil
	}

	return true, errors.Join(
		os.WriteFile(path, nil, 0o600),
		file.Sync(c.Dir),
	)
}

// enterEra keeps the era of a peer set that is joined, and returns that of one that is there.
func (c Config) enterEra() (int, error) {
	if known(c.Dir) || c.Era == 0 {
		return eraOf(c.Dir)
	}

	return c.Era, writeEra(c.Dir, c.Era)
}

// prepare removes what a crash between the two identity files left: dqlite's app rejects one without the other.
func prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}

	if known(dir) {
		return nil
	}

	if err := file.Sync(filepath.Dir(dir)); err != nil { // a founder that lost its whole folder would found again
		return err
	}

	if torn(dir) {
		if err := SetAside(dir); err != nil {
			return err
		}

		return os.Mkdir(dir, 0o700)
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

// options are the app's. It takes its connections from nobody: the gate does.
func (c Config) options(dial client.DialFunc, inner string) []app.Option {
	options := []app.Option{
		app.WithAddress(c.endpoint(c.Address)),
		app.WithExternalConn(dial, nil),
		app.WithUnixSocket(inner),
		app.WithVoters(voters),
		app.WithStandBys(standBys),
		app.WithNetworkLatency(c.NetworkLatency),
		app.WithRolesAdjustmentFrequency(c.RolesFrequency),
		app.WithAutoRecovery(false), // it can lose data
		app.WithSnapshotParams(dqlite.SnapshotParams{Threshold: snapshotAfter, Trailing: logKept}),
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
	dial := inEra(c.TLS, c.Era)
	dial.ClientCAs = nil
	dial.ClientSessionCache = tls.NewLRUClientSessionCache(0) // probes and lost leaders make for many connections

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
	s.done.Wait()

	handover := s.app.Handover(ctx)
	closed := s.db.Close()
	s.gate.close()

	return errors.Join(handover, closed, s.app.Close())
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
