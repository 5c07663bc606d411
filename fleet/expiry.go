package fleet

import (
	"fmt"
	"math"
	"time"

	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/stack"
)

// Of the life of a certificate, what is left when its end is told: a third. A renewal that is put off still has time.
const tellAtLast = 3

// expiry is when a certificate ends, and how it is renewed.
type expiry struct {
	what  string
	ends  time.Time
	renew string
}

// isNear tells whether less is left of a certificate than a third of its life.
func (e expiry) isNear(now time.Time, life time.Duration) bool {
	return e.ends.Sub(now) < life/tellAtLast
}

func (e expiry) line(now time.Time) string {
	days := e.ends.Sub(now).Hours() / 24
	when := fmt.Sprintf("ends on %s, in %.0f days", e.ends.UTC().Format(time.DateOnly), math.Floor(days))

	if days < 0 {
		when = "ended on " + e.ends.UTC().Format(time.DateOnly)
	}

	return fmt.Sprintf("%s %s; %s", e.what, when, e.renew)
}

// expiries are the certificates that end before long, a line each: of nodes a line a role, and of the secrets file.
// No node is asked: each got its certificate at its launch.
func (f *Fleet) expiries(members []member) []string {
	now := f.now()
	var lines []string

	for _, role := range f.rollOrder() {
		one, some := f.nodeExpiry(role, members)

		if some && one.isNear(now, pki.Validity) {
			lines = append(lines, one.line(now))
		}
	}

	ofSecrets := []string{stack.SiteCertificate}

	for _, name := range f.Stack.SiteCertificates() {
		if name != stack.SiteCertificate {
			ofSecrets = append(ofSecrets, name)
		}
	}

	for _, authority := range f.Stack.Authorities(f.Manifests) {
		ofSecrets = append(ofSecrets, stack.AuthorityCertificate(authority))
	}

	for _, name := range ofSecrets {
		one, near := f.secretExpiry(name, now)

		if near {
			lines = append(lines, one.line(now))
		}
	}

	return lines
}

// nodeExpiry is the first end of a certificate of a role's nodes.
func (f *Fleet) nodeExpiry(role string, members []member) (expiry, bool) {
	var first expiry

	for _, m := range members {
		created, err := time.Parse(time.RFC3339, m.Droplet.Created)
		if err != nil || m.Role != role || f.leftover(m) {
			continue // no node of stack.yaml, or the API said nothing: nothing is known
		}

		if ends := created.Add(pki.Validity); first.what == "" || ends.Before(first.ends) {
			first = expiry{
				what:  "certificate of node " + m.Node,
				ends:  ends,
				renew: fmt.Sprintf("`hornero roll %s --all` gives each node of role %s a new one", role, role),
			}
		}
	}

	return first, first.what != ""
}

// secretExpiry is the end of a certificate of the secrets file, and whether it is near. One that is missing or cannot
// be read is told elsewhere.
func (f *Fleet) secretExpiry(name string, now time.Time) (expiry, bool) {
	text, err := f.Secrets.Get(name)
	if err != nil {
		return expiry{}, false
	}

	certificate, err := pki.ParseCertificate(text.Reveal())
	if err != nil {
		return expiry{}, false
	}

	one := expiry{
		what: "secret " + name,
		ends: certificate.NotAfter,
		renew: fmt.Sprintf("`hornero secrets rotate %s` makes another, `hornero secrets set` takes yours; then "+
			"`hornero up`", name),
	}

	// Nodes trust an authority: it is changed step by step.
	if authority, is := f.Stack.AuthorityNamed(name, f.Manifests); is {
		one.renew = fmt.Sprintf("`hornero secrets rotate %s` begins to put another in its place", authority)
	}

	return one, one.isNear(now, certificate.NotAfter.Sub(certificate.NotBefore))
}

func (f *Fleet) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}

	return time.Now()
}
