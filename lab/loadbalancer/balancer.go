// Package loadbalancer owns the lab's load balancers: one HAProxy each, in a network namespace of its own with
// a public address and a leg in a VPC, or that leg alone, running on when the lab does not, and its sites on an
// address of loopback. Datagrams are balanced by nftables in the same namespace. It is told what to balance in
// full each time and does not know tags, certificates' ids, or where targets come from.
package loadbalancer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/hornero/hornero/lab/machine"
)

// The protocols of rules and health checks.
const (
	HTTP  = "http"
	HTTPS = "https"
	HTTP2 = "http2"
	TCP   = "tcp"
	UDP   = "udp" // rules only
)

// Balancer is a load balancer in full.
type Balancer struct {
	ID string
	// At.Private may be left out: see PrivateAddress. No At.Public: internal, in its VPC only
	At               machine.Attachment
	Rules            []Rule
	Health           Health
	Sticky           Sticky
	Targets          []Target
	RedirectToHTTPS  bool
	ProxyProtocol    bool
	BackendKeepalive bool
	IdleTimeout      time.Duration // 0 means DefaultIdleTimeout
	Allow, Deny      []string      // ip:ADDRESS or cidr:RANGE; with Allow nobody else gets in
	StrongCiphers    bool          // of TLS: only with forward secrecy and authenticated encryption
}

// DefaultIdleTimeout is how long a connection may be silent.
const DefaultIdleTimeout = 60 * time.Second

// Rule says what is listened on and where it goes.
type Rule struct {
	EntryProtocol  string
	EntryPort      int
	TargetProtocol string
	TargetPort     int
	Certificate    string // PEM: leaf, chain, key; for https and http2 that do not pass through
	TLSPassthrough bool
}

// Health is how a target is found to serve. What is zero has DigitalOcean's default.
type Health struct {
	Protocol           string
	Port               int
	Path               string
	Interval, Timeout  time.Duration
	Healthy, Unhealthy int
	ProxyProtocol      *bool // whether checks begin with the PROXY protocol; nil: as the traffic does
}

// Sticky keeps a client with one target by a cookie; no cookie, not sticky.
type Sticky struct {
	Cookie string
	TTL    time.Duration
}

// Target is where requests go.
type Target struct {
	ID      int // the Droplet's number
	Address netip.Addr
}

// PrivateAddress is a load balancer's address in a VPC when nobody chose one: counted down from the range's end by
// the public address' last number, where Droplets, counted up, come last.
func PrivateAddress(vpc netip.Prefix, public netip.Addr) netip.Addr {
	bytes := vpc.Masked().Addr().As4()

	// A small VPC has no room for all last numbers: they wrap within its upper half.
	size := uint32(1) << (32 - vpc.Bits())
	down := 1 + uint32(public.As4()[3])%max(size/2, 1)
	address := uint32(bytes[0])<<24 | uint32(bytes[1])<<16 | uint32(bytes[2])<<8 | uint32(bytes[3])
	address += size - 1 - down

	return netip.AddrFrom4([4]byte{
		byte(address >> 24),
		byte(address >> 16),
		byte(address >> 8),
		byte(address),
	})
}

// front is the address that it listens on.
func (b Balancer) front() netip.Addr {
	if b.At.Public.IsValid() {
		return b.At.Public
	}

	return b.At.Private
}

func (b Balancer) proxyChecks() bool {
	if b.Health.ProxyProtocol != nil {
		return *b.Health.ProxyProtocol
	}

	return b.ProxyProtocol
}

// withDefaults sets what was left out.
func (b Balancer) withDefaults() Balancer {
	if !b.At.Private.IsValid() && b.At.Public.IsValid() && b.At.VPCRange.IsValid() {
		b.At.Private = PrivateAddress(b.At.VPCRange, b.At.Public)
	}

	if b.IdleTimeout == 0 {
		b.IdleTimeout = DefaultIdleTimeout
	}

	h := &b.Health
	if h.Protocol == "" {
		h.Protocol = HTTP
	}

	if h.Path == "" {
		h.Path = "/"
	}

	for value, fallback := range map[*int]int{
		&h.Port:      80,
		&h.Healthy:   3,
		&h.Unhealthy: 5,
	} {
		if *value == 0 {
			*value = fallback
		}
	}

	for value, fallback := range map[*time.Duration]time.Duration{
		&h.Interval: 10 * time.Second,
		&h.Timeout:  5 * time.Second,
	} {
		if *value == 0 {
			*value = fallback
		}
	}

	return b
}

func (b Balancer) check() error {
	// The id becomes the name of a folder and of a place in the networks.
	if !regexp.MustCompile(`^[a-zA-Z0-9-]{1,60}$`).MatchString(b.ID) {
		return fmt.Errorf("id %q: must be letters, digits and '-'", b.ID)
	}

	if len(b.Rules) == 0 {
		return errors.New("there is no forwarding rule")
	}

	if !b.front().IsValid() {
		return errors.New("there is no address to listen on")
	}

	for _, rule := range b.Rules {
		if err := rule.check(); err != nil {
			return fmt.Errorf("forwarding rule for port %d: %w", rule.EntryPort, err)
		}
	}

	// Both end up in HAProxy's configuration, where these characters would begin something else.
	for _, text := range []string{b.Health.Path, b.Sticky.Cookie} {
		if strings.ContainsFunc(text, func(r rune) bool {
			return r <= ' ' || r > '~' || strings.ContainsRune(`"'\#`, r)
		}) {
			return fmt.Errorf("%q: spaces, quotes, '\\' and '#' cannot be used", text)
		}
	}

	return nil
}

func (r Rule) check() error {
	if r.EntryPort < 1 || r.EntryPort > 65535 || r.TargetPort < 1 || r.TargetPort > 65535 {
		return errors.New("ports are 1 to 65535")
	}

	for _, protocol := range []string{r.EntryProtocol, r.TargetProtocol} {
		switch protocol {
		case HTTP, HTTPS, HTTP2, TCP, UDP:
		default:
			return fmt.Errorf("protocol %q: the lab has http, https, http2, tcp and udp", protocol)
		}
	}

	for _, transport := range []string{TCP, UDP} {
		if (r.TargetProtocol == transport) != (r.EntryProtocol == transport) {
			return fmt.Errorf("%s goes to %[1]s only", transport)
		}
	}

	if r.encrypted() && r.Certificate == "" {
		return errors.New("a certificate is needed")
	}

	return nil
}

// encrypted tells whether the load balancer itself ends the client's TLS.
func (r Rule) encrypted() bool {
	return (r.EntryProtocol == HTTPS || r.EntryProtocol == HTTP2) && !r.TLSPassthrough
}

// plain tells whether bytes go through unread.
func (r Rule) plain() bool {
	return r.EntryProtocol == TCP || r.TLSPassthrough
}

// certificateFile names a certificate by its content, so that another certificate is another configuration.
func certificateFile(pem string) string {
	sum := sha256.Sum256([]byte(pem))
	return "certificate-" + hex.EncodeToString(sum[:8]) + ".pem"
}
