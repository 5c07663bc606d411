package stack

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/roles"
)

// Site is a site that the stack's own edge serves: nodes of a role whose manifest says sites.
type Site struct {
	Names []string `yaml:"names"` // that visitors use; the others are sent to the first
	Nodes string   `yaml:"nodes"` // the role of the nodes behind it
	// Groups are the groups of that role that serve it; empty: all.
	Groups []string `yaml:"groups"`
	// Variants are groups that only those visitors get who ask for them, in the order in which they are looked for.
	Variants []Variant `yaml:"variants"`
	// Canary is what visitors get a canary with, whatever its share; nil: nobody asks.
	Canary *Asked `yaml:"canary"`
	// Serves names what of the role's `serves` visitors get; empty: the first that speaks HTTP.
	Serves string `yaml:"serves"`
	// Certificate is a word: that of the secrets site_WORD.certificate and site_WORD.key; empty: site.certificate and
	// site.key, which the stack makes by itself. RenewedCertificate is got from an authority.
	Certificate string `yaml:"certificate"`
	HTTP2       *bool  `yaml:"http2"`    // nil: browsers may speak it
	Redirect    bool   `yaml:"redirect"` // who comes by http is sent to https
	// HSTS is how long browsers shall ask by https only; 0: they are told nothing.
	HSTS     time.Duration `yaml:"hsts"`
	Balance  string        `yaml:"balance"`  // BalanceLeast or BalanceRound; empty: BalanceLeast
	Affinity string        `yaml:"affinity"` // an Affinity constant; empty: any node answers any request
	// Trusted are the addresses and networks of front ends whose word for the visitor's address is believed.
	Trusted []string      `yaml:"trusted"`
	Limits  *SiteLimits   `yaml:"limits"`
	Idle    time.Duration `yaml:"idle"`   // how long an answer may take; 0: what the role's manifest says
	Tunnel  time.Duration `yaml:"tunnel"` // how long a WebSocket may be silent; 0: DefaultTunnel
	// SlowStart is how long a node takes from none of the visitors to its whole share; 0: DefaultSlowStart.
	SlowStart time.Duration `yaml:"slow_start"`
}

// SiteLimits bound what a site takes; 0: no limit.
type SiteLimits struct {
	Requests int `yaml:"requests"` // of one visitor's address in ten seconds; more get 429
	// Connections are requests at the same time at one node of the edge; more get 503, and other sites go on.
	Connections int `yaml:"connections"`
	// Failures are those of one visitor's address in ten minutes, at the ways in that the role's manifest names; 0:
	// DefaultFailures.
	Failures int `yaml:"failures"`
	PerNode  int `yaml:"per_node"` // requests at the same time to a node behind it; more wait
}

// How the nodes of a site take turns.
const (
	BalanceLeast = "leastconn"
	BalanceRound = "roundrobin"
)

// ownSite begins the names of the secrets of sites' certificates.
const ownSite = "site"

// What keeps a visitor with a node.
const (
	AffinityCookie = "cookie" // of the edge's own
	AffinitySource = "source" // the visitor's address
	// AffinityApplication is the cookie that the role's manifest names under `serves`.
	AffinityApplication = "application"
)

// The defaults of sites.
const (
	DefaultTunnel    = time.Hour
	DefaultSlowStart = 30 * time.Second
	// DefaultFailures is of one visitor's address in ten minutes.
	DefaultFailures = 10
)

// secrets is the beginning of the names of the site's secrets. Until an authority has given a certificate the site has
// the stack's own.
func (s Site) secrets() string {
	if s.Certificate == "" || s.Renewed() {
		return ownSite
	}

	return ownSite + "_" + s.Certificate
}

// CertificateSecret is the secret with the site's certificate.
func (s Site) CertificateSecret() string { return s.secrets() + certificateOf }

// edge finds the manifest of the stack's role that serves sites; nil where no group has one.
func (s *Stack) edge(manifests map[string]*roles.Manifest) *roles.Manifest {
	used := s.usedManifests(manifests)

	at := slices.IndexFunc(used, func(manifest *roles.Manifest) bool { return manifest.Sites })
	if at < 0 {
		return nil
	}

	return used[at]
}

// SiteCertificates are the secrets with the certificates of the stack's sites, in the order of the file.
func (s *Stack) SiteCertificates() []string {
	var names []string
	for _, site := range s.Sites {
		if name := site.CertificateSecret(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}

	return names
}

// Watched are the roles whose nodes those of a role send to or ask.
func (s *Stack) Watched(manifest *roles.Manifest) []string {
	var watched []string
	for _, role := range manifest.Watches {
		watched = append(watched, role)
	}

	if manifest.Sites {
		for _, site := range s.Sites {
			watched = append(watched, site.Nodes)
		}
	}

	slices.Sort(watched)

	return slices.Compact(watched)
}

// SiteSettings are what the nodes of a role are told of sites: an edge all of them, those behind an edge who brings
// their visitors.
func (s *Stack) SiteSettings(
	manifest *roles.Manifest,
	manifests map[string]*roles.Manifest,
	secrets *Secrets,
) map[string]string {
	settings := map[string]string{}

	if manifest.Sites {
		settings[roles.SettingSites] = roles.SitesText(s.sitesFor(manifests, secrets))
		maps.Copy(settings, s.renewalSettings(manifest, secrets))
	}

	if edge := s.edge(manifests); edge != nil && s.onlyBehindEdge(manifest.Name, manifests) {
		settings[roles.SettingFronts] = edge.Name
	}

	return settings
}

// onlyBehindEdge tells whether visitors come to a role's nodes by the edge and by nothing else.
func (s *Stack) onlyBehindEdge(role string, manifests map[string]*roles.Manifest) bool {
	behind := slices.ContainsFunc(s.Sites, func(site Site) bool { return site.Nodes == role })
	balanced := slices.ContainsFunc(s.AllBalancers(), func(b Balancer) bool {
		return b.Nodes == role
	})

	// Nodes with a reserved IP may serve the role there without any edge.
	reserved := s.ReservedIP != nil &&
		!manifests[s.ReservedIP.Nodes].Sites &&
		slices.Contains(s.Watched(manifests[s.ReservedIP.Nodes]), role)

	return behind && !balanced && !reserved
}

func (s *Stack) sitesFor(manifests map[string]*roles.Manifest, secrets *Secrets) []roles.Site {
	var sites []roles.Site
	for _, site := range s.Sites {
		one := site.plain(manifests[site.Nodes])

		// A browser that was told so would not come again when the stack's own certificate is what it gets.
		if !site.Renewed() && secrets.ownsSite(site) {
			one.HSTS = 0
		}

		sites = append(sites, one)
	}

	return sites
}

// plain is the site as its edge is told of it.
func (s Site) plain(behind *roles.Manifest) roles.Site {
	serve, _ := behind.Balanced(s.Serves) // the check has found it

	one := roles.Site{
		Names:       s.Names,
		Role:        s.Nodes,
		Groups:      s.Groups,
		Variants:    s.variants(),
		Port:        serve.Port,
		Certificate: s.secrets(),
		HTTP1:       s.HTTP2 != nil && !*s.HTTP2,
		Redirect:    s.Redirect,
		HSTS:        wholeSeconds(s.HSTS),
		Balance:     cmp.Or(s.Balance, BalanceLeast),
		Affinity:    s.Affinity,
		Trusted:     s.Trusted,
		Timeout:     wholeSeconds(cmp.Or(s.Idle, serve.Timeout, roles.DefaultServeTimeout)),
		Tunnel:      wholeSeconds(cmp.Or(s.Tunnel, DefaultTunnel)),
		SlowStart:   wholeSeconds(cmp.Or(s.SlowStart, DefaultSlowStart)),
	}

	if s.Renewed() {
		one.Certificate = roles.RenewedCertificate(s.Names[0])
	}

	if s.Affinity == AffinitySource {
		one.Balance = AffinitySource
	}

	if s.Affinity == AffinityApplication {
		one.Cookie = serve.Sticky
	}

	if len(serve.Brake) > 0 {
		one.Brakes = serve.Brake
		one.Failures = DefaultFailures
	}

	if s.Limits != nil {
		one.Failures = cmp.Or(s.Limits.Failures, one.Failures)
		one.Requests = s.Limits.Requests
		one.Connections = s.Limits.Connections
		one.PerNode = s.Limits.PerNode
	}

	return one
}

func wholeSeconds(span time.Duration) int64 {
	return int64((span + time.Second - 1) / time.Second)
}

// ownsSite tells whether a site's certificate is one that the stack signed itself: nobody else trusts it.
func (s *Secrets) ownsSite(site Site) bool {
	if s == nil {
		return false
	}

	authority, err := pki.ParseCertificate(s.values[CACertificate].Reveal())
	if err != nil {
		return false
	}

	leaf, err := pki.ParseCertificate(s.values[site.CertificateSecret()].Reveal())

	return err == nil && leaf.CheckSignatureFrom(authority) == nil
}

// siteRules are the rules of these secrets.
func (s *Stack) siteRules() map[string]roles.SecretRule {
	rules := map[string]roles.SecretRule{}

	maps.Copy(rules, s.renewalRules())

	for _, site := range s.Sites {
		if site.Certificate == "" || site.Renewed() {
			continue
		}

		rules[site.CertificateSecret()] = roles.SecretRule{
			Make: roles.MakeGiven,
			Help: "the certificate of " + site.Names[0] + ", and the chain that vouches for it",
		}
		rules[site.secrets()+keyOf] = roles.SecretRule{
			Make: roles.MakeGiven,
			Help: "the key of that certificate",
		}
	}

	return rules
}
