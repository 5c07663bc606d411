package stack

import (
	"slices"
	"time"
)

// Balancer is a load balancer: what visitors reach. What is zero has DigitalOcean's default, unless it says otherwise.
type Balancer struct {
	Name  string `yaml:"name"`  // empty for the short form, load_balancer
	Nodes string `yaml:"nodes"` // the role of the nodes behind it
	// Serves names what of the role's `serves` it points at; empty: the first that speaks HTTP.
	Serves string `yaml:"serves"`
	HTTP   int    `yaml:"http"`  // short for a rule of http; 0: none
	HTTPS  int    `yaml:"https"` // short for a rule of https; 0: none
	Rules  []Rule `yaml:"rules"` // beside these two

	Redirect bool            `yaml:"redirect"` // those who come by http at port 80 are sent to https
	Sticky   *Sticky         `yaml:"sticky"`   // nil: any node answers any request
	Health   *BalancerHealth `yaml:"health"`   // nil: it asks each node's bootstrap
	// ProxyProtocol has connections to nodes begin with the visitor's address, by the PROXY protocol.
	ProxyProtocol bool `yaml:"proxy_protocol"`
	// Allow are the addresses and networks that alone get in; empty: all. Deny are those that do not.
	Allow []string `yaml:"allow"`
	Deny  []string `yaml:"deny"`
	Size  int      `yaml:"size"` // in units, each of which is paid for; 0: DefaultBalancerSize
	// Idle is how long a connection may be silent; 0: what the role's manifest says of what it serves.
	Idle      time.Duration `yaml:"idle"`
	Keepalive bool          `yaml:"keepalive"`  // connections to nodes are used again
	Network   string        `yaml:"network"`    // NetworkExternal or NetworkInternal
	Type      string        `yaml:"type"`       // TypeRegional or TypeNetwork
	Ciphers   string        `yaml:"ciphers"`    // CiphersDefault or CiphersStrong
	DualStack bool          `yaml:"dual_stack"` // it has an IPv6 address, too
	// Certificate is where that of its rules comes from; nil: the secrets file.
	Certificate *BalancerCertificate `yaml:"certificate"`
}

// DefaultBalancerSize is DigitalOcean's own (its API description: size_unit).
const DefaultBalancerSize = 1

// Where a load balancer is reached from.
const (
	NetworkExternal = "external" // the internet
	NetworkInternal = "internal" // the stack's VPC alone
)

// The types of a load balancer.
const (
	TypeRegional = "regional" // it ends connections, and makes its own to the nodes
	TypeNetwork  = "network"  // it passes packets on
	typeGlobal   = "global"   // of many regions: none of ours
)

// What a load balancer offers to those who come by TLS.
const (
	CiphersDefault = "default"
	CiphersStrong  = "strong"
)

// Sticky keeps a visitor with one node by a cookie that the load balancer sets, and takes off again before a node sees
// it.
type Sticky struct {
	Cookie string        `yaml:"cookie"` // its name
	TTL    time.Duration `yaml:"ttl"`
}

// BalancerHealth is how a load balancer finds out which nodes serve. Without protocol, port and path it asks the
// bootstrap of each node, which knows of drains; with any of them it asks what it is told to.
type BalancerHealth struct {
	Protocol  string        `yaml:"protocol"`  // http, https or tcp
	Port      int           `yaml:"port"`      // 0: what `serves` names
	Path      string        `yaml:"path"`      // "": /
	Interval  time.Duration `yaml:"interval"`  // between two checks; 0: DefaultBalancerInterval
	Timeout   time.Duration `yaml:"timeout"`   // of a check; 0: DefaultBalancerTimeout
	Unhealthy int           `yaml:"unhealthy"` // bad answers in a row, until it sends there no more; 0: 2
	Healthy   int           `yaml:"healthy"`   // good answers in a row, until it sends there; 0: 2
}

// What a check has that says nothing of it: the shortest that the API takes (its description: health_check).
const (
	DefaultBalancerInterval  = 3 * time.Second
	DefaultBalancerTimeout   = 3 * time.Second
	DefaultBalancerThreshold = 2
)

// Own tells whether the check asks something else than the bootstrap: then a drain is not seen by it.
func (h *BalancerHealth) Own() bool {
	return h != nil && (h.Protocol != "" || h.Port != 0 || h.Path != "")
}

// BalancerCertificate is where a load balancer's certificate comes from.
type BalancerCertificate struct {
	// LetsEncrypt are the names that DigitalOcean has Let's Encrypt issue one for; empty: the secrets file has it.
	LetsEncrypt []string `yaml:"lets_encrypt"`
	// DNSRecords lets DigitalOcean point these names at the load balancer by itself.
	DNSRecords bool `yaml:"dns_records"`
}

// IssuedNames are the names of a certificate that DigitalOcean has Let's Encrypt issue; none where it is the stack's.
func (b Balancer) IssuedNames() []string {
	if b.Certificate == nil {
		return nil
	}

	return b.Certificate.LetsEncrypt
}

// AllBalancers returns the stack's load balancers in the order of the file; a stack may have none.
func (s *Stack) AllBalancers() []Balancer {
	if s.LoadBalancer != nil {
		return []Balancer{*s.LoadBalancer}
	}

	return slices.Clone(s.Balancers)
}
