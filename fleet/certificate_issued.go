package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/stack"
)

// issuedType is what the API calls a certificate that it has Let's Encrypt issue.
const issuedType = "lets_encrypt"

// issueLimit is how long Let's Encrypt may take: it looks at records that name servers may not have yet.
const issueLimit = 10 * time.Minute

// ErrNoDomain means that the account has not the domain of a name that Let's Encrypt is to issue a certificate for.
var ErrNoDomain = errors.New("the account has not the domain")

// issuedPrefix begins what such certificates of the stack are called.
func (f *Fleet) issuedPrefix() string { return f.resourceName() + "-le-" }

// issuedCertificate is what Let's Encrypt is to issue for a load balancer; nil where nothing is. It is known by its
// name alone, which follows from the names that it is for: DigitalOcean renews it under another number.
func (f *Fleet) issuedCertificate(b balanced) *siteCertificate {
	names := b.IssuedNames()
	if len(names) == 0 || !b.EndsTLS() {
		return nil
	}

	sum := sha256.Sum256([]byte(strings.Join(set(names), "\n")))

	return &siteCertificate{
		names:  []string{f.issuedPrefix() + hex.EncodeToString(sum[:])[:nameDigits[0]]},
		issued: names,
	}
}

// certificateOf is the certificate that a load balancer is to use; empty where it uses none.
func (f *Fleet) certificateOf(b balanced) (siteCertificate, error) {
	if !b.EndsTLS() {
		return siteCertificate{}, nil
	}

	if issued := f.issuedCertificate(b); issued != nil {
		return *issued, nil
	}

	return f.siteCertificate()
}

// ensureIssued has Let's Encrypt issue a certificate that is not there, and waits for it.
func (f *Fleet) ensureIssued(ctx context.Context, wanted siteCertificate) (*godo.Certificate, error) {
	have, err := f.certificates(ctx)
	if err != nil {
		return nil, err
	}

	certificate := wanted.among(have)

	// What could not be verified is never tried again by itself, and its name is taken.
	if certificate != nil && certificate.State == "error" {
		if _, err := f.Client.Certificates.Delete(ctx, certificate.ID); err != nil && !do.IsNotFound(err) {
			return nil, fmt.Errorf("delete certificate %s, which was not issued: %w", certificate.Name, err)
		}

		certificate = nil
	}

	if certificate == nil {
		certificate, err = f.createCertificate(ctx, &godo.CertificateRequest{
			Name:     wanted.names[0],
			Type:     issuedType,
			DNSNames: wanted.issued,
		})
		if err != nil {
			return nil, fmt.Errorf("have a certificate issued for %s: %w", strings.Join(wanted.issued, ", "), err)
		}

		f.progress("certificate %s: Let's Encrypt is asked for %s", certificate.Name, strings.Join(wanted.issued, ", "))
	}

	return f.awaitCertificate(ctx, certificate)
}

// checkIssuable refuses names whose domain the account has not: it is DigitalOcean's name servers that prove to Let's
// Encrypt whose they are.
func (f *Fleet) checkIssuable(ctx context.Context) error {
	var names []string
	for _, b := range f.Stack.AllBalancers() {
		names = append(names, b.IssuedNames()...)
	}

	if len(names) == 0 {
		return nil
	}

	domains, err := do.Pages(ctx, f.Client.Domains.List)
	if err != nil {
		return fmt.Errorf("list domains: %w", err)
	}

	for _, name := range names {
		bare := strings.TrimPrefix(name, "*.")

		held := slices.ContainsFunc(domains, func(is godo.Domain) bool {
			return bare == is.Name || strings.HasSuffix(bare, "."+is.Name)
		})
		if !held {
			return fmt.Errorf("have a certificate issued for %s: %w; add it to DigitalOcean's DNS, or use the "+
				"certificate of the secrets file", name, ErrNoDomain)
		}
	}

	return nil
}

// certificates are all that load balancers are to use and that are known, each once.
func (w wanted) certificates() []siteCertificate {
	var all []siteCertificate

	if w.certificate != nil {
		all = append(all, *w.certificate)
	}

	for _, b := range w.balancers {
		known := func(one siteCertificate) bool { return one.names[0] == b.issued.names[0] }

		if b.issued != nil && !slices.ContainsFunc(all, known) {
			all = append(all, *b.issued)
		}
	}

	return all
}

// certificateNames are the names that a visitor may ask for by TLS, the likeliest first.
func (b balanced) certificateNames() []string {
	var names []string

	if b.visited.Hostname() != "" {
		names = append(names, b.visited.Hostname())
	}

	for _, name := range b.IssuedNames() {
		if !strings.HasPrefix(name, "*.") {
			names = append(names, name)
		}
	}

	return names
}

// tlsRules are the load balancer's rules whose handshake a connection by TCP shows.
func (b balanced) tlsRules() []stack.Rule {
	return slices.DeleteFunc(b.AllRules(), func(r stack.Rule) bool { return !r.EndsTLS() || r.Datagrams() })
}
