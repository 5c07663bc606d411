// Package stack owns stack.yaml and the secrets file: what they may say, what is wrong with them, and the
// things that a stack has from its first day (authorities, keys, passwords). It must not know how Droplets are
// made or reached.
package stack

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// Version is the version of stack.yaml that this code reads.
const Version = 1

// The clouds that a stack can be launched on.
const (
	CloudLab          = "lab"
	CloudDigitalOcean = "digitalocean"
)

// The defaults of what stack.yaml may leave out.
const (
	DefaultSecrets = "secrets.age"
	DefaultRelease = "debian-13"
	DefaultSize    = "s-1vcpu-1gb"
	DefaultDrift   = DriftReport
	// DefaultDriftEvery reads half a gigabyte four times a day.
	DefaultDriftEvery = 6 * time.Hour
)

// What a node does about drift.
const (
	DriftReport     = "report"     // report it
	DriftQuarantine = "quarantine" // also stop serving, unless no other node of its role serves
)

// Stack is a stack.yaml.
type Stack struct {
	Version int    `yaml:"version"`
	Name    string `yaml:"name"`
	Cloud   string `yaml:"cloud"`
	Region  string `yaml:"region"`
	Release string `yaml:"release"`
	Secrets string `yaml:"secrets"` // as written; SecretsPath is where it is
	// Roles are the settings of the stack's roles, by role and by the manifest's name.
	Roles        map[string]map[string]roles.Value `yaml:"roles"`
	Nodes        []Group                           `yaml:"nodes"`
	LoadBalancer *Balancer                         `yaml:"load_balancer"` // the only one, without a name; nil: none
	Balancers    []Balancer                        `yaml:"balancers"`     // several, or one with a name
	Sites        []Site                            `yaml:"sites"`         // of the stack's own edge
	ACME         *ACME                             `yaml:"acme"`          // nil: no certificate renews itself
	ReservedIP   *ReservedIP                       `yaml:"reserved_ip"`   // nil: none
	Domain       *Domain                           `yaml:"domain"`        // nil: no record is the stack's
	VPC          *VPC                              `yaml:"vpc"`           // nil: its range is one that is free
	Project      string                            `yaml:"project"`       // of the account, by its name; "": none
	SSHKeys      []string                          `yaml:"ssh_keys"`      // of the account, or fingerprints, numbers
	// OperatorAddresses are the addresses and networks that may reach port 22; empty: everybody.
	OperatorAddresses []string `yaml:"operator_addresses"`
	// ClientAddresses are those of whom a manifest calls clients: no nodes of the stack, and they use what it serves.
	ClientAddresses []string `yaml:"client_addresses"`
	// Drift is what a node does whose files are not as they were baked or written: DriftReport or DriftQuarantine.
	Drift      string        `yaml:"drift"`
	DriftEvery time.Duration `yaml:"drift_every"` // between whole comparisons of a node with its image
	Images     Images        `yaml:"images"`

	folder string
}

// Group is a number of equal nodes.
type Group struct {
	Name  string `yaml:"name"`
	Role  string `yaml:"role"`
	Count int    `yaml:"count"`
	Size  string `yaml:"size"`
	Image int    `yaml:"image"` // a snapshot's number, which the nodes are launched from; 0: the newest of the role

	// What DigitalOcean does for the nodes' Droplets.
	Monitoring bool `yaml:"monitoring"` // shows the metrics of its agent, where one runs
	IPv6       bool `yaml:"ipv6"`       // gives each a public IPv6 address
	Backups    bool `yaml:"backups"`    // takes an image of each disk once a week

	// Schema is the group's own in the database cluster, with a user and secrets of its own; "": the role's.
	Schema string `yaml:"schema"`

	// Settings are the group's own, over those of its role.
	Settings map[string]roles.Value `yaml:"settings"`
}

// ReservedIP is an address of the account that one node of a role holds, and another when that one cannot.
type ReservedIP struct {
	Nodes   string `yaml:"nodes"` // the role
	Address string `yaml:"address"`
}

// VPC is the stack's own network.
type VPC struct {
	Range string `yaml:"range"` // of private addresses, as in 10.108.0.0/20
}

// Node is one node of the stack.
type Node struct {
	Name  string
	Role  string
	Size  string
	Group string // the name of the group that it is one of
	Image int    // as in Group

	Monitoring, IPv6, Backups bool // as in Group
}

// Load reads a stack.yaml. All that is wrong with it comes back together, as report.Problems.
func Load(path string, manifests map[string]*roles.Manifest) (*Stack, error) {
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, fmt.Errorf("read stack: %w; `hornero init` writes one, -f names another", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read stack: %w", err)
	}

	s, err := Parse(path, data, manifests)
	if err != nil {
		return nil, err
	}

	s.folder = folderOf(path)

	return s, nil
}

// folderOf is what a stack.yaml's other paths are relative to.
func folderOf(path string) string { return filepath.Dir(path) }

// Parse reads the text of a stack.yaml; file names it in problems.
func Parse(file string, data []byte, manifests map[string]*roles.Manifest) (*Stack, error) {
	doc, err := report.Parse(file, data)
	if err != nil {
		return nil, err
	}

	s := &Stack{}
	doc.Decode(s)

	c := newCheck(doc, manifests)
	c.moved(data, s)
	c.stack(s)

	// Defaults come after the checks, which tell a missing value from an empty one.
	if err := c.problems(); err != nil {
		return nil, err
	}

	s.complete()

	// Last, as an address is made of settings that are right.
	if _, err := s.renderURLs(manifests); err != nil {
		return nil, err
	}

	return s, nil
}

// complete fills in the defaults of what stack.yaml does not say.
func (s *Stack) complete() {
	s.Secrets = cmp.Or(s.Secrets, DefaultSecrets)
	s.Release = cmp.Or(s.Release, DefaultRelease)
	s.Drift = cmp.Or(s.Drift, DefaultDrift)
	s.DriftEvery = cmp.Or(s.DriftEvery, DefaultDriftEvery)

	s.completeDomain()

	for i := range s.Nodes {
		s.Nodes[i].Size = cmp.Or(s.Nodes[i].Size, DefaultSize)
	}
}

// SecretsPath is where the secrets file is: beside stack.yaml, unless it says otherwise.
func (s *Stack) SecretsPath() string {
	if filepath.IsAbs(s.Secrets) {
		return s.Secrets
	}

	return filepath.Join(s.folder, s.Secrets)
}

// All returns the stack's nodes in the order of the file.
func (s *Stack) All() []Node {
	var all []Node
	for _, group := range s.Nodes {
		for number := range group.Count {
			all = append(all, Node{
				Name:       group.Name + "-" + strconv.Itoa(number+1),
				Role:       group.Role,
				Size:       group.Size,
				Group:      group.Name,
				Image:      group.Image,
				Monitoring: group.Monitoring,
				IPv6:       group.IPv6,
				Backups:    group.Backups,
			})
		}
	}

	return all
}

// Node finds a node by its name. An unknown name is an error that suggests the nearest.
func (s *Stack) Node(name string) (Node, error) {
	var names []string
	for _, node := range s.All() {
		if node.Name == name {
			return node, nil
		}

		names = append(names, node.Name)
	}

	if near := report.Nearest(name, names); near != "" {
		return Node{}, fmt.Errorf("the stack %s has no node %q; did you mean %q?", s.Name, name, near)
	}

	return Node{}, fmt.Errorf("the stack %s has no node %q; its nodes are %v", s.Name, name, names)
}

// Expected names all nodes by role, sorted.
func (s *Stack) Expected() map[string][]string {
	expected := map[string][]string{}
	for _, node := range s.All() {
		expected[node.Role] = append(expected[node.Role], node.Name)
	}

	for _, names := range expected {
		slices.Sort(names)
	}

	return expected
}

// MayHoldReservedIP tells whether the nodes of a role may hold the stack's reserved IP.
func (s *Stack) MayHoldReservedIP(role string) bool {
	return s.ReservedIP != nil && s.ReservedIP.Nodes == role
}

// usedRoles are the roles of the stack's groups, in the order of the file.
func (s *Stack) usedRoles() []string {
	var used []string
	for _, group := range s.Nodes {
		if !slices.Contains(used, group.Role) {
			used = append(used, group.Role)
		}
	}

	return used
}

// usedManifests are the manifests of the stack's roles, in the order of the file.
func (s *Stack) usedManifests(manifests map[string]*roles.Manifest) []*roles.Manifest {
	var used []*roles.Manifest
	for _, role := range s.usedRoles() {
		// A role that is not known is a problem of the check, which asks as well.
		if manifest := manifests[role]; manifest != nil {
			used = append(used, manifest)
		}
	}

	return used
}
