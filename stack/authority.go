package stack

import (
	"maps"
	"slices"
	"strings"

	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// StackAuthority is the stack's own authority, that every node has a certificate of.
const StackAuthority = "ca"

// What an authority's secrets are called, behind its name.
const (
	certificateOf = ".certificate"
	keyOf         = ".key"
)

// ownAuthority ends the name of an authority that a manifest asks for, as in galera.ca.
const ownAuthority = "." + StackAuthority

// nextSecret names the value that a secret is to have next: nodes are made to trust it before it is used.
func nextSecret(name string) string { return name + ".next" }

// Phase says how far an authority is on its way from one pair to another.
type Phase int

// The phases, in their order. Nodes of one get on with those of the one before and the one after.
const (
	PhaseOne    Phase = iota // there is one authority
	PhaseTrust               // nodes are to trust the next, too; the old one signs
	PhaseRetire              // the new one signs; nodes still trust the old
)

// Authority is one of the stack's authorities of certificates, as the secrets file has it.
type Authority struct {
	Name    string // StackAuthority, or PART.ca
	Issuing pki.Pair
	Phase   Phase

	other string // the certificate of the one that is trusted besides; "" for none
}

// Trusted are the certificates of the authorities that nodes trust, the one that signs first.
func (a Authority) Trusted() []string {
	if a.other == "" {
		return []string{a.Issuing.Certificate}
	}

	return []string{a.Issuing.Certificate, a.other}
}

// Bundle is what a node trusts, as one PEM text.
func (a Authority) Bundle() string { return strings.Join(a.Trusted(), "") }

// AuthorityOf is the authority that a manifest calls so.
func AuthorityOf(authority string) string { return authority + ownAuthority }

// AuthorityCertificate names the secret that is an authority's certificate.
func AuthorityCertificate(authority string) string { return authority + certificateOf }

// Authority reads one of the stack's authorities.
func (s *Secrets) Authority(name string) (Authority, error) {
	certificate, err := s.Get(name + certificateOf)
	if err != nil {
		return Authority{}, err
	}

	key, err := s.Get(name + keyOf)
	if err != nil {
		return Authority{}, err
	}

	a := Authority{
		Name: name,
		Issuing: pki.Pair{
			Certificate: certificate.Reveal(),
			Key:         key,
		},
	}

	next, trusting := s.values[nextSecret(name+certificateOf)]
	previous, retiring := s.values[roles.PreviousSecret(name+certificateOf)]

	switch {
	case trusting:
		a.Phase, a.other = PhaseTrust, next.Reveal()
	case retiring:
		a.Phase, a.other = PhaseRetire, previous.Reveal()
	}

	return a, nil
}

// Authorities are the names of the stack's authorities, sorted.
func (s *Stack) Authorities(manifests map[string]*roles.Manifest) []string {
	names := []string{StackAuthority}

	for _, manifest := range s.usedManifests(manifests) {
		for _, certificate := range manifest.Certificates {
			names = append(names, AuthorityOf(certificate.Authority))
		}
	}

	slices.Sort(names)

	return slices.Compact(names)
}

// authoritiesOf are the authorities that a role's nodes have certificates of.
func authoritiesOf(manifest *roles.Manifest) []string {
	names := []string{StackAuthority}
	for _, certificate := range manifest.Certificates {
		names = append(names, AuthorityOf(certificate.Authority))
	}

	return names
}

// AuthorityNamed is the authority that a name means: the authority's own, or that of one of its secrets.
func (s *Stack) AuthorityNamed(name string, manifests map[string]*roles.Manifest) (string, bool) {
	for _, authority := range s.Authorities(manifests) {
		if slices.Contains(append(authoritySecrets(authority), authority), name) {
			return authority, true
		}
	}

	return "", false
}

// authoritySecrets are all secrets that an authority may have.
func authoritySecrets(authority string) []string {
	certificate, key := authority+certificateOf, authority+keyOf

	return []string{
		certificate,
		key,
		nextSecret(certificate),
		nextSecret(key),
		roles.PreviousSecret(certificate),
	}
}

// namedAuthorities are the secrets of the authorities that manifests ask for.
func (s *Stack) namedAuthorities(manifests map[string]*roles.Manifest) []NamedSecret {
	asking := map[string][]string{}

	for _, manifest := range s.usedManifests(manifests) {
		for _, certificate := range manifest.Certificates {
			name := AuthorityOf(certificate.Authority)
			asking[name] = append(asking[name], manifest.Name)
		}
	}

	var named []NamedSecret

	for _, name := range slices.Sorted(maps.Keys(asking)) {
		who := strings.Join(asking[name], " and ")

		named = append(named,
			NamedSecret{Name: name + certificateOf, Help: "the authority of certificates of " + who, Fixed: true},
			NamedSecret{Name: name + keyOf, Help: "the key of " + name, Fixed: true},
		)
	}

	return named
}

// makeAuthority makes an authority that is not there yet.
func makeAuthority(values map[string]report.Secret, authority, stack string) error {
	pair, err := pki.NewCA(stack)
	if err != nil {
		return err
	}

	values[authority+certificateOf] = report.Secret(pair.Certificate)
	values[authority+keyOf] = pair.Key

	return nil
}

// splitAuthority makes an authority for a stack whose nodes show a certificate of the stack's own where they are to
// show one of this. It begins as that of the stack, on its way to its own: nodes from before trust no other yet.
func splitAuthority(values map[string]report.Secret, authority, stack string) error {
	values[authority+certificateOf] = values[CACertificate]
	values[authority+keyOf] = values[CAKey]

	return makeNext(values, authority, stack)
}

// makeNext makes the pair that an authority is to have next.
func makeNext(values map[string]report.Secret, authority, stack string) error {
	pair, err := pki.NewCA(stack)
	if err != nil {
		return err
	}

	values[nextSecret(authority+certificateOf)] = report.Secret(pair.Certificate)
	values[nextSecret(authority+keyOf)] = pair.Key

	return nil
}
