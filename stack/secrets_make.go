package stack

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// The names of what every stack has, whatever its roles.
const (
	CACertificate   = "ca.certificate"
	CAKey           = "ca.key"
	SSHKey          = "ssh.key"
	SSHCA           = "ssh.ca"
	SiteCertificate = "site.certificate"
	SiteKey         = "site.key"
	// ImageKey signs the stack's images: a private key of OpenSSH's, ed25519. Nobody makes it unasked.
	ImageKey = "images.signing_key"
	// PlanKey is the key of the specs in Droplets' tags. Without one, whoever may read tags could guess a password, and
	// compare. It is no authority's key, so that authorities may change while tags stay comparable.
	PlanKey = "plan.key"
)

// planKeyLength makes it as hard to guess as SHA-256 is to break.
const planKeyLength = 43

const randomAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// Ensure makes what the stack needs and the file lacks. What is there is never changed.
func (s *Secrets) Ensure(of *Stack, manifests map[string]*roles.Manifest) error {
	var made []string
	err := s.update(func(values map[string]report.Secret) error {
		var err error
		made, err = makeMissing(values, of, manifests)

		return err
	})

	// What could not be written is lost again.
	if err != nil {
		return err
	}

	for _, line := range made {
		s.notify("made " + line + " (" + s.path + ")")
	}

	return nil
}

// maker makes one of the keys and certificates that every stack has.
type maker struct {
	name string
	what string
	make func() error
}

// makers are in the order in which they must run: the authority signs the site's certificate.
func makers(values map[string]report.Secret, of *Stack, manifests map[string]*roles.Manifest) []maker {
	sshKey := func(name string) func() error {
		return func() error { return makeSSHKey(values, name, sshComment(name, of.Name)) }
	}

	all := []maker{
		{
			name: CACertificate,
			what: "the stack's authority",
			make: func() error { return makeAuthority(values, StackAuthority, of.Name) },
		},
		{
			name: SSHKey,
			what: "the operator's SSH key",
			make: sshKey(SSHKey),
		},
		{
			name: SSHCA,
			what: "the authority of SSH host keys",
			make: sshKey(SSHCA),
		},
		{
			name: SiteCertificate,
			what: "the site's certificate",
			make: func() error { return makeSite(values, of, of.URLs(manifests)) },
		},
		{
			name: PlanKey,
			what: "the key of `hornero plan`",
			make: func() error {
				values[PlanKey] = random(planKeyLength)
				return nil
			},
		},
	}

	return append(all, authorityMakers(values, of, manifests)...)
}

// authorityMakers make the authorities that manifests ask for.
func authorityMakers(
	values map[string]report.Secret,
	of *Stack,
	manifests map[string]*roles.Manifest,
) []maker {
	// Nodes may run that are known by the stack's authority only.
	_, launched := values[CACertificate]

	var all []maker

	for _, authority := range of.Authorities(manifests) {
		if authority == StackAuthority {
			continue
		}

		all = append(all, maker{
			name: authority + certificateOf,
			what: "the authority",
			make: func() error {
				if launched {
					return splitAuthority(values, authority, of.Name)
				}

				return makeAuthority(values, authority, of.Name)
			},
		})
	}

	return all
}

// sshComment is what an SSH key of the stack says of itself.
func sshComment(name, stack string) string {
	if name == SSHCA {
		return "hornero " + stack + " hosts"
	}

	return "hornero " + stack
}

// makeMissing makes what the values lack, and returns a line about each.
func makeMissing(
	values map[string]report.Secret,
	of *Stack,
	manifests map[string]*roles.Manifest,
) ([]string, error) {
	var made []string

	for _, maker := range makers(values, of, manifests) {
		// Running nodes know the one that is there: it is never made anew by itself.
		if _, there := values[maker.name]; there {
			continue
		}

		if err := maker.make(); err != nil {
			return nil, fmt.Errorf("make %s: %w", maker.what, err)
		}

		made = append(made, maker.what+" "+maker.name)
	}

	rules := of.secretRules(manifests)
	for _, name := range of.SecretNames(manifests) {
		if _, there := values[name]; !there {
			// Letters and digits only: such a secret needs no quoting anywhere.
			values[name] = random(lengthOf(rules[name]))
			made = append(made, "the secret "+name)
		}
	}

	return made, nil
}

// Unmade names what Ensure would make, and the keys of Spaces, sorted.
func (s *Secrets) Unmade(of *Stack, manifests map[string]*roles.Manifest) []string {
	names := of.SecretNames(manifests)
	for _, maker := range makers(nil, of, manifests) {
		names = append(names, maker.name)
	}

	names = append(names, of.spaceSecrets(manifests)...)
	slices.Sort(names)

	return slices.DeleteFunc(slices.Compact(names), func(name string) bool {
		_, there := s.values[name]
		return there
	})
}

// Missing tells what the stack asks for and only its operator can give, with what to do about it, a line each.
func (s *Secrets) Missing(of *Stack, manifests map[string]*roles.Manifest) []string {
	var lines []string
	for _, secret := range s.Ungiven(of, manifests) {
		lines = append(lines, secret.Line)
	}

	return lines
}

// Ungiven is a secret that only the operator can give, and did not yet.
type Ungiven struct {
	Name string
	Line string // who needs it, what for, and how it is given
}

// Ungiven names what the stack asks for and only its operator can give.
func (s *Secrets) Ungiven(of *Stack, manifests map[string]*roles.Manifest) []Ungiven {
	var ungiven []Ungiven

	_, there := s.values[cloudinit.SecretReservedIPToken]
	if of.ReservedIP != nil && !there {
		ungiven = append(ungiven, Ungiven{cloudinit.SecretReservedIPToken, fmt.Sprintf(
			"the nodes that hold reserved_ip need a token of DigitalOcean's with the scope reserved_ip:update and "+
				"what that needs, and no more: `hornero secrets set %s` reads it from standard input",
			cloudinit.SecretReservedIPToken,
		)})
	}

	made := of.spaceSecrets(manifests)
	rules := of.secretRules(manifests)
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if _, there := s.values[name]; !there && rules[name].Given() && !slices.Contains(made, name) {
			ungiven = append(ungiven, Ungiven{name, missingLine(name, rules[name], of, manifests)})
		}
	}

	return ungiven
}

// missingLine says who needs a secret, what it is for and how it is given.
func missingLine(name string, rule roles.SecretRule, of *Stack, manifests map[string]*roles.Manifest) string {
	var who []string
	for _, manifest := range of.usedManifests(manifests) {
		if slices.Contains(of.SecretsOf(manifest, manifests), name) {
			who = append(who, manifest.Name)
		}
	}

	what := name
	if rule.Help != "" {
		what += " (" + rule.Help + ")"
	}

	return fmt.Sprintf(
		"the nodes of role %s need %s: `hornero secrets set %s` reads it from standard input",
		strings.Join(who, " and "),
		what,
		name,
	)
}

// random draws letters and digits.
func random(length int) report.Secret {
	// limit is the largest multiple of the alphabet's length that a byte can hold.
	const letters = len(randomAlphabet)
	const limit = byte(256 - 256%letters)

	var text strings.Builder
	for text.Len() < length {
		var draw [1]byte
		_, _ = rand.Read(draw[:]) // never fails

		// Higher draws are left out, so that every letter is as likely as any other.
		if draw[0] < limit {
			text.WriteByte(randomAlphabet[int(draw[0])%letters])
		}
	}

	return report.Secret(text.String())
}

func makeSite(values map[string]report.Secret, of *Stack, urls []string) error {
	ca := pki.Pair{
		Certificate: values[CACertificate].Reveal(),
		Key:         values[CAKey],
	}

	pair, err := ca.IssueSite(of.Name, siteNames(of, urls)...)
	if err != nil {
		return err
	}

	values[SiteCertificate] = report.Secret(pair.Certificate)
	values[SiteKey] = pair.Key

	return nil
}

// siteNames are the names of the site's certificate. Its common name is the first: one that visitors use.
func siteNames(of *Stack, urls []string) []string {
	var names []string
	all := slices.Clone(urls)

	for _, site := range of.Sites {
		for _, name := range site.Names {
			all = append(all, "//"+name)
		}
	}

	for _, text := range append(all, "//"+of.Name+".hornero", "//localhost") {
		parsed, err := url.Parse(text)
		if err == nil && parsed.Hostname() != "" && !slices.Contains(names, parsed.Hostname()) {
			names = append(names, parsed.Hostname())
		}
	}

	return names
}

func makeSSHKey(values map[string]report.Secret, name, comment string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}

	block, err := ssh.MarshalPrivateKey(key, comment)
	if err != nil {
		return err
	}

	values[name] = report.Secret(pem.EncodeToMemory(block))

	return nil
}
