// Package roles owns what a Droplet can be: one folder a role, its manifest and its templates, and their rendering.
// Everything here is pure: a manifest and facts in, bytes out. It runs no command and opens no connection.
package roles

import (
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/report"
)

// Ports that the bootstrap itself serves, on the VPC address; the health port on loopback, too.
const (
	// plain HTTP: /healthz, /readyz, for load balancers and HAProxy (the port clustercheck made customary)
	HealthPort = 9200
	AgentPort  = 9201 // the agents' API, mutual TLS
	PeersPort  = 9202 // dqlite, mutual TLS
	// /metrics, for those who show a certificate for it
	MetricsPort = 9203
)

// What a role's nodes are in the peer set.
const (
	Member = "member" // joins consensus (dqlite)
	Client = "client" // registers with the agents' API and watches
	Auto   = "auto"   // a client where the stack has enough nodes of roles that are Member, else a member
)

// limitConnections is among the limits of a release whose nft does not count connections.
const limitConnections = "connection-limits"

// The drivers: Go code that runs a role where a template cannot say it.
const (
	DriverArbitrator = "arbitrator" // a vote in a database cluster, without data
	DriverGalera     = "galera"     // a database node
	DriverHAProxy    = "haproxy"
)

// Manifest is a role's role.yaml, with what its pieces (Includes) add.
type Manifest struct {
	Version int    `yaml:"version"` // of this form: 1
	Name    string `yaml:"name"`    // the folder's name
	Summary string `yaml:"summary"` // one line, for lists
	// Abstract marks a piece: a folder that no Droplet is launched with. "common" is part of every image; others
	// are part of the roles that include them.
	Abstract bool `yaml:"abstract"`
	// Includes names folders of roles whose manifests become part of this one. What this one says goes before what
	// they say; the later of two pieces goes before the earlier.
	Includes []string `yaml:"includes"`
	// Peers is Member, Client, or Auto: a client where the stack has five nodes or more of roles that are members, and
	// a member where it has fewer.
	Peers string `yaml:"peers"`
	// Driver names the Go code that runs the role where a template cannot say it: "arbitrator", "galera",
	// "haproxy" or none.
	Driver    string              `yaml:"driver"`
	Packages  map[string][]string `yaml:"packages"`  // by release; "all" is for every release
	Excluded  map[string][]string `yaml:"excluded"`  // packages never to be drawn in, by release or "all"
	Variables map[string]Values   `yaml:"variables"` // by release, or "all"
	// Limits names what the programs of a release cannot, by release: templates and bake commands ask {{if can
	// "name"}}.
	Limits    map[string][]string `yaml:"limits"`
	Files     []File              `yaml:"files"`
	Programs  []Program           `yaml:"programs"`
	Templates []Template          `yaml:"templates"`
	Services  []Service           `yaml:"services"`
	Ports     []Port              `yaml:"ports"`
	// Egress is what the role's own users may reach outside of the stack; those that it does not name reach everything.
	Egress []Egress `yaml:"egress"`
	// Certificates are those that the role's nodes have besides that of the stack's authority.
	Certificates []Certificate `yaml:"certificates"`
	// Secrets are the role's secrets by their name in the secrets file, as in "wordpress.salt".
	Secrets map[string]SecretRule `yaml:"secrets"`
	// ReservedIP says that a node of the role may hold the stack's reserved IP, and what it serves there needs;
	// nil: it may not.
	ReservedIP *ReservedIP `yaml:"reserved_ip"`
	// Sites says that the role's nodes serve the sites of stack.yaml.
	Sites bool `yaml:"sites"`
	// Settings are what stack.yaml may say under roles.NAME, by name.
	Settings map[string]Setting `yaml:"settings"`
	// Watches are the roles whose peers this role's templates and driver use, by the word that they call them: a
	// role that stands in another's place needs no other template. "self" is the role itself.
	Watches   map[string]string `yaml:"watches"`
	Serves    []Serve           `yaml:"serves"`
	Databases []Database        `yaml:"databases"`
	// Leases gives leases a name in the peer set that is not ROLE.NAME, by NAME: what older versions of the role
	// hold them under. It is not inherited: two roles would take turns.
	Leases   map[string]string `yaml:"leases"`
	Tasks    []Task            `yaml:"tasks"`
	Commands []Command         `yaml:"commands"`
	Guards   []Guard           `yaml:"guards"`
	Spaces   []Space           `yaml:"spaces"`
	Bake     Bake              `yaml:"bake"`
	// Code is where code of a stack's own goes in the image; nil: the role takes none.
	Code *Code `yaml:"code"`

	folders []Folder
	// more are the files beside the manifest that add to it: those of the pieces first.
	more []*More
	// parts are the manifests that this one was made of, each as its file has it and once: pieces first.
	parts []*Manifest
	// doc is the manifest's file, until it is checked.
	doc *report.Document
}

// Folder is a folder of a role: its own, or that of a piece.
type Folder struct {
	Name string
	FS   fs.FS
}

// Values is what differs between releases: paths, unit names, limits. Templates read them as {{var "name"}}.
type Values map[string]string

// File is baked into the image as it is.
type File struct {
	Source string `yaml:"source"` // in the role's folder, or in a piece's
	Path   string `yaml:"path"`   // in the image
	Mode   string `yaml:"mode"`   // octal; default 0644
	Owner  string `yaml:"owner"`  // user:group; default root:root
	// Check is run by the image's self-test; "{file}" is the file's path.
	Check  []string `yaml:"check"`
	Only   []string `yaml:"only"`   // the releases that it is for; default all
	Except []string `yaml:"except"` // the releases that it is not for; not beside only

	folder Folder
}

// Template is baked as text and rendered by the bootstrap on the node, again whenever what it reads changes.
type Template struct {
	Source string `yaml:"source"` // in the role's folder, or in a piece's
	Path   string `yaml:"path"`   // on the node
	Mode   string `yaml:"mode"`   // octal; default 0640
	Owner  string `yaml:"owner"`  // user:group; default root:root
	// Each makes a file for each of something, by its name in the place of {each} in path: EachCertificate, or nothing.
	Each string `yaml:"each"`
	// Check is run before a new text takes the file's place; "{file}" is the new text's path.
	Check []string `yaml:"check"`
	// BakeCheck is run by the image's self-test only, with every template of the role in its place as a sample
	// node has it: for programs that judge their whole configuration and not one file.
	BakeCheck []string `yaml:"bake_check"`
	// Volatile puts the file on a tmpfs, and a link to it at its path: for secrets. It is written anew at each boot.
	Volatile bool     `yaml:"volatile"`
	Reload   []string `yaml:"reload"`  // units to reload when the text changed
	Restart  []string `yaml:"restart"` // units to restart when the text changed
	Only     []string `yaml:"only"`    // the releases that it is for; default all
	Except   []string `yaml:"except"`  // the releases that it is not for; not beside only

	folder Folder
	item   string // of what it is made for each
}

// Service is a unit of the role. The image holds it disabled; the bootstrap starts it once its files are there.
type Service struct {
	Unit string `yaml:"unit"` // a template
	// Managed is true for a unit that the role's driver starts and stops, not the bootstrap.
	Managed bool `yaml:"managed"`
}

// Port is something that the role listens on, and who may reach it.
type Port struct {
	Port int `yaml:"port"` // on the VPC address
	// roles, or "self" (the role's own nodes), "watchers" (nodes of roles that watch this one), "load_balancer",
	// "operator", "peers" (every node of the stack), "reserved_ip" (anybody, by that address), "visitors" (anybody;
	// where a load balancer stands before the role and no reserved IP leads to it, that alone), "proxies" and
	// "arbitrators" (watchers that are run by that driver), "clients" (client_addresses of stack.yaml)
	From []string `yaml:"from"`
	Name string   `yaml:"name"` // what it is for
	// Connections is how many one address may have open at a time; 0: any number.
	Connections int `yaml:"connections"`
}

// Certificate is a certificate of an authority of its own: only nodes of roles that ask for it have one, and who trusts
// that authority takes no other node for one of them.
type Certificate struct {
	Authority string `yaml:"authority"` // its name; the secrets AUTHORITY.ca.certificate and AUTHORITY.ca.key
}

// ReservedIP is what a role needs only where its nodes may hold the stack's reserved IP.
type ReservedIP struct {
	Secrets []string `yaml:"secrets"` // by their names in the secrets file
}

// Task is a command that exactly one node of the role runs, under a lease.
type Task struct {
	Name    string            `yaml:"name"`    // also the lease's
	Run     []string          `yaml:"run"`     // the program and its words
	Every   time.Duration     `yaml:"every"`   // 0: until it once succeeds on this node
	Timeout time.Duration     `yaml:"timeout"` // default one minute
	Env     map[string]string `yaml:"env"`     // values are templates
}

// Bake is what the image build does besides packages and files.
type Bake struct {
	Commands []string `yaml:"commands"` // run in the image by /bin/sh -e, after packages and files
	// Varies are paths that no two bakes have alike, and why; one that ends in "/" is for all below.
	Varies map[string]string `yaml:"varies"`
}

// Checker fills a file's path into the words of a check.
func Checker(check []string, file string) []string {
	words := slices.Clone(check)
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "{file}", file)
	}

	return words
}

// PackagesFor returns the packages of the role on a release, in the manifest's order.
func (m *Manifest) PackagesFor(release string) []string {
	return slices.Concat(m.Packages["all"], m.Packages[release])
}

// ExcludedFor returns the packages that must not be drawn in on a release.
func (m *Manifest) ExcludedFor(release string) []string {
	return slices.Concat(m.Excluded["all"], m.Excluded[release])
}

// On returns the manifest as it is on a release: with the files and templates of that release only.
func (m *Manifest) On(release string) *Manifest {
	otherFile := func(file File) bool {
		return !appliesTo(release, file.Only, file.Except)
	}

	otherTemplate := func(template Template) bool {
		return !appliesTo(release, template.Only, template.Except)
	}

	otherProgram := func(program Program) bool {
		return !appliesTo(release, program.Only, program.Except)
	}

	// A copy: the manifest itself may be asked for another release.
	filtered := *m
	filtered.Files = slices.DeleteFunc(slices.Clone(m.Files), otherFile)
	filtered.Templates = slices.DeleteFunc(slices.Clone(m.Templates), otherTemplate)
	filtered.Programs = slices.DeleteFunc(slices.Clone(m.Programs), otherProgram)

	if slices.Contains(m.Limits[release], limitConnections) {
		filtered.Ports = slices.Clone(m.Ports)

		for i := range filtered.Ports {
			filtered.Ports[i].Connections = 0
		}
	}

	// The role's own stands behind a piece's.
	filtered.Files = lastOf(filtered.Files, func(f File) string { return f.Path })
	filtered.Programs = lastOf(filtered.Programs, Program.Target)
	filtered.Templates = lastOf(filtered.Templates, func(t Template) string { return t.Path })

	return &filtered
}

// lastOf leaves out what a later item of the same name takes the place of.
func lastOf[T any](list []T, name func(T) string) []T {
	last := map[string]int{}
	for i, item := range list {
		last[name(item)] = i
	}

	var kept []T

	for i, item := range list {
		if last[name(item)] == i {
			kept = append(kept, item)
		}
	}

	return kept
}

func appliesTo(release string, only, except []string) bool {
	if slices.Contains(except, release) {
		return false
	}

	return len(only) == 0 || slices.Contains(only, release)
}
