package stack

import (
	"cmp"
	"crypto/x509"
	"net/url"
	"regexp"
	"strings"
)

// accountPattern is what a key id may be: what authorities give, and nothing that an operator pasted beside it.
var accountPattern = regexp.MustCompile(`^[!-~]{1,200}$`)

// What the peer set has room for: a certificate with its key in 4 KiB, under a key of 128 letters that has its first
// name, and a hundred texts of the edge, three for each certificate.
const (
	maxRenewedNames = 600 // letters of a certificate's names together
	maxRenewedFirst = 90  // letters of the first
	maxRenewed      = 30
)

// acme checks what is said of the authority of certificates that renew themselves.
func (c *check) acme(s *Stack) {
	c.renewedSites(s)

	if !c.doc.Has("acme") {
		return
	}

	// The key is there and holds nothing: YAML's null.
	if s.ACME == nil {
		c.add("acme", "must name who agrees to the authority's terms, as in {email: admin@example.org}; remove it "+
			"when no site has certificate: %s", RenewedCertificate)

		return
	}

	if !s.renews() && !c.taken["sites"] {
		c.add("acme", "no site has such a certificate; write certificate: %s for one, or remove it",
			RenewedCertificate)
	}

	if c.need("acme.email", "whom the authority reaches, and who agrees to its terms, as in email: "+
		"admin@example.org") && !strings.Contains(strings.Trim(s.ACME.Email, "@"), "@") {
		c.add("acme.email", "must be an address, as in admin@example.org, got %q", s.ACME.Email)
	}

	c.directory("acme", s.ACME.Directory, s.ACME.Authority, s.ACME.EAB)
	c.fallback("acme.fallback", s.ACME)
}

// directory checks where an authority is, who vouches for it, and whom it knows.
func (c *check) directory(path, directory, authority, eab string) {
	if at := path + ".directory"; c.doc.Has(at) && !isSecureURL(directory) {
		c.add(at, "must be an address that begins with https://, as in %s, got %q", DefaultDirectory, directory)
	}

	if at := path + ".authority"; c.doc.Has(at) && !x509.NewCertPool().AppendCertsFromPEM([]byte(authority)) {
		c.add(
			at,
			"must be a certificate in PEM; remove it where the directory's host has one that everybody trusts",
		)
	}

	if at := path + ".eab"; c.doc.Has(at) && !accountPattern.MatchString(eab) {
		c.add(
			at,
			"must be the key id that the authority gave, without spaces, got %q; the key itself is a secret "+
				"(hornero secrets list names it)",
			eab,
		)
	}
}

// fallback checks the second authority.
func (c *check) fallback(path string, acme *ACME) {
	if !c.doc.Has(path) || c.taken[path] {
		return
	}

	if acme.Fallback == nil {
		c.add(
			path,
			"must say where the second authority is, as in {directory: https://...}; remove it when there is "+
				"to be none",
		)

		return
	}

	second := acme.Fallback

	if c.need(path+".directory", "where clients of the second authority begin, as in directory: https://...") {
		c.directory(path, second.Directory, second.Authority, second.EAB)
	}

	if second.Directory != "" && second.Directory == cmp.Or(acme.Directory, DefaultDirectory) {
		c.add(
			path+".directory",
			"is the first authority; name another, which answers when that one does not",
		)
	}
}

// renewedSites checks the sites whose certificates renew themselves.
func (c *check) renewedSites(s *Stack) {
	count := 0

	for i, site := range s.Sites {
		path := sitePath(i)
		if !site.Renewed() || c.taken[path] {
			continue
		}

		if count++; count > maxRenewed {
			c.add(path+".certificate", "at most %d sites can have a certificate that renews itself", maxRenewed)
		}

		if len(site.Names) > 0 && len(site.Names[0]) > maxRenewedFirst {
			c.add(path+".names[0]", "must have at most %d letters with certificate: %s", maxRenewedFirst,
				RenewedCertificate)
		}

		if !c.doc.Has("acme") {
			c.add(path+".certificate", "an authority must be asked for it; write acme: {email: admin@example.org}")
		}

		length := 0
		for _, name := range site.Names {
			length += len(name)
		}

		if length > maxRenewedNames {
			c.add(path+".names", "a certificate has room for names of %d letters, got %d; make it two sites",
				maxRenewedNames, length)
		}
	}
}

func isSecureURL(text string) bool {
	parsed, err := url.Parse(text)
	return err == nil && parsed.Scheme == "https" && parsed.Host != "" && parsed.User == nil
}
