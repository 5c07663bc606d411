package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/lab/state"
)

// The lab is its own Let's Encrypt: its certificates are real, and come from an authority that only this lab has.
const (
	letsEncryptLife  = 90 * 24 * time.Hour // as Let's Encrypt's
	letsEncryptRenew = 30 * 24 * time.Hour // before the end, as DigitalOcean renews
	authorityLife    = 10 * 365 * 24 * time.Hour
	renewInterval    = time.Hour
)

// The states of a certificate of Let's Encrypt.
const (
	certificatePending  = "pending"
	certificateVerified = "verified"
	certificateError    = "error"
)

// getAuthority shows the certificate that clients trust when they trust the lab's Let's Encrypt.
func (s *Server) getAuthority(*http.Request) (*reply, error) {
	return &reply{
		status: http.StatusOK,
		body:   map[string]string{"certificate": s.Store.View().Authority.Certificate},
	}, nil
}

// newAuthority makes the lab's authority.
func newAuthority(now time.Time) (state.Authority, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Hornero lab"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(authorityLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}

	certificate, key, err := signCertificate(template, template, nil)

	return state.Authority{
		Certificate: certificate,
		Key:         key,
	}, err
}

// signCertificate makes a key and a certificate for it, both PEM. With no signer it signs itself.
func signCertificate(template, parent *x509.Certificate, signer any) (certificate, key string, err error) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}

	if signer == nil {
		signer = own
	}

	// the serial numbers of one authority must differ (RFC 5280)
	serials := new(big.Int).Lsh(big.NewInt(1), 120)

	template.SerialNumber, err = rand.Int(rand.Reader, serials)
	if err != nil {
		return "", "", err
	}

	der, err := x509.CreateCertificate(rand.Reader, template, parent, own.Public(), signer)
	if err != nil {
		return "", "", err
	}

	private, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		return "", "", err
	}

	return pemText("CERTIFICATE", der), pemText("PRIVATE KEY", private), nil
}

func pemText(kind string, der []byte) string {
	block := &pem.Block{
		Type:  kind,
		Bytes: der,
	}

	return string(pem.EncodeToMemory(block))
}

// readAuthority decodes the authority's certificate and key.
func readAuthority(authority state.Authority) (*x509.Certificate, any, error) {
	block, _ := pem.Decode([]byte(authority.Certificate))
	private, _ := pem.Decode([]byte(authority.Key))

	if block == nil || private == nil {
		return nil, nil, fmt.Errorf("the lab's authority is damaged")
	}

	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("read the lab's authority: %w", err)
	}

	key, err := x509.ParsePKCS8PrivateKey(private.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("read the lab's authority: %w", err)
	}

	return certificate, key, nil
}

// issueCertificate fills in what Let's Encrypt gives for a certificate's names.
func issueCertificate(authority state.Authority, certificate *state.Certificate, now time.Time) error {
	parent, signer, err := readAuthority(authority)
	if err != nil {
		return err
	}

	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: certificate.DNSNames[0]},
		DNSNames:    certificate.DNSNames,
		NotBefore:   now.Add(-time.Hour),
		NotAfter:    now.Add(letsEncryptLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}

	certificate.Leaf, certificate.PrivateKey, err = signCertificate(template, parent, signer)
	if err != nil {
		return err
	}

	leaf, _ := pem.Decode([]byte(certificate.Leaf))
	fingerprint := sha1.Sum(leaf.Bytes)

	certificate.Chain = authority.Certificate
	certificate.Fingerprint = hex.EncodeToString(fingerprint[:])

	// the API shows whole seconds
	certificate.NotAfter = template.NotAfter.UTC().Truncate(time.Second)
	certificate.State = certificateVerified

	return nil
}

// ServerCertificate makes a certificate of the lab's authority for a server of the lab's own at these addresses.
func ServerCertificate(store *state.Store, now time.Time, addresses ...netip.Addr) (tls.Certificate, error) {
	// whoever was given the authority once must go on trusting the lab's servers
	err := store.Update(func(d *state.Document) error {
		return ensureAuthority(d, now)
	})
	if err != nil {
		return tls.Certificate{}, err
	}

	parent, signer, err := readAuthority(store.View().Authority)
	if err != nil {
		return tls.Certificate{}, err
	}

	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "Hornero lab"},
		NotBefore:   now.Add(-time.Hour),
		NotAfter:    parent.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, address := range addresses {
		template.IPAddresses = append(template.IPAddresses, address.AsSlice())
	}

	certificate, key, err := signCertificate(template, parent, signer)
	if err != nil {
		return tls.Certificate{}, err
	}

	return tls.X509KeyPair([]byte(certificate), []byte(key))
}

// ensureAuthority makes the lab's authority where there is none: the first certificate of a lab needs it.
func ensureAuthority(d *state.Document, now time.Time) error {
	if d.Authority.Certificate != "" {
		return nil
	}

	authority, err := newAuthority(now)
	if err != nil {
		return err
	}

	d.Authority = authority

	return nil
}

// allInDomains tells whether all names are of domains of the account: only those can be verified.
func allInDomains(d *state.Document, names []string) bool {
	for _, name := range names {
		// on DigitalOcean, too, such a certificate needs a domain in the account
		held := slices.ContainsFunc(d.Domains, func(domain state.Domain) bool {
			return name == domain.Name || strings.HasSuffix(name, "."+domain.Name)
		})
		if !held {
			return false
		}
	}

	return true
}

// verifyCertificate ends a pending certificate: verified and issued, or in error.
func (s *Server) verifyCertificate(id string) {
	s.spawn("verify certificate", func() error {
		// clients must be able to see the certificate pending
		if err := s.sleep(s.Delays.Action); err != nil {
			return err
		}

		err := s.commit(func(d *state.Document) error {
			// it may have been deleted while it was pending
			certificate := d.Certificate(id)
			if certificate == nil || certificate.State != certificatePending {
				return nil
			}

			// an error is the answer unless all that follows works out
			certificate.State = certificateError
			if !allInDomains(d, certificate.DNSNames) {
				return nil
			}

			if err := ensureAuthority(d, s.now()); err != nil {
				return err
			}

			return issueCertificate(d.Authority, certificate, s.now())
		})

		s.wakeFollower()

		return err
	})
}

// renewCertificates renews certificates before they end. It looks at the start of the lab and every hour.
func (s *Server) renewCertificates() {
	for {
		if err := s.renewDue(); err != nil {
			s.Logger.Error("certificates not renewed", "err", err)
		}

		if s.sleep(renewInterval) != nil {
			return
		}
	}
}

// renewDue gives each certificate of Let's Encrypt that ends soon a successor: another id, the same name, and in its
// place in the load balancers' rules.
func (s *Server) renewDue() error {
	due := func(c state.Certificate) bool {
		return c.Type == letsEncrypt &&
			c.State == certificateVerified &&
			c.NotAfter.Sub(s.now()) < letsEncryptRenew
	}

	// most of the time none is due, and the state need not be written
	if !slices.ContainsFunc(s.Store.View().Certificates, due) {
		return nil
	}

	err := s.Store.Update(func(d *state.Document) error {
		for i := range d.Certificates {
			certificate := &d.Certificates[i]
			if !due(*certificate) {
				continue
			}

			old := certificate.ID

			// DigitalOcean gives a renewed certificate another id, and lets it keep its name
			certificate.ID = newUUID()
			certificate.Created = s.now()

			if err := issueCertificate(d.Authority, certificate, s.now()); err != nil {
				return err
			}

			// a load balancer that keeps the old id would serve a certificate that is gone
			replaceInRules(d, old, certificate.ID)

			s.Logger.Info("certificate renewed",
				"name", certificate.Name,
				"old", old,
				"new", certificate.ID,
			)
		}

		return nil
	})

	s.wakeFollower()

	return err
}

// replaceInRules puts one certificate in the place of another in all forwarding rules.
func replaceInRules(d *state.Document, old, replacement string) {
	for _, balancer := range d.LoadBalancers {
		for i := range balancer.Rules {
			if balancer.Rules[i].CertificateID == old {
				balancer.Rules[i].CertificateID = replacement
			}
		}
	}
}
