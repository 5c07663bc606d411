package fleet

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
)

// Cache keeps where nodes were last seen, for when the API does not answer. What it holds is only ever a hint: a node
// proves who it is by its host certificate, so that a stale address is refused and not trusted.
type Cache interface {
	Read() (Seen, error) // the zero value when nothing is kept
	Write(Seen) error
}

// Seen is what a listing of the stack's Droplets showed.
type Seen struct {
	At    time.Time  `json:"at"`
	Nodes []SeenNode `json:"nodes"`
}

// SeenNode is a node's Droplet.
type SeenNode struct {
	Node        string `json:"node"`
	Role        string `json:"role"`
	Incarnation int    `json:"incarnation"`
	DropletID   int    `json:"droplet_id"`
	Public      string `json:"public"`
	Private     string `json:"private"`
}

// stateSeen stands where a Droplet's status would: nobody knows it.
const stateSeen = "unknown"

// member is a node as it was seen.
func (n SeenNode) member() member {
	networks := &godo.Networks{}

	for kind, address := range map[string]string{
		"public":  n.Public,
		"private": n.Private,
	} {
		if address != "" {
			networks.V4 = append(networks.V4, godo.NetworkV4{
				IPAddress: address,
				Type:      kind,
			})
		}
	}

	return member{
		Node:        n.Node,
		Role:        n.Role,
		Incarnation: n.Incarnation,
		Droplet: godo.Droplet{
			ID:       n.DropletID,
			Status:   stateSeen,
			Networks: networks,
		},
	}
}

// seenOf is a node's Droplet as it is kept.
func seenOf(m member) SeenNode {
	return SeenNode{
		Node:        m.Node,
		Role:        m.Role,
		Incarnation: m.Incarnation,
		DropletID:   m.Droplet.ID,
		Public:      m.public(),
		Private:     m.private(),
	}
}

// keepSeen keeps what a listing of all members showed.
func (f *Fleet) keepSeen(all []member) {
	var nodes []SeenNode

	kept, _ := current(all)
	for _, m := range kept {
		nodes = append(nodes, seenOf(m))
	}

	f.writeSeen(func([]SeenNode) []SeenNode { return nodes })
}

// keepLaunched keeps where a node is that no listing showed yet.
func (f *Fleet) keepLaunched(fresh member) {
	f.writeSeen(func(nodes []SeenNode) []SeenNode {
		nodes = slices.DeleteFunc(nodes, func(n SeenNode) bool { return n.Node == fresh.Node })
		return append(nodes, seenOf(fresh))
	})
}

// writeSeen changes what is kept. A cache that cannot be written is told, and does no other harm.
func (f *Fleet) writeSeen(change func([]SeenNode) []SeenNode) {
	if f.Cache == nil {
		return
	}

	f.seen.Lock()
	defer f.seen.Unlock()

	seen := Seen{
		At:    time.Now(),
		Nodes: change(f.readSeen().Nodes),
	}

	if err := f.Cache.Write(seen); err != nil {
		f.tellOnce("cache", "where nodes are is not kept for when the API is down: %v", err)
	}
}

// readSeen is what was kept last; without nodes where nothing was, or it cannot be read.
func (f *Fleet) readSeen() Seen {
	if f.Cache == nil {
		return Seen{}
	}

	seen, err := f.Cache.Read()
	if err != nil {
		return Seen{}
	}

	return seen
}

// hintAfter is how long the API may take to list the nodes when what was seen last can stand for them.
const hintAfter = 5 * time.Second

// sighting is where nodes are: as the API lists them, or as they were seen last.
type sighting struct {
	members []member // one a node
	at      time.Time
	down    error // why the API was not believed; nil when it answered
}

// sight finds where nodes are. When the API is down, what was seen last stands for it; without that, the API's error
// is returned.
func (f *Fleet) sight(ctx context.Context) (sighting, error) {
	seen := f.readSeen()

	asking := ctx
	if len(seen.Nodes) > 0 {
		var cancel context.CancelFunc
		asking, cancel = do.WithPatience(ctx, hintAfter)
		defer cancel()
	}

	all, err := f.members(asking)
	if err == nil {
		members, _ := current(all)
		return sighting{members: members}, nil
	}

	// Only when it fails, and not when it refuses: a token that is not valid any more must be told.
	if !do.IsDown(err) || ctx.Err() != nil || len(seen.Nodes) == 0 {
		return sighting{}, err
	}

	found := sighting{
		at:   seen.At,
		down: err,
	}
	for _, node := range seen.Nodes {
		found.members = append(found.members, node.member())
	}

	return found, nil
}

// line tells people whence the nodes' addresses are.
func (s sighting) line() string {
	return fmt.Sprintf(
		"the API does not answer (%v); from what was seen at %s, without nodes that were made since",
		s.down,
		clock(s.at),
	)
}

// APILine tells that the API did not answer, and whence it is known where nodes are.
type APILine struct {
	Problem string    `json:"problem"`
	Seen    time.Time `json:"seen"` // when it last listed the nodes
	Line    string    `json:"-"`    // what people read
}

func (s sighting) apiLine() *APILine {
	return &APILine{
		Problem: s.down.Error(),
		Seen:    s.at,
		Line:    s.line(),
	}
}

// unsure corrects the lines of nodes that were not seen: whether they have a Droplet only the API knows.
func (s sighting) unsure(lines []NodeLine) []NodeLine {
	for i, line := range lines {
		if _, there := find(s.members, line.Name); !there {
			lines[i].State = stateSeen
			lines[i].Reason = fmt.Sprintf("it was not there at %s, and the API does not answer", clock(s.at))
		}
	}

	return lines
}

// clock is a time of today, or of another day with its date.
func clock(at time.Time) string {
	now := time.Now()
	if at.YearDay() == now.YearDay() && at.Year() == now.Year() {
		return at.Format("15:04")
	}

	return at.Format("15:04 on 2 January 2006")
}

// told are the things that were told and are not told again.
type told struct {
	mutex sync.Mutex
	about map[string]bool
}

// tellOnce tells something about a thing that nothing was told about yet.
func (f *Fleet) tellOnce(about, format string, args ...any) {
	f.told.mutex.Lock()
	defer f.told.mutex.Unlock()

	if f.told.about[about] {
		return
	}

	if f.told.about == nil {
		f.told.about = map[string]bool{}
	}

	f.told.about[about] = true
	f.progress(format, args...)
}
