package peers

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/canonical/go-dqlite/v2"
	"github.com/canonical/go-dqlite/v2/app"
	"github.com/canonical/go-dqlite/v2/client"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/file"
)

// Defaults, which a test shortens.
const (
	// DefaultRefresh is how often a member reads generation and counters when nobody tells it of a change.
	DefaultRefresh = 500 * time.Millisecond
	// DefaultLeadership is how often a member looks who leads and who votes.
	DefaultLeadership = 2 * time.Second
	// DefaultNetworkLatency is dqlite's unit: a heartbeat is 3 of it (heartbeat.go), a dead leader is missed after
	// 15 to 30, and up to 3 more.
	DefaultNetworkLatency = 57 * time.Millisecond
	// DefaultRolesFrequency is how soon a stand-by takes a lost voter's place.
	DefaultRolesFrequency = 10 * time.Second
	// DefaultHandOver is how long a member that should not lead leads before it hands over.
	DefaultHandOver = 5 * time.Second
	// DefaultBeatEvery is how often a member writes down who gave it a heartbeat.
	DefaultBeatEvery = 1500 * time.Millisecond
	// DefaultAliveFor is how long a peer counts as alive after a heartbeat.
	DefaultAliveFor = 5 * time.Second
	// DefaultHandshake is how long a TLS handshake may take before its connection is ended.
	DefaultHandshake = 5 * time.Second
	// DefaultQuorumFor is how long a snapshot that was not refreshed is more than a memory.
	DefaultQuorumFor = 3 * time.Second
)

const (
	voters   = 3
	standBys = 3
	database = "hornero"

	// snapshotAfter and logKept bound what dqlite keeps in memory and on disk, in log entries of some 8 KiB,
	// with 200 nodes of 40: its defaults, 1024 and 8192, come to 70 MiB and more. The store itself is under 1
	// MiB, so a member that lags behind gets it whole. With 32 of them a member that joined with an empty disk once
	// died of an assertion in raft (log.c, refs_get).
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
	Rights  peerset.Rights
	Log     *slog.Logger
	// Refused is told of connections that are refused before they show a certificate; nil for nobody. TLS
	// itself tells of the rest.
	Refused func(peerset.Refusal)
	// out tells why an incarnation is in the peer set no longer; nil while nobody knows.
	out func(peerset.Identity) error
	// NotifyChange is called after this member changed something, so that the others are told; nil for nobody. It must
	// not block.
	NotifyChange func()
	// PassHeartbeats gives heartbeats, by name and incarnation, to the agent at another member's address; nil when
	// there is no way to.
	PassHeartbeats func(ctx context.Context, member string, beats map[string]int) error
	// AvoidLeading names the nodes that should not lead while another voter can, so that one fault takes no leader
	// along; nil for none.
	AvoidLeading func(peerset.Snapshot) []string

	Refresh        time.Duration
	Leadership     time.Duration
	NetworkLatency time.Duration
	RolesFrequency time.Duration
	HandOver       time.Duration
	BeatEvery      time.Duration
	AliveFor       time.Duration
	QuorumFor      time.Duration
	Handshake      time.Duration
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

	if c.NotifyChange == nil {
		c.NotifyChange = func() {}
	}

	if c.out == nil {
		c.out = func(peerset.Identity) error { return nil }
	}

	if c.Refused == nil {
		c.Refused = func(peerset.Refusal) {}
	}

	if c.AvoidLeading == nil {
		c.AvoidLeading = func(peerset.Snapshot) []string { return nil }
	}
}

// foundingFile lies in a founder's folder until the founding is written: a founder that dies before that
// continues when it is back. Nobody can have joined it meanwhile, as it lets nobody in before.
const foundingFile = "founding"

// founds tells whether this member founds the peer set, and notes it before it begins.
func (c Config) founds() (bool, error) {
	path := filepath.Join(c.Dir, foundingFile)

	// A founder that died before its founding was written still has the note, and continues.
	if known(c.Dir) {
		_, err := os.Stat(path)
		return err == nil, nil
	}

	if len(c.Join) > 0 {
		return false, nil
	}

	// The note must be on disk before dqlite's files are: they do not tell that the founding is still to be written.
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return true, err
	}

	return true, file.Sync(c.Dir)
}

// enterEra keeps the era of a peer set that is joined, and returns that of one that is there.
func (c Config) enterEra() (int, error) {
	// A folder's log belongs to one era for good. Only a member that joins takes the era that it is told.
	if known(c.Dir) || c.Era == 0 {
		return eraOf(c.Dir)
	}

	return c.Era, writeEra(c.Dir, c.Era)
}

// options are those of go-dqlite's app. The app accepts no connections itself: the listener does.
func (c Config) options(dial client.DialFunc, socket string) []app.Option {
	options := []app.Option{
		app.WithAddress(c.endpoint(c.Address)),
		app.WithExternalConn(dial, nil),
		app.WithUnixSocket(socket),
		app.WithVoters(voters),
		app.WithStandBys(standBys),
		app.WithNetworkLatency(c.NetworkLatency),
		app.WithRolesAdjustmentFrequency(c.RolesFrequency),
		app.WithAutoRecovery(false), // it can lose data
		app.WithSnapshotParams(dqlite.SnapshotParams{Threshold: snapshotAfter, Trailing: logKept}),
		app.WithLogFunc(c.logDqlite),
	}

	if len(c.Join) == 0 {
		return options
	}

	endpoints := make([]string, len(c.Join))
	for i, address := range c.Join {
		endpoints[i] = c.endpoint(address)
	}

	return append(options, app.WithCluster(endpoints))
}

// dialTLS is the client's side.
func (c Config) dialTLS() *tls.Config {
	config := inEra(c.TLS, c.Era)

	// go-dqlite takes a configuration with ClientCAs for a server's.
	config.ClientCAs = nil

	// Probes and lost leaders make for many connections.
	config.ClientSessionCache = tls.NewLRUClientSessionCache(0)

	return config
}

func (c Config) endpoint(address string) string {
	return net.JoinHostPort(address, strconv.Itoa(c.Port))
}

func (c Config) logDqlite(level client.LogLevel, format string, args ...any) {
	c.Log.Debug("dqlite",
		"level", level.String(),
		"message", fmt.Sprintf(format, args...),
	)
}
