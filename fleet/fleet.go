// Package fleet owns the life of a stack on the cloud: up, replace, status, destroy. It keeps no state of its
// own: what exists is what the API says, found by tags, and what is healthy is what the nodes say. It must not
// know the lab.
package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

var (
	// ErrUnsafe refuses what would endanger data.
	ErrUnsafe = errors.New("not safe now")
	// ErrNoDroplet means that a node of the stack has no Droplet.
	ErrNoDroplet = errors.New("the node has no Droplet; `hornero up` makes it")
)

// Config is what a fleet works with.
type Config struct {
	Client    *godo.Client
	Stack     *stack.Stack
	Secrets   *stack.Secrets
	Manifests map[string]*roles.Manifest
	// Published maps a load balancer's address to one that reaches it from here.
	Published func(ctx context.Context, ip string) (string, error)
	// APIInside is where a Droplet reaches the API; empty for DigitalOcean's own.
	APIInside string
	// SpacesFrom is where a region's Spaces are reached from here. Nil: as stack.yaml says, or DigitalOcean's own.
	SpacesFrom func(region string) (string, error)
	// Dial reaches a node; nil means a plain connection from here.
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Progress func(string)
	// Confirm asks the operator whether what is named may go for good, and returns ErrNotConfirmed when not. Nil
	// refuses all.
	Confirm func(ctx context.Context, removals []Removal) error
	// Planned is the plan that an operator has read: Up brings about nothing else. Nil allows all.
	Planned *Plan
	Timeout time.Duration // for a node to become healthy
	Soak    time.Duration // for which the first new node of a roll is watched; DefaultSoak where 0
	// ReplaceBalancers names load balancers of stack.yaml (one without a name: its role) that Up makes anew.
	ReplaceBalancers []string
	Admission        time.Duration // for a load balancer to send to a node; 0: what its health check takes
	InUseWait        time.Duration // for what is in use to be deletable; 0: DefaultInUseWait
	ShownWait        time.Duration // for handshakes to show another certificate; 0: DefaultShownWait
	GuardWait        time.Duration // for a role's guards to let a node go; 0: DefaultGuardWait
	KeyWait          time.Duration // for a new key of Spaces to open them; 0: DefaultKeyWait
	Lock             LockConfig
	// Group is the one whose node runs a command of a role; "" where any of the role does.
	Group string
	// Terminal is the operator's, for commands that want one; nil where there is none.
	Terminal *Terminal
	// Unclear is how often a thing is looked for whose creation the API did not answer. The zero value has defaults.
	Unclear do.WaitOptions
	// Now is the time; time.Now where nil.
	Now func() time.Time
	// Records are the records of images that are here; empty: none are.
	Records record.Folder
	// Cache keeps where nodes were last seen. Nil keeps nothing.
	Cache Cache
}

// DefaultTimeout is how long a node may take to serve: a state transfer of a large data set is not waited for.
const DefaultTimeout = 10 * time.Minute

// Fleet is one stack on one cloud.
type Fleet struct {
	Config
	shell  *shell
	change *change // the command that has the stack's lock; nil where none takes it
	told   told
	images imagesTold
	keys   accountKeys
	seen   sync.Mutex // one change of the cache at a time
}

// New makes a fleet.
func New(config Config) (*Fleet, error) {
	if config.Timeout == 0 {
		config.Timeout = DefaultTimeout
	}
	if config.Soak == 0 {
		config.Soak = DefaultSoak
	}
	if config.GuardWait == 0 {
		config.GuardWait = DefaultGuardWait
	}
	if config.KeyWait == 0 {
		config.KeyWait = DefaultKeyWait
	}
	if config.Dial == nil {
		config.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}

	shell, err := newShell(config.Secrets, config.Dial)
	if err != nil {
		return nil, err
	}

	return &Fleet{
		Config: config,
		shell:  shell,
	}, nil
}

// Close ends the connections to nodes.
func (f *Fleet) Close() { f.shell.close() }

// member is a Droplet of the stack.
type member struct {
	Droplet     godo.Droplet
	Node        string
	Role        string
	Incarnation int    // 0 where the tag is gone or was edited
	Made        string // what its spec came to at its launch; "" where the tag is gone, or was never there
	Extra       string // the strategy of the roll that made it beside the nodes of stack.yaml; "" for any other
}

// manifest is the manifest of a role. For a role that the stack has not it is empty: neither a member's nor a
// database's. The role of a Droplet comes from its tags, which anybody may edit.
func (f *Fleet) manifest(role string) *roles.Manifest {
	if known := f.Manifests[role]; known != nil {
		return known
	}

	return &roles.Manifest{}
}

// isDatabase tells whether the nodes of a role hold the stack's data.
func (f *Fleet) isDatabase(role string) bool { return f.manifest(role).Driver == roles.DriverGalera }

func (m member) public() string {
	address, _ := m.Droplet.PublicIPv4() // "" while it has none
	return address
}

func (m member) private() string {
	address, _ := m.Droplet.PrivateIPv4() // "" while it has none
	return address
}

// members lists the Droplets of the stack's nodes, newest incarnation first within a node, by name.
func (f *Fleet) members(ctx context.Context) ([]member, error) {
	droplets, err := f.droplets(ctx)
	if err != nil {
		return nil, err
	}

	all, _ := f.sorted(droplets)
	f.keepSeen(all)

	return all, nil
}

// nodes lists the Droplets of the stack's nodes, one a node, by name.
func (f *Fleet) nodes(ctx context.Context) ([]member, error) {
	all, err := f.members(ctx)
	kept, _ := current(all)

	return kept, err
}

// sorted are the members among Droplets with the stack's tag, in order, and those that are no node's.
func (f *Fleet) sorted(droplets []godo.Droplet) (all, strays []member) {
	for _, droplet := range droplets {
		m := f.member(droplet)
		if m.isStray() {
			strays = append(strays, m)
			continue
		}

		all = append(all, m)
	}

	// The Droplet's number breaks ties, so that two operators see the same order and keep the same one.
	slices.SortFunc(all, func(a, b member) int {
		return cmp.Or(
			cmp.Compare(a.Node, b.Node),
			cmp.Compare(b.Incarnation, a.Incarnation),
			cmp.Compare(a.Droplet.ID, b.Droplet.ID),
		)
	})

	return all, strays
}

func (f *Fleet) member(droplet godo.Droplet) member {
	m := member{Droplet: droplet}

	for _, tag := range droplet.Tags {
		if made, ok := strings.CutPrefix(tag, f.tag("spec")+":"); ok {
			m.Made = made
		}

		if node, ok := strings.CutPrefix(tag, f.tag("node")+":"); ok {
			m.Node = node
		}

		if role, ok := strings.CutPrefix(tag, f.tag("role")+":"); ok {
			m.Role = role
		}

		if strategy, ok := strings.CutPrefix(tag, f.tag(extraTag)+":"); ok {
			m.Extra = strategy
		}

		if number, ok := strings.CutPrefix(tag, f.tag("incarnation")+":"); ok {
			m.Incarnation, _ = strconv.Atoi(number) // 0, older than any, when somebody edited the tag
		}
	}

	return m
}

// current keeps one Droplet a node: the newest incarnation, and of two equals the elder. The others are
// returned apart.
func current(all []member) (kept, surplus []member) {
	for _, m := range all {
		if len(kept) > 0 && kept[len(kept)-1].Node == m.Node {
			surplus = append(surplus, m)
		} else {
			kept = append(kept, m)
		}
	}

	return kept, surplus
}

// nodeNamed tells a node of stack.yaml by its name.
func nodeNamed(name string) func(stack.Node) bool {
	return func(node stack.Node) bool { return node.Name == name }
}

// nodeOf tells the nodes of a role.
func nodeOf(role string) func(stack.Node) bool {
	return func(node stack.Node) bool { return node.Role == role }
}

func find(members []member, node string) (member, bool) {
	i := slices.IndexFunc(members, func(m member) bool { return m.Node == node })
	if i < 0 {
		return member{}, false
	}

	return members[i], true
}

func (f *Fleet) progress(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if held := f.held(); held != nil {
		held.Step(line)
	}

	if f.Progress != nil {
		f.Progress(line)
	}
}
