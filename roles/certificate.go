package roles

import (
	"fmt"
	"regexp"

	"github.com/hornero/hornero/internal/report"
)

// authorityName is what an authority may be called: it begins the names of two secrets.
var authorityName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)

// The parts of a node's identity, as templates ask for them.
const (
	PKIAuthority   = "ca"
	PKICertificate = "certificate"
	PKIKey         = "key"
)

// checkCertificates looks at the authorities that the manifest names.
func (m *Manifest) checkCertificates(doc *report.Document) {
	for i, certificate := range m.Certificates {
		if !authorityName.MatchString(certificate.Authority) {
			doc.Add(fmt.Sprintf("certificates[%d].authority", i),
				"must be at most 31 lower-case letters, digits and _, got %q", certificate.Authority)
		}
	}

	checkNames(doc, "certificates", ".authority", m.Certificates, func(c Certificate) string { return c.Authority })
}

// authorities are the names that the role's templates may ask for.
func (m *Manifest) authorities() []string {
	var names []string
	for _, certificate := range m.Certificates {
		names = append(names, certificate.Authority)
	}

	return names
}

// identity is the node's, of the stack's authority or of another. A document of an earlier version has none of the
// others: there the stack's own stands in.
func (f Facts) identity(authority []string) (map[string]string, error) {
	switch len(authority) {
	case 0:
		return f.PKI, nil
	case 1:
		if identity, given := f.Authorities[authority[0]]; given {
			return identity, nil
		}

		return f.PKI, nil
	}

	return nil, fmt.Errorf("%w: pki takes one authority, got %q", errUnknownName, authority)
}
