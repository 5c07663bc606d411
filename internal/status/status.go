// Package status owns the wire shape of a node's own account of itself, which the agent serves and the fleet reads.
// It holds types, and how people read them.
package status

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/certificates"
)

// Status is what `hornero-bootstrap status --json` prints.
type Status struct {
	Stack       string `json:"stack"`
	Node        string `json:"node"`
	Role        string `json:"role"`
	Incarnation int    `json:"incarnation"`
	Address     string `json:"address"` // in the VPC
	Phase       string `json:"phase"`   // finding, joining, configuring, serving, refused
	State       string `json:"state"`   // the role's own word: synced, donor, joining, serving, ...
	Healthy     bool   `json:"healthy"`
	Reason      string `json:"reason"`          // why it is where it is; what it waits for
	Alarm       string `json:"alarm,omitempty"` // what is wrong beside the node's own work: it serves, and is looked at
	// Templates is why a file of the role is not up to date, such as what its checker said: the text before it stays.
	Templates string `json:"templates,omitempty"`
	// Walls is why the rules about who may reach the node are not in force as they should be.
	Walls    string `json:"walls,omitempty"`
	Writer   bool   `json:"writer"` // holds the writer lease
	Draining bool   `json:"draining"`
	// UnknownPeer is a node that asks to join, was never in a peer set and founds none.
	UnknownPeer bool    `json:"stranger,omitempty"`
	PeerSet     PeerSet `json:"peer_set"`
	Image       Image   `json:"image"`
	// ReservedIP is this node's part in keeping the stack's reserved IP; null where it has none.
	ReservedIP *ReservedIP `json:"reserved_ip,omitempty"`
	// Checkers are those who ask whether the node serves and are no nodes, by address: how many good answers each got
	// in a row. Load balancers are among them.
	Checkers map[string]int `json:"checkers,omitempty"`
	Figures  Figures        `json:"figures,omitzero"` // what its driver measures
	// Certificates are those of the role's sites that renew themselves, by name.
	Certificates map[string]certificates.Told `json:"certificates,omitempty"`
	// Marks are the seconds from the agent's start to each phase's end.
	Marks map[string]float64 `json:"marks"`
}

// PeerSet is the peer set as this node last knew it.
type PeerSet struct {
	Founded    string   `json:"founded"` // id of the founding; empty when this node never joined one
	Generation uint64   `json:"generation"`
	Quorum     bool     `json:"quorum"`
	Era        int      `json:"era,omitempty"`    // how often it was rebuilt
	Schema     int      `json:"schema,omitempty"` // of its store: the newest version's that was a member
	Leader     string   `json:"leader"`
	Voters     []string `json:"voters"`
	Writer     string   `json:"writer"`                // holder of the writer lease
	ReservedIP string   `json:"reserved_ip,omitempty"` // holder of the reserved IP's lease
	Peers      []Peer   `json:"peers"`
	// Forgotten are the nodes that were declared gone, with their incarnation; 0 for one that never registered.
	Forgotten map[string]int `json:"forgotten,omitempty"`
	// Leases are the holders of all leases that are held.
	Leases map[string]string `json:"leases,omitempty"`
}

// Lines are what people read of the peer set, apart from its peers.
func (s PeerSet) Lines() []string {
	if s.Founded == "" {
		return nil // this node never joined one
	}

	voters := make([]string, len(s.Voters))

	for at, voter := range s.Voters {
		voters[at] = s.nameAt(voter)
	}

	lines := []string{fmt.Sprintf(
		"leader %s; voters %s; era %d",
		s.nameAt(s.Leader),
		strings.Join(voters, ", "),
		s.Era,
	)}

	var leases, gone []string

	for _, lease := range slices.Sorted(maps.Keys(s.Leases)) {
		leases = append(leases, lease+" "+s.Leases[lease])
	}

	for _, node := range slices.Sorted(maps.Keys(s.Forgotten)) {
		gone = append(gone, fmt.Sprintf("%s #%d", node, s.Forgotten[node]))
	}

	for what, list := range map[string][]string{"leases": leases, "declared gone": gone} {
		if len(list) > 0 {
			lines = append(lines, what+" "+strings.Join(list, ", "))
		}
	}

	// The map above has no order; the first line stays first.
	slices.Sort(lines[1:])

	return lines
}

// nameAt names the node at one of dqlite's addresses.
func (s PeerSet) nameAt(endpoint string) string {
	host, _, _ := net.SplitHostPort(endpoint)
	for _, peer := range s.Peers {
		if host != "" && peer.Address == host {
			return peer.Name
		}
	}

	return cmp.Or(endpoint, "unknown")
}

// ReservedIP is what a node that may hold the stack's reserved IP says of it.
type ReservedIP struct {
	Address string `json:"address"`
	Holder  string `json:"holder"`  // as the lease says; empty for nobody
	Epoch   int64  `json:"epoch"`   // of the lease
	Holds   bool   `json:"holds"`   // this node holds the lease for certain
	Active  bool   `json:"active"`  // the metadata service says that the address reaches this node
	Problem string `json:"problem"` // why this node cannot move the address; empty when nothing is wrong
	Warning string `json:"warning"` // about the token; empty when there is none
}

// Event is something that happened to the stack, as the peer set remembers it.
type Event struct {
	ID          int64     `json:"id"` // grows
	Time        time.Time `json:"time"`
	Kind        string    `json:"kind"` // joined, writer, gone, ...: docs/monitoring.md
	Node        string    `json:"node"` // whom it is about
	Incarnation int       `json:"incarnation,omitempty"`
	From        string    `json:"from,omitempty"` // of a lease: who held it before
	Lease       string    `json:"lease,omitempty"`
	Epoch       int64     `json:"epoch,omitempty"`
	Text        string    `json:"text"`
}

// Line is the event for people.
func (e Event) Line() string {
	return fmt.Sprintf(
		"%s  %-20s %-12s %s",
		e.Time.UTC().Format("2006-01-02 15:04:05.000"),
		e.Kind,
		e.Node,
		e.Text,
	)
}

// Peer is one node of the peer set.
type Peer struct {
	Name        string            `json:"name"`
	Role        string            `json:"role"`
	Kind        string            `json:"kind,omitempty"` // member or client; empty from a node of an older version
	Incarnation int               `json:"incarnation"`
	Address     string            `json:"address"`
	State       string            `json:"state"`
	Healthy     bool              `json:"healthy"`
	Alive       bool              `json:"alive"`
	Facts       map[string]string `json:"facts,omitempty"`
}

// Image tells in what the node differs from its image.
type Image struct {
	ReadOnly bool   `json:"read_only"`         // /usr is mounted read-only and package managers refuse
	Problem  string `json:"problem,omitempty"` // why not, when it should be
	// DriftFiles is the gauge hornero_drift_files: how many files are not as the image has them or as the agent
	// wrote them.
	DriftFiles int       `json:"drift_files"`
	Findings   []Finding `json:"findings"` // the first MaxFindings
	// Unseen says what could not be compared, and why: a shortage of the node's own. It is no drift, and not known to
	// be none.
	Unseen     string  `json:"unseen,omitempty"`
	Checked    int     `json:"checked"`        // files looked at by the last whole pass; 0 before the first
	CheckedAt  string  `json:"checked_at"`     // RFC 3339; empty before the first whole pass
	Seconds    float64 `json:"seconds"`        // what that pass took
	Action     string  `json:"action"`         // what the stack has done about drift: report, quarantine
	Quarantine string  `json:"quarantine"`     // why the node gave its work up; empty when it did not
	Held       string  `json:"held,omitempty"` // why it did not although it should
}

// MaxFindings is how many differences a status names.
const MaxFindings = 20

// Finding is one thing that is not as it was baked or written.
type Finding struct {
	Path string `json:"path"`
	What string `json:"what"`
}
