package stack

import (
	"cmp"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/internal/signature"
	"github.com/hornero/hornero/roles"
)

// NamedSecret is a secret that a stack has a use for.
type NamedSecret struct {
	Name  string
	Help  string   // what it is for
	Roles []string // whose nodes are given it, sorted
	Given bool     // only the operator can give it
	Fixed bool     // the whole stack lives by it: nobody chooses its value
}

// ownSecrets are those that every stack has.
func ownSecrets() []NamedSecret {
	return []NamedSecret{
		{Name: CACertificate, Help: "the stack's authority", Fixed: true},
		{Name: CAKey, Help: "the key of the stack's authority", Fixed: true},
		{Name: SSHKey, Help: "the operator's SSH key", Fixed: true},
		{Name: SSHCA, Help: "the authority of SSH host keys", Fixed: true},
		{Name: PlanKey, Help: "the key of `hornero plan`", Fixed: true},
		{Name: SiteCertificate, Help: "the site's certificate, and the chain that vouches for it"},
		{Name: SiteKey, Help: "the key of the site's certificate"},
	}
}

// NamedSecrets are the secrets that the stack has a use for, by name.
func (s *Stack) NamedSecrets(manifests map[string]*roles.Manifest) []NamedSecret {
	all := map[string]NamedSecret{}
	for _, own := range slices.Concat(ownSecrets(), s.namedAuthorities(manifests)) {
		all[own.Name] = own
	}

	if s.Images.Unsigned != "" || len(s.Images.SignedBy) > 0 {
		all[ImageKey] = NamedSecret{
			Name:  ImageKey,
			Help:  "the key that signs the images that are baked here; nodes are not given it",
			Given: true,
		}
	}

	rules := s.secretRules(manifests)

	for _, manifest := range s.usedManifests(manifests) {
		for _, name := range s.SecretsOf(manifest, manifests) {
			secret, known := all[name]
			if !known {
				rule := rules[name]
				secret = NamedSecret{
					Name:  name,
					Help:  rule.Help,
					Given: rule.Given(),
				}
			}

			secret.Roles = append(secret.Roles, manifest.Name)
			slices.Sort(secret.Roles)
			all[name] = secret
		}
	}

	if token, there := all[cloudinit.SecretReservedIPToken]; there {
		token.Help = "a token of DigitalOcean's that moves the reserved IP, and may do no more"
		token.Given = true
		all[token.Name] = token
	}

	return slices.SortedFunc(maps.Values(all), func(a, b NamedSecret) int { return cmp.Compare(a.Name, b.Name) })
}

// Named finds what a name stands for. One that the stack has no use for is known while the file holds it; any other is
// an error that suggests the nearest.
func (s *Secrets) Named(name string, of *Stack, manifests map[string]*roles.Manifest) (NamedSecret, error) {
	all := of.NamedSecrets(manifests)

	var names []string
	for _, secret := range all {
		if secret.Name == name {
			return secret, nil
		}

		names = append(names, secret.Name)
	}

	if _, held := s.values[name]; held {
		return NamedSecret{Name: name}, nil
	}

	if near := report.Nearest(name, append(names, s.Names()...)); near != "" {
		return NamedSecret{}, fmt.Errorf("%w: no role of stack %s asks for %q; did you mean %q?",
			ErrNoSecret, of.Name, name, near)
	}

	return NamedSecret{}, fmt.Errorf("%w: no role of stack %s asks for %q; "+
		"`hornero secrets list --long` tells what is asked for", ErrNoSecret, of.Name, name)
}

// NodesGiven are the nodes that are given one of the secrets, in the order in which they are to be replaced: who keeps
// the data and lets the others in comes before them.
func (s *Stack) NodesGiven(names []string, manifests map[string]*roles.Manifest) []Node {
	var nodes []Node

	for _, node := range s.All() {
		given := s.NodeSecrets(node, manifests[node.Role], manifests)
		asked := slices.Collect(maps.Values(given))

		asked = append(asked, SSHCA, SSHKey)

		for _, authority := range authoritiesOf(manifests[node.Role]) {
			asked = append(asked, authoritySecrets(authority)...)
		}

		for _, database := range s.DatabasesOf(node.Role, manifests) {
			asked = append(asked, roles.PreviousSecret(database.Secret))
		}

		if slices.ContainsFunc(asked, func(name string) bool { return slices.Contains(names, name) }) {
			nodes = append(nodes, node)
		}
	}

	slices.SortStableFunc(nodes, func(a, b Node) int {
		return cmp.Compare(rank(manifests[a.Role]), rank(manifests[b.Role]))
	})

	return nodes
}

// IsPrevious tells whether a secret is what another was before a rotation, or an authority is to be after it: it comes
// and goes with that.
func IsPrevious(name string) bool {
	next := strings.HasSuffix(name, nextSecret(ownAuthority+certificateOf)) ||
		strings.HasSuffix(name, nextSecret(ownAuthority+keyOf)) ||
		slices.Contains(authoritySecrets(StackAuthority)[2:], name)

	return next || strings.HasSuffix(name, roles.PreviousSecret(""))
}

// rank is the place of a role's nodes when they are replaced.
func rank(manifest *roles.Manifest) int {
	switch {
	case manifest.Driver == roles.DriverGalera:
		return 0
	case mostOf(manifest) == roles.Member:
		return 1
	default:
		return 2
	}
}

// CheckSecret refuses a value that a secret of this name cannot have.
func CheckSecret(name string, value report.Secret) error {
	switch {
	case isSite(name, certificateOf):
		if _, err := pki.ParseCertificate(value.Reveal()); err != nil {
			return fmt.Errorf("%s: it is no certificate in PEM (-----BEGIN CERTIFICATE-----)", name)
		}

	case isSite(name, keyOf):
		block, _ := pem.Decode([]byte(value.Reveal()))
		if block == nil || !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return fmt.Errorf("%s: it is no private key in PEM (-----BEGIN PRIVATE KEY-----)", name)
		}

	case name == ImageKey:
		if _, err := signature.ParseSigner(value); err != nil {
			return fmt.Errorf("%s: it %w", name, err)
		}
	}

	return nil
}

// isSite tells whether a secret is a certificate or a key of a site.
func isSite(name, part string) bool {
	before, is := strings.CutSuffix(name, part)
	return is && (before == ownSite || strings.HasPrefix(before, ownSite+"_"))
}

// FixedError refuses to change what the stack lives by.
func FixedError(verb, name string) error {
	if name == PlanKey {
		return fmt.Errorf("%s %s: %w; it is made once", verb, name, ErrFixed)
	}

	return fmt.Errorf("%s %s: %w; `hornero secrets rotate %[2]s` makes another, step by step", verb, name, ErrFixed)
}

// Change brings the values of one moment to others of the same names. What somebody else changed since is an error, and
// nothing is written then.
func (s *Secrets) Change(before, after map[string]report.Secret) error {
	return s.change(before, after, func(values map[string]report.Secret, name string, value report.Secret) error {
		values[name] = value
		return nil
	})
}

// ReplaceAll is Change for an operator's own values: as with Replace, a database's password works on while nodes have
// it.
func (s *Secrets) ReplaceAll(
	before, after map[string]report.Secret,
	of *Stack,
	manifests map[string]*roles.Manifest,
) error {
	return s.change(before, after, func(values map[string]report.Secret, name string, value report.Secret) error {
		return keepPrevious(values, name, value, of, manifests)
	})
}

func (s *Secrets) change(
	before, after map[string]report.Secret,
	put func(values map[string]report.Secret, name string, value report.Secret) error,
) error {
	return s.update(func(values map[string]report.Secret) error {
		for _, name := range Changed(before, after) {
			was, had := before[name]
			is, has := values[name]

			if had != has || was != is {
				return fmt.Errorf("change %s: %w; run the same command again", name, ErrMeanwhile)
			}

			next, kept := after[name]
			if !kept {
				delete(values, name)
				continue
			}

			if err := put(values, name, next); err != nil {
				return err
			}
		}

		return nil
	})
}

// Changed names what differs, sorted.
func Changed(before, after map[string]report.Secret) []string {
	var names []string

	for name, value := range after {
		if was, there := before[name]; !there || was != value {
			names = append(names, name)
		}
	}

	for name := range before {
		if _, there := after[name]; !there {
			names = append(names, name)
		}
	}

	slices.Sort(names)

	return names
}

// All are the values by name: a copy.
func (s *Secrets) All() map[string]report.Secret { return maps.Clone(s.values) }
