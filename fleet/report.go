package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hornero/hornero/internal/status"
)

// Report is what `hornero status --json` prints.
type Report struct {
	Stack string `json:"stack"`
	Cloud string `json:"cloud"`
	// API is null when it answered. When it did not, load balancers are left out.
	API *APILine `json:"api,omitempty"`
	// URL and LoadBalancer are those of the first load balancer; empty where there is none.
	URL          string         `json:"url"`
	LoadBalancer BalancerLine   `json:"load_balancer"`
	Balancers    []BalancerLine `json:"load_balancers"` // those that stack.yaml names, in its order
	// ReservedIP is null where the stack has none.
	ReservedIP *ReservedLine `json:"reserved_ip,omitempty"`
	Writer     string        `json:"writer"`
	PeerSet    PeerSetLine   `json:"peer_set"`
	Nodes      []NodeLine    `json:"nodes"`
	// Sites are those of the stack's own edge, in stack.yaml's order.
	Sites []SiteLine `json:"sites,omitempty"`
	// Expiring are certificates that end before long, a line each, with how they are renewed.
	Expiring []string `json:"expiring,omitempty"`
}

// BalancerLine is a load balancer of stack.yaml.
type BalancerLine struct {
	Name  string `json:"name"`  // in stack.yaml; empty for the short form of one
	Nodes string `json:"nodes"` // the role behind it
	ID    string `json:"id"`    // empty before it is made
	IP    string `json:"ip"`
	URL   string `json:"url"` // from here; empty while it has no address
}

// PeerSetLine is the peer set as the best informed node knows it.
type PeerSetLine struct {
	Founded    string            `json:"founded"`
	Quorum     bool              `json:"quorum"`
	Generation uint64            `json:"generation"`
	Era        int               `json:"era"`       // how often it was rebuilt
	Leader     string            `json:"leader"`    // dqlite's address
	Voters     []string          `json:"voters"`    // dqlite's addresses
	Leases     map[string]string `json:"leases"`    // who holds each that is held
	Forgotten  map[string]int    `json:"forgotten"` // who was declared gone, with its incarnation
	Lines      []string          `json:"-"`         // what of this people read
}

func peerSetLine(known status.PeerSet) PeerSetLine {
	return PeerSetLine{
		Founded:    known.Founded,
		Quorum:     known.Quorum,
		Generation: known.Generation,
		Era:        known.Era,
		Leader:     known.Leader,
		Voters:     known.Voters,
		Leases:     known.Leases,
		Forgotten:  known.Forgotten,
		Lines:      known.Lines(),
	}
}

// NodeLine is one node of the stack.
type NodeLine struct {
	Name        string    `json:"name"`
	Role        string    `json:"role"`
	Incarnation int       `json:"incarnation"`
	DropletID   int       `json:"droplet_id"` // 0: it has none
	Addresses   Addresses `json:"addresses"`
	Image       string    `json:"image"`
	ImageID     int       `json:"image_id"`
	ImageMade   string    `json:"image_created_at"` // as the API writes it (RFC 3339)
	State       string    `json:"state"`
	Healthy     bool      `json:"healthy"`
	Writer      bool      `json:"writer"`
	Reason      string    `json:"reason"`
	Drift       int       `json:"drift"` // files that are not as they were baked or written
	Note        string    `json:"note"`  // what else an operator is to know; empty when nothing
	// Beside is true for one that stack.yaml does not name: a roll made it, or it is to be removed.
	Beside bool `json:"beside,omitempty"`
}

// add adds to what an operator is to know of the node.
func (n *NodeLine) add(note string) {
	n.Note = strings.TrimPrefix(
		n.Note+"; "+note,
		"; ",
	)
}

// Addresses are a Droplet's.
type Addresses struct {
	Public  string `json:"public"`
	Private string `json:"private"`
}

// Healthy tells whether every node of the stack serves.
func (r Report) Healthy() bool {
	for _, node := range r.Nodes {
		if !node.Healthy && !node.Beside {
			return false
		}
	}

	return len(r.Nodes) > 0
}

// WriterLine is who holds the writer lease, and why that may not help.
func (r Report) WriterLine() string {
	for _, node := range r.Nodes {
		if node.Name == r.Writer && !node.Healthy {
			return r.Writer + " (" + node.State + ")"
		}
	}

	return cmp.Or(r.Writer, "nobody")
}

// Status reports how everything is, whatever is down.
func (f *Fleet) Status(ctx context.Context) (Report, error) {
	report := Report{
		Stack: f.Stack.Name,
		Cloud: f.Stack.Cloud,
	}

	// Surplus Droplets are left out: the next `hornero up` destroys them.
	found, err := f.sight(ctx)
	if err != nil {
		return report, err
	}

	answers := f.askAll(ctx, found.members)
	known := newest(answers)

	report.Expiring = f.expiries(found.members)
	report.Writer = known.Writer
	report.PeerSet = peerSetLine(known)

	// What only the API knows is not asked for again.
	if found.down != nil {
		report.API = found.apiLine()
		report.Balancers = []BalancerLine{}
		report.ReservedIP = f.reservedUnasked(known)
		report.Nodes = found.unsure(f.nodeLines(answers))
		report.Sites = f.siteLines(report.Nodes, answers)

		return report, nil
	}

	report.ReservedIP = f.reservedLine(ctx, answers, known)

	if report.Balancers, err = f.balancerLines(ctx); err != nil {
		return report, err
	}

	if len(report.Balancers) > 0 {
		report.LoadBalancer = report.Balancers[0]
		report.URL = report.LoadBalancer.URL
	}

	report.Nodes = f.nodeLines(answers)
	report.Sites = f.siteLines(report.Nodes, answers)

	return report, f.addVouched(ctx, report.Nodes)
}

// balancerLines are all load balancers of stack.yaml, also those that are not made yet.
func (f *Fleet) balancerLines(ctx context.Context) ([]BalancerLine, error) {
	wanted, err := f.allBalanced()
	if err != nil {
		return nil, err
	}

	have, err := f.balancers(ctx)
	if err != nil {
		return nil, err
	}

	lines := []BalancerLine{}

	for _, b := range wanted {
		line := BalancerLine{
			Name:  b.Name,
			Nodes: b.Nodes,
		}

		// There is none before the first `hornero up`; that is nothing wrong.
		if balancer, there := f.balancerNamed(have, b.Name); there {
			line.ID = balancer.ID
			line.IP = balancer.IP
		}

		if line.URL, err = f.address(ctx, have, b); err != nil {
			return nil, err
		}

		lines = append(lines, line)
	}

	return lines, nil
}

// nodeLines are all nodes of the stack, also those that have no Droplet.
func (f *Fleet) nodeLines(answers []answer) []NodeLine {
	byName := map[string]NodeLine{}
	for _, a := range answers {
		byName[a.member.Node] = lineOf(a)
	}

	// In stack.yaml's order, which people know.
	var lines []NodeLine
	for _, node := range f.Stack.All() {
		line, there := byName[node.Name]
		if !there {
			line = NodeLine{
				Name:   node.Name,
				Role:   node.Role,
				State:  "missing",
				Reason: ErrNoDroplet.Error(),
			}
		}

		lines = append(lines, line)
	}

	// They run, have traffic perhaps, and are paid for.
	for _, a := range answers {
		if _, err := f.Stack.Node(a.member.Node); err == nil {
			continue
		}

		line := lineOf(a)
		line.Beside = true
		line.add(whyBeside(a.member))

		lines = append(lines, line)
	}

	return lines
}

// whyBeside tells why a node is there that stack.yaml does not name.
func whyBeside(m member) string {
	if m.Extra != "" {
		return "stands beside the nodes of stack.yaml for a roll (" + m.Extra + "); `hornero plan` says how that ends"
	}

	return "stack.yaml names no such node; `hornero up` removes it"
}

// lineOf is a node as the API and its agent tell.
func lineOf(a answer) NodeLine {
	m := a.member
	line := NodeLine{
		Name:        m.Node,
		Role:        m.Role,
		Incarnation: m.Incarnation,
		DropletID:   m.Droplet.ID,
		Addresses: Addresses{
			Public:  m.public(),
			Private: m.private(),
		},
		State: m.Droplet.Status,
	}
	if m.Droplet.Image != nil {
		line.Image = m.Droplet.Image.Name
		line.ImageID = m.Droplet.Image.ID
		line.ImageMade = m.Droplet.Image.Created
	}

	// The API's view is all there is when the agent does not answer.
	if a.err != nil {
		// The Droplet runs, so that what is wrong is inside it or on the way.
		line.Reason = a.err.Error()
		if m.Droplet.Status == "active" {
			line.State = "unreachable"
		}

		return line
	}

	// A role's driver has no state before the node is configured.
	line.State = cmp.Or(a.status.State, a.status.Phase)
	line.Healthy = a.status.Healthy && a.status.Alarm == ""
	line.Writer = a.status.Writer
	line.Reason = a.status.Reason
	line.Drift = a.status.Image.DriftFiles
	line.Note = notesOf(a.status)

	return line
}

// notesOf tells in a line what else is wrong with a node; "" when nothing is.
func notesOf(said status.Status) string {
	notes := []string{
		said.Alarm,
		templatesNote(said.Templates),
		wallsNote(said.Walls),
		imageNote(said.Image),
		reservedNote(said.ReservedIP),
	}
	notes = slices.DeleteFunc(notes, func(note string) bool { return note == "" })

	return strings.Join(notes, "; ")
}

// templatesNote tells in a line that a file is as it was before it was to change.
func templatesNote(why string) string {
	if why == "" {
		return ""
	}

	line, _, _ := strings.Cut(why, "\n")

	return "a file of its role stays as it was: " + line
}

// wallsNote tells in a line that a node does not hold back whom it should.
func wallsNote(why string) string {
	if why == "" {
		return ""
	}

	line, _, _ := strings.Cut(why, "\n")

	return "its own rules about who may reach it: " + line
}

// imageNote tells in a line that a node is not what its image is.
func imageNote(image status.Image) string {
	switch {
	case len(image.Findings) > 0:
		// One finding is enough for a line; the node itself lists all.
		note := fmt.Sprintf("drift: %s %s", image.Findings[0].Path, image.Findings[0].What)
		if image.DriftFiles > 1 {
			note += fmt.Sprintf(", and %d more", image.DriftFiles-1)
		}
		if image.Held != "" {
			note += "; not in quarantine: " + image.Held
		}

		return note +
			"; `hornero exec NODE -- hornero-bootstrap drift` lists all, `hornero replace NODE` makes it anew"

	case image.Unseen != "":
		return "could not be compared with its image: " + image.Unseen

	case image.Problem != "":
		return "not held to its image: " + image.Problem
	}

	return ""
}
