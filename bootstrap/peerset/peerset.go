// Package peerset owns what the peer set looks like from outside: peers, leases, snapshots, and the port through
// which the agent and its drivers use it. It must not know dqlite; bootstrap/peers implements it on dqlite, and
// bootstrap/api carries it to nodes that are not in consensus.
package peerset

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Leases of the drivers, by their name within a role (Rights.Lease gives the name in the peer set). Each decides
// something that must be one.
const (
	LeaseWriter          = "writer"           // which database node takes writes
	LeaseGaleraBootstrap = "galera-bootstrap" // who bootstraps Galera
	LeaseGaleraJoin      = "galera-join"      // joiners in turn, not in a race
)

// FactSendsTo is what a proxy reports: the database node that it sends writes to, "" for none.
const FactSendsTo = "haproxy.writer"

// FactLeaving is what a database node reports that gives its work up: it serves the sessions that it has to
// their end.
const FactLeaving = "galera.leaving"

// FactUUID and FactSeqno are what a database node reports of its data: of which history it is, and how far it got.
const (
	FactUUID  = "galera.uuid"
	FactSeqno = "galera.seqno" // exact when the node is down; else refreshed now and then, never too high
)

// SettingDecision and SettingGrants are what the database nodes write down: who bootstrapped Galera and from
// what, and which users and grants were applied last.
const (
	SettingDecision = "galera.decision"
	SettingGrants   = "galera.grants"
)

// FactReservedIP is what a node reports that may hold the stack's reserved IP: whether the address reaches it,
// or that the API does not let it move the address.
const (
	FactReservedIP   = "reserved-ip"
	ReservedIPActive = "active"
	ReservedIPUnable = "unable"
)

// FactShare is what a node reports that is to get a part of its role's visitors only, with all that report the same:
// how much in percent.
const FactShare = "share"

// ForgottenPrefix opens the setting that remembers a node declared gone; its value is the incarnation, 0 for a
// node that never registered.
const ForgottenPrefix = "forgotten."

// ReplacedPrefix opens the setting that remembers the incarnation before this one of a name, which was not
// declared gone, until the new one is healthy: what the old one held, nobody has spoken for. Forgetting the
// name declares the old one gone. A Droplet that is rebuilt in place is the same incarnation twice.
const ReplacedPrefix = "replaced."

// SettingEra says how often the peer set was rebuilt; there is none in one that never was.
const SettingEra = "peers.era"

var (
	// ErrStaleEpoch refuses an action under a lease that is no longer held at that epoch.
	ErrStaleEpoch = errors.New("the lease is no longer held at that epoch")
	// ErrEvicted refuses a node whose name belongs to a newer incarnation, or was declared gone.
	ErrEvicted = errors.New(
		"this incarnation is not in the peer set: a newer one took its name or it was declared gone",
	)
	// ErrForbidden refuses what a node's certificate does not entitle it to.
	ErrForbidden = errors.New("the certificate does not entitle to this")
	// ErrUnknown refuses to act on a name that the peer set does not have.
	ErrUnknown = errors.New("the peer set has no such node")
	// ErrUnavailable means that no member answered or that the peer set has no quorum.
	ErrUnavailable = errors.New("the peer set is not available")
)

// Peer is one node of the stack as the peer set knows it.
type Peer struct {
	Name        string            `json:"name"`
	Role        string            `json:"role"`
	Incarnation int               `json:"incarnation"`
	Address     string            `json:"address"` // in the VPC
	Kind        string            `json:"kind"`    // roles.Member or roles.Client
	State       string            `json:"state"`
	Healthy     bool              `json:"healthy"`
	Draining    bool              `json:"draining"`
	Alive       bool              `json:"alive"` // its heartbeat was seen lately
	Facts       map[string]string `json:"facts,omitempty"`
}

// Position is what a database node last said of its data; -1 when it said nothing that names a place in a history.
func (p Peer) Position() (uuid string, seqno int64) {
	seqno, err := strconv.ParseInt(p.Facts[FactSeqno], 10, 64)
	if err != nil {
		return "", -1
	}

	return p.Facts[FactUUID], seqno
}

// Lease is who does what only one may do. Epoch grows with each change of holder.
type Lease struct {
	Name        string `json:"name"`
	Holder      string `json:"holder"` // empty when released
	Incarnation int    `json:"incarnation"`
	Epoch       int64  `json:"epoch"`
}

// Snapshot is the peer set at one generation.
type Snapshot struct {
	Stack      string `json:"stack"`
	Founded    string `json:"founded"` // id of the founding; empty before the first word from a member
	Generation uint64 `json:"generation"`
	// of the store: the newest version's that was a member; 0 from a member of an older version
	Schema   int               `json:"schema,omitempty"`
	Peers    []Peer            `json:"peers"` // sorted by name
	Leases   map[string]Lease  `json:"leases"`
	Settings map[string]string `json:"settings"`
	Quorum   bool              `json:"quorum"` // the snapshot is fresh, not remembered
	Leader   string            `json:"leader"`
	Voters   []string          `json:"voters"`
}

// Role returns the peers of a role, sorted by name.
func (s Snapshot) Role(role string) []Peer {
	var peers []Peer
	for _, peer := range s.Peers {
		if peer.Role == role {
			peers = append(peers, peer)
		}
	}

	return peers
}

// Peer returns a peer by name.
func (s Snapshot) Peer(name string) (Peer, bool) {
	for _, peer := range s.Peers {
		if peer.Name == name {
			return peer, true
		}
	}

	return Peer{}, false
}

// Holder returns who holds a lease, or "".
func (s Snapshot) Holder(lease string) string {
	return s.Leases[lease].Holder
}

// Forgotten returns the nodes that were declared gone, with the newest incarnation that was.
func (s Snapshot) Forgotten() map[string]int {
	gone := map[string]int{}
	for key, value := range s.Settings {
		if name, ok := strings.CutPrefix(key, ForgottenPrefix); ok {
			incarnation, err := strconv.Atoi(value)
			if err != nil {
				// Only members write here, and only numbers.
				continue
			}

			gone[name] = incarnation
		}
	}

	return gone
}

// Era is how often the peer set was rebuilt.
func (s Snapshot) Era() int {
	// Only members write here, and only numbers. No setting means era 0.
	era, _ := strconv.Atoi(s.Settings[SettingEra])
	return era
}

// ReservedIPHolder returns who holds the stack's reserved IP, or "": one role at most has the lease.
func (s Snapshot) ReservedIPHolder() string {
	// Sorted, so that all nodes name the same one.
	for _, name := range slices.Sorted(maps.Keys(s.Leases)) {
		if strings.HasSuffix(name, reservedIPLease) && s.Leases[name].Holder != "" {
			return s.Leases[name].Holder
		}
	}

	return ""
}

// Clone copies the snapshot, so that a reader may keep it.
func (s Snapshot) Clone() Snapshot {
	s.Peers = slices.Clone(s.Peers)

	// The facts are a map: a copy of the slice would share it.
	for i := range s.Peers {
		s.Peers[i].Facts = maps.Clone(s.Peers[i].Facts)
	}

	s.Leases = maps.Clone(s.Leases)
	s.Settings = maps.Clone(s.Settings)
	s.Voters = slices.Clone(s.Voters)

	return s
}

// Report is a node's word about itself.
type Report struct {
	State    string            `json:"state"`
	Healthy  bool              `json:"healthy"`
	Draining bool              `json:"draining"`
	Facts    map[string]string `json:"facts,omitempty"`
}

// Identity is who asks, as a certificate says.
type Identity struct {
	Name        string `json:"name"`
	Role        string `json:"role"`
	Incarnation int    `json:"incarnation"`
}

// Join is a node's request to be let in.
type Join struct {
	Identity
	Address string `json:"address"`
	Kind    string `json:"kind"`
	// Again says that this agent was let in before, since it started: its disk is the one that it had then. An
	// incarnation that asks for the first time, and has reported before, was rebuilt in place.
	Again bool `json:"again,omitempty"`
}

// Welcome answers a Join.
type Welcome struct {
	Members  []string `json:"members"` // VPC addresses of consensus members
	Snapshot Snapshot `json:"snapshot"`
}

// Registry is the peer set as its members serve it, for anybody with a name.
type Registry interface {
	Snapshot() Snapshot
	Changed() <-chan struct{}
	Admit(ctx context.Context, join Join) (Welcome, error)
	Report(ctx context.Context, who Identity, report Report) error
	Hold(ctx context.Context, who Identity, lease string, ttl time.Duration) (Lease, bool, error)
	Seize(ctx context.Context, who Identity, seen Lease, reason string) (Lease, error)
	Release(ctx context.Context, who Identity, lease Lease) error
	Put(ctx context.Context, who Identity, key, value string, fence Lease) error
	Forget(ctx context.Context, name string) error
	// Note and Events are those of the interface Events.
	Note(ctx context.Context, who Identity, note Note) error
	Events(ctx context.Context, after int64, limit int) ([]Event, error)
	// Refresh makes the member read the peer set at once: another member changed it.
	Refresh()
	// TakeHeartbeats has the member write heartbeats down that another one got, by name and incarnation.
	TakeHeartbeats(beats map[string]int)
}

// Set is the peer set as one node uses it.
type Set interface {
	// Snapshot returns the last known snapshot. It never blocks; after a reboot without quorum it comes from disk.
	Snapshot() Snapshot
	// Changed returns a channel that is closed when there is a newer snapshot.
	Changed() <-chan struct{}
	// Report is this node's heartbeat; the generation grows only when the report differs from the last.
	Report(ctx context.Context, report Report) error
	// Hold takes or renews a lease; false means that somebody else holds it. A lease not renewed for ttl, as the
	// members' own monotonic clocks saw it, may be taken by another.
	Hold(ctx context.Context, lease string, ttl time.Duration) (Lease, bool, error)
	// Seize takes the writer lease at once, as it was seen: from a holder whom Galera's own quorum has shut
	// out. It is refused with ErrStaleEpoch when another took it since.
	Seize(ctx context.Context, seen Lease, reason string) (Lease, error)
	// Release gives a lease up.
	Release(ctx context.Context, lease Lease) error
	// Put writes a setting, refused with ErrStaleEpoch when the fence is no longer held at its epoch.
	Put(ctx context.Context, key, value string, fence Lease) error
	// Forget declares a node gone: out of consensus, the registry and its leases. It may be one that never
	// registered; whether the stack has such a node is the caller's to know. While a new incarnation lives that
	// has yet to account for the one before it, that one is declared gone and the new one stays.
	Forget(ctx context.Context, name string) error
}

// Bind is a registry as one node uses it.
func Bind(registry Registry, who Identity) Set {
	return bound{registry, who}
}

type bound struct {
	registry Registry
	who      Identity
}

func (b bound) Snapshot() Snapshot {
	return b.registry.Snapshot()
}
func (b bound) Changed() <-chan struct{} {
	return b.registry.Changed()
}
func (b bound) Report(ctx context.Context, report Report) error {
	return b.registry.Report(ctx, b.who, report)
}
func (b bound) Hold(ctx context.Context, lease string, ttl time.Duration) (Lease, bool, error) {
	return b.registry.Hold(ctx, b.who, lease, ttl)
}
func (b bound) Seize(ctx context.Context, seen Lease, reason string) (Lease, error) {
	return b.registry.Seize(ctx, b.who, seen, reason)
}
func (b bound) Release(ctx context.Context, lease Lease) error {
	return b.registry.Release(ctx, b.who, lease)
}
func (b bound) Put(ctx context.Context, key, value string, fence Lease) error {
	return b.registry.Put(ctx, b.who, key, value, fence)
}
func (b bound) Forget(ctx context.Context, name string) error {
	return b.registry.Forget(ctx, name)
}
