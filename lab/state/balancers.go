package state

import (
	"net/netip"
	"time"
)

// Certificate is a certificate that load balancers serve.
type Certificate struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Type        string    `json:"type"`
	State       string    `json:"state"`
	DNSNames    []string  `json:"dns_names"`
	NotAfter    time.Time `json:"not_after"`
	Fingerprint string    `json:"fingerprint"` // sha1, hex
	Created     time.Time `json:"created"`
	PrivateKey  string    `json:"private_key"`
	Leaf        string    `json:"leaf"`
	Chain       string    `json:"chain"`
}

// Authority is what the lab's Let's Encrypt signs with, PEM. Empty until it is needed.
type Authority struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// LoadBalancer is a load balancer as it was asked for, defaults filled in.
type LoadBalancer struct {
	ID               string        `json:"id"`
	Name             string        `json:"name"`
	Address          netip.Addr    `json:"address"` // public; none when the load balancer is internal
	Private          netip.Addr    `json:"private"` // in the VPC
	Status           string        `json:"status"`  // new, active, errored
	Reason           string        `json:"reason"`
	Created          time.Time     `json:"created"`
	Region           string        `json:"region"`
	VPC              string        `json:"vpc"`
	SizeUnit         int           `json:"size_unit"`
	SizeSlug         string        `json:"size_slug"`
	Type             string        `json:"type"`
	Network          string        `json:"network"`
	Rules            []Rule        `json:"rules"`
	Health           HealthCheck   `json:"health"`
	Sticky           Sticky        `json:"sticky"`
	Tag              string        `json:"tag"`
	DropletIDs       []int         `json:"droplet_ids"` // as given; a tag's Droplets are looked up
	RedirectToHTTPS  bool          `json:"redirect_to_https"`
	ProxyProtocol    bool          `json:"proxy_protocol"`
	BackendKeepalive bool          `json:"backend_keepalive"`
	NoLetsEncryptDNS bool          `json:"no_lets_encrypt_dns"`
	IdleTimeout      time.Duration `json:"idle_timeout"`
	Allow            []string      `json:"allow"`
	Deny             []string      `json:"deny"`
	TLSCipherPolicy  string        `json:"tls_cipher_policy"` // empty in a state of version 2: the default one
	Tags             []string      `json:"tags"`
	NetworkStack     string        `json:"network_stack"` // empty in a state of an earlier lab: IPV4
	Resized          time.Time     `json:"resized"`       // zero: never
	Busy             time.Time     `json:"busy"`          // until when no change is taken; zero: one is
}

// Front is the address that a load balancer is reached at: a public one, or for an internal one that in its VPC.
func (b LoadBalancer) Front() netip.Addr {
	if b.Address.IsValid() {
		return b.Address
	}

	return b.Private
}

// Rule is a forwarding rule of a load balancer.
type Rule struct {
	EntryProtocol  string `json:"entry_protocol"`
	EntryPort      int    `json:"entry_port"`
	TargetProtocol string `json:"target_protocol"`
	TargetPort     int    `json:"target_port"`
	CertificateID  string `json:"certificate_id"`
	TLSPassthrough bool   `json:"tls_passthrough"`
}

// HealthCheck is how a load balancer tells that a Droplet serves.
type HealthCheck struct {
	Protocol  string        `json:"protocol"`
	Port      int           `json:"port"`
	Path      string        `json:"path"`
	Interval  time.Duration `json:"interval"`
	Timeout   time.Duration `json:"timeout"`
	Healthy   int           `json:"healthy"`
	Unhealthy int           `json:"unhealthy"`
	// ProxyProtocol says whether checks begin with the PROXY protocol; null when they do as the traffic does.
	ProxyProtocol *bool `json:"proxy_protocol"`
}

// Sticky is how a load balancer keeps a client with one Droplet.
type Sticky struct {
	Type   string `json:"type"`
	Cookie string `json:"cookie"`
	TTL    int    `json:"ttl"`
}

// Certificate finds a certificate; nil when there is none.
func (d *Document) Certificate(id string) *Certificate {
	return find(d.Certificates, func(x *Certificate) bool { return x.ID == id })
}

// LoadBalancer finds a load balancer; nil when there is none.
func (d *Document) LoadBalancer(id string) *LoadBalancer {
	return find(d.LoadBalancers, func(x *LoadBalancer) bool { return x.ID == id })
}
