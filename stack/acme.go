package stack

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/hornero/hornero/internal/certificates"
	"github.com/hornero/hornero/internal/derived"
	"github.com/hornero/hornero/roles"
)

// ACME is the authority that certificates of sites are asked of which renew themselves.
type ACME struct {
	Email     string `yaml:"email"`     // of who agrees to the authority's terms
	Directory string `yaml:"directory"` // the authority's; empty: DefaultDirectory
	Profile   string `yaml:"profile"`   // of certificates, by the authority's name; empty: its usual one
	// Authority is whom the directory's host is vouched for by, as PEM; empty: those that Debian trusts.
	Authority string `yaml:"authority"`
	// EAB is the key id of an account that the authority knows already; the key is the secret roles.SecretBinding.
	// Empty: the authority takes everybody.
	EAB string `yaml:"eab"`
	// Fallback is asked when the first authority gives nothing and a certificate ends soon; nil: nobody.
	Fallback *FallbackACME `yaml:"fallback"`
}

// FallbackACME is a second authority. Its terms are agreed to by the same person.
type FallbackACME struct {
	Directory string `yaml:"directory"`
	Profile   string `yaml:"profile"`
	Authority string `yaml:"authority"`
	EAB       string `yaml:"eab"` // the key is the secret roles.SecretFallbackBinding
}

// DefaultDirectory is Let's Encrypt's.
const DefaultDirectory = "https://acme-v02.api.letsencrypt.org/directory"

// RenewedCertificate is what a site says whose certificate renews itself.
const RenewedCertificate = "acme"

// renewalLength makes the secret as hard to guess as SHA-256 is to break.
const renewalLength = 43

// Renewed tells whether the site's certificate renews itself.
func (s Site) Renewed() bool { return s.Certificate == RenewedCertificate }

// renews tells whether any site's certificate does.
func (s *Stack) renews() bool { return slices.ContainsFunc(s.Sites, Site.Renewed) }

// renewalRule is the rule of the secret that nodes need which renew certificates.
func renewalRule() roles.SecretRule {
	return roles.SecretRule{
		Make:   roles.MakeRandom,
		Length: renewalLength,
		Help:   "the stack's account with the authority of its certificates, and the seal of their keys",
	}
}

// renewalRules are the rules of all secrets of certificates that renew themselves.
func (s *Stack) renewalRules() map[string]roles.SecretRule {
	if !s.renews() {
		return nil
	}

	rules := map[string]roles.SecretRule{roles.SecretRenewal: renewalRule()}
	if s.ACME == nil {
		return rules
	}

	if s.ACME.EAB != "" {
		rules[roles.SecretBinding] = bindingRule("first")
	}

	second := s.ACME.Fallback
	if second != nil && second.EAB != "" {
		rules[roles.SecretFallbackBinding] = bindingRule("second")
	}

	return rules
}

// bindingRule is the rule of the key of an account that an authority knows.
func bindingRule(whose string) roles.SecretRule {
	return roles.SecretRule{
		Make: roles.MakeGiven,
		Help: "the key of the account with the " + whose + " authority of certificates (eab)",
	}
}

// renewalSettings are what nodes of the edge are told of certificates that renew themselves.
func (s *Stack) renewalSettings(manifest *roles.Manifest, secrets *Secrets) map[string]string {
	settings := map[string]string{
		roles.SettingRenewal: "",
		roles.SettingAccount: "",
	}

	if !s.renews() {
		return settings
	}

	text, _ := json.Marshal(s.renewalRequest(manifest)) // plain values can always be written
	settings[roles.SettingRenewal] = string(text)

	if secrets == nil {
		return settings
	}

	// Before the secret is made nobody can have an account.
	thumbprint, err := derived.Thumbprint(secrets.values[roles.SecretRenewal])
	if err == nil {
		settings[roles.SettingAccount] = thumbprint
	}

	return settings
}

func (s *Stack) renewalRequest(manifest *roles.Manifest) certificates.Request {
	request := certificates.Request{
		Directory: cmp.Or(s.ACME.Directory, DefaultDirectory),
		Authority: s.ACME.Authority,
		Email:     s.ACME.Email,
		Profile:   s.ACME.Profile,
		Account:   s.ACME.EAB,
	}

	if second := s.ACME.Fallback; second != nil {
		request.Fallback = &certificates.Fallback{
			Directory: second.Directory,
			Authority: second.Authority,
			Profile:   second.Profile,
			Account:   second.EAB,
		}
	}

	// A load balancer's address is not known before it is made: only what answers tells then where a name leads.
	balanced := slices.ContainsFunc(s.AllBalancers(), func(b Balancer) bool {
		return b.Nodes == manifest.Name
	})
	if s.MayHoldReservedIP(manifest.Name) && !balanced {
		request.Address = s.ReservedIP.Address
	}

	for _, site := range s.Sites {
		if !site.Renewed() {
			continue
		}

		request.Certificates = append(request.Certificates, certificates.Wanted{
			Name:    site.Names[0],
			Names:   site.Names,
			Fronted: len(site.Trusted) > 0,
		})
	}

	return request
}
