package roles

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/hornero/hornero/internal/report"
)

// Facts is what a node's templates may read.
type Facts struct {
	Stack       string
	Node        string
	Role        string
	Release     string
	Incarnation int
	Address     string // in the VPC
	Network     string // the VPC's range, as in 10.108.0.0/20; empty when unknown
	Anchor      string // where packets for the stack's reserved IP come in; empty when the Droplet cannot have one
	Memory      int64  // bytes
	CPUs        int
	RealTime    bool              // processes may run before all others (SCHED_RR)
	Writers     map[string]string // who takes the writes, by the role of the database; empty when unknown
	// Leases are names of leases in the peer set that are not ROLE.NAME, by role and NAME.
	Leases    map[string]map[string]string
	Databases []Database // of the roles that watch this one
	Settings  map[string]string
	Secrets   map[string]report.Secret
	Kept      map[string]string     // what nodes of this role keep in the peer set, by name
	Peers     map[string][]PeerFact // by role, sorted by name
	Expected  map[string][]string   // by role, sorted
	PKI       map[string]string     // "ca", "certificate", "key": PEM
	// Item is the certificate that the text is for, where its template says each: certificates.
	Item string
	// Authorities are the node's identities of other authorities than the stack's, each like PKI.
	Authorities map[string]map[string]string
}

// Settings of every node, whatever its role: what the bootstrap itself is told.
const (
	SettingDrift      = "drift"
	SettingDriftEvery = "drift_every"
	// SettingReservedIP is the address that nodes of a role with reserved_ip may hold; empty where there is none.
	SettingReservedIP = "reserved_ip.address"
)

// PeerFact is one peer, as templates see it.
type PeerFact struct {
	Name        string
	Address     string
	Incarnation int
	Healthy     bool // it is alive, and serves
	Alive       bool // its heartbeat was seen lately
	State       string
}

// Render writes one template of the role with the facts. A name that the facts lack is an error with the
// template's line.
func (m *Manifest) Render(t Template, facts Facts) ([]byte, error) {
	text, err := t.Text()
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", t.Path, err)
	}

	facts.Item = t.item

	return m.RenderText(t.File(), string(text), facts)
}

// RenderText writes any template text of the role with the facts; name is for error messages.
func (m *Manifest) RenderText(name, text string, facts Facts) ([]byte, error) {
	// A missing key would become "<no value>" in a daemon's configuration: it is an error.
	parsed := template.New(name)
	parsed.Option("missingkey=error")
	parsed.Funcs(m.functions(facts))
	parsed.Funcs(pure)
	parsed.Funcs(quotes)

	if _, err := parsed.Parse(text); err != nil {
		return nil, fmt.Errorf("read template of role %s: %w", m.Name, err)
	}

	var out bytes.Buffer
	if err := parsed.Execute(&out, facts); err != nil {
		return nil, fmt.Errorf("render template of role %s: %w", m.Name, err)
	}

	return out.Bytes(), nil
}

// pure are the functions of templates that need no facts.
var pure = template.FuncMap{
	"sha256":  sum,
	"join":    strings.Join,
	"mebi":    func(bytes int64) int64 { return bytes >> 20 },
	"percent": func(part int, of int64) int64 { return of * int64(part) / 100 },
	"bytes":   sizeBytes,
	"seconds": wholeSeconds,
	"mul":     func(a, b int) int { return a * b },
	"add":     func(a, b int64) int64 { return a + b },
	"max":     func(a, b int64) int64 { return max(a, b) },
	"min":     func(a, b int64) int64 { return min(a, b) },
}

// PreviousSecret names the value that a secret had before it was rotated. Only nodes that keep a database have it.
func PreviousSecret(name string) string { return name + ".previous" }

// functions are those that read the facts.
func (m *Manifest) functions(facts Facts) template.FuncMap {
	setting := func(name string) (string, error) {
		return lookup("setting", facts.Settings, name)
	}

	secret := func(name string) (string, error) {
		value, err := lookup("secret", facts.Secrets, name)
		return value.Reveal(), err
	}

	pki := func(name string, authority ...string) (string, error) {
		identity, err := facts.identity(authority)
		if err != nil {
			return "", err
		}

		return lookup("pki", identity, name)
	}

	// While a password is rotated the one before it works, too: "" where there is none.
	previous := func(name string) string {
		return facts.Secrets[PreviousSecret(name)].Reveal()
	}

	// A word that the manifest does not watch would be a role without a peer, for ever.
	watched := func(word string) (string, error) {
		return lookup("watched role", m.Watches, word)
	}

	return template.FuncMap{
		"role":    watched,
		"setting": setting,
		"secret":  secret,

		"previous": previous,
		"database": func(name string) (Database, error) { return m.database(facts, name) },

		"pki": pki,
		"var": func(name string) (string, error) { return m.variable(facts.Release, name) },
		"can": func(name string) (bool, error) { return m.can(facts.Release, name) },
		"enabled": func(name string) (bool, error) {
			value, err := setting(name)
			return value == "true", err
		},
		"list": func(name string) ([]string, error) {
			value, err := setting(name)
			return splitList(value), err
		},
		"peers": func(word string) ([]PeerFact, error) {
			role, err := watched(word)
			return alike(facts, role, facts.Peers[role], peerName), err
		},
		"expected": func(word string) ([]string, error) {
			role, err := watched(word)
			return alike(facts, role, facts.Expected[role], strings.Clone), err
		},
		"slots": func(word string) ([]PeerFact, error) {
			role, err := watched(word)
			return alike(facts, role, facts.slots(role), peerName), err
		},
		"lease": func(word, name string) (string, error) {
			role, err := watched(word)
			return facts.lease(role, name), err
		},
		"writer": func(word string) (string, error) {
			role, err := watched(word)
			return facts.Writers[role], err
		},
		"sites":   facts.sites,
		"renewal": facts.renewal,
		"account": facts.account,
		"kept":    facts.kept,
		"renewed": isRenewed,
		"fronted": facts.fronted,
		"fronts":  facts.fronts,
	}
}

// lease is the name in the peer set of a role's lease.
func (f Facts) lease(role, name string) string {
	return LeaseName(role, f.Leases[role], name)
}

// LeaseName is the name in the peer set of a role's lease; named are those that have another than ROLE.NAME.
func LeaseName(role string, named map[string]string, name string) string {
	return cmp.Or(named[name], role+"."+name)
}

// slots returns one place for each node of a role that is expected or present, in order of name (db-2 before
// db-10). An absent node has no address: a text that only lists slots keeps its shape while nodes come and go.
func (f Facts) slots(role string) []PeerFact {
	places := slices.Clone(f.Peers[role])

	for _, name := range f.Expected[role] {
		named := func(p PeerFact) bool { return p.Name == name }
		if !slices.ContainsFunc(places, named) {
			places = append(places, PeerFact{Name: name})
		}
	}

	slices.SortFunc(places, byNumber)

	return places
}

func peerName(p PeerFact) string { return p.Name }

// byNumber is the order of names: shorter ones first, which is that of their numbers.
func byNumber(a, b PeerFact) int {
	byLength := cmp.Compare(len(a.Name), len(b.Name))
	return cmp.Or(byLength, cmp.Compare(a.Name, b.Name))
}

func splitList(value string) []string {
	if value == "" {
		return nil
	}

	return strings.Split(value, "\n")
}

func (m *Manifest) variable(release, name string) (string, error) {
	// What a release says of its own goes before what holds for all.
	if value, ok := m.Variables[release][name]; ok {
		return value, nil
	}

	return lookup("variable for "+release, m.Variables["all"], name)
}

// can tells whether the release's programs can do something. A name that is no release's limit is a mistake: it
// would always be true.
func (m *Manifest) can(release, name string) (bool, error) {
	for _, limits := range m.Limits {
		if slices.Contains(limits, name) {
			return !slices.Contains(m.Limits[release], name) && !slices.Contains(m.Limits[everyRelease], name), nil
		}
	}

	return false, fmt.Errorf("%w: %q is no limit of any release in the manifest", errUnknownName, name)
}

var errUnknownName = errors.New("no such name")

func lookup[V any](kind string, values map[string]V, name string) (V, error) {
	value, ok := values[name]
	if !ok {
		return value, fmt.Errorf("%w: %s %q is not in the manifest's list or was not given to this node",
			errUnknownName, kind, name)
	}

	return value, nil
}

// sizeBytes reads a setting of type size.
func sizeBytes(text string) (int64, error) {
	size, ok := parseSize(text)
	if !ok && text != "0" { // nothing, where neither stack.yaml nor a default says more
		return 0, fmt.Errorf("%q is no size", text)
	}

	return size, nil
}

// wholeSeconds reads a setting of type duration. A part of a second counts as one: programs take 0 for "never".
func wholeSeconds(text string) (int64, error) {
	duration, err := time.ParseDuration(text)
	return int64((duration + time.Second - 1) / time.Second), err
}

func sum(parts ...string) string {
	// The zero byte keeps ("ab", "c") and ("a", "bc") apart.
	digest := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(digest[:])
}
