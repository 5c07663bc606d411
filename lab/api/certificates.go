package api

import (
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"

	"github.com/hornero/hornero/lab/state"
)

func (s *Server) certificateRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/certificates":                  s.listCertificates,
		"POST /v2/certificates":                 s.createCertificate,
		"GET /v2/certificates/{certificate}":    s.getCertificate,
		"DELETE /v2/certificates/{certificate}": s.deleteCertificate,
	}
}

type certificateShape struct {
	ID              string   `json:"id"`
	Name            string   `json:"name"`
	NotAfter        string   `json:"not_after"`
	SHA1Fingerprint string   `json:"sha1_fingerprint"`
	CreatedAt       string   `json:"created_at"`
	DNSNames        []string `json:"dns_names"`
	State           string   `json:"state"`
	Type            string   `json:"type"`
}

func showCertificate(c state.Certificate) certificateShape {
	end := ""

	// a pending certificate has no end yet
	if !c.NotAfter.IsZero() {
		end = showTime(c.NotAfter)
	}

	return certificateShape{
		ID:              c.ID,
		Name:            c.Name,
		NotAfter:        end,
		SHA1Fingerprint: c.Fingerprint,
		CreatedAt:       showTime(c.Created),
		DNSNames:        orEmpty(c.DNSNames),
		State:           c.State,
		Type:            c.Type,
	}
}

func (s *Server) listCertificates(r *http.Request) (*reply, error) {
	// Terraform looks a certificate up by its name
	name := r.URL.Query().Get("name")
	shown := []certificateShape{}

	for _, certificate := range s.Store.View().Certificates {
		if name == "" || name == certificate.Name {
			shown = append(shown, showCertificate(certificate))
		}
	}

	return list(r, "certificates", shown), nil
}

func (s *Server) getCertificate(r *http.Request) (*reply, error) {
	certificate := s.Store.View().Certificate(r.PathValue("certificate"))
	if certificate == nil {
		return nil, notFound()
	}

	return one(http.StatusOK, "certificate", showCertificate(*certificate)), nil
}

type certificateRequest struct {
	Name             string   `json:"name"`
	Type             string   `json:"type"`
	PrivateKey       string   `json:"private_key"`
	LeafCertificate  string   `json:"leaf_certificate"`
	CertificateChain string   `json:"certificate_chain"`
	DNSNames         []string `json:"dns_names"`
}

// The types of a certificate.
const (
	customCertificate = "custom"
	letsEncrypt       = "lets_encrypt"
)

func (s *Server) createCertificate(r *http.Request) (*reply, error) {
	var body certificateRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	certificate, err := body.certificate()
	if err != nil {
		return nil, err
	}

	certificate.ID = newUUID()
	certificate.Name = body.Name
	certificate.Created = s.now()

	err = s.Store.Update(func(d *state.Document) error {
		// Terraform looks certificates up by name, and takes the first
		taken := slices.ContainsFunc(d.Certificates, func(other state.Certificate) bool {
			return other.Name == body.Name
		})
		if taken {
			return invalid("a certificate named %q is there already", body.Name)
		}

		d.Certificates = append(d.Certificates, certificate)

		return nil
	})
	if err != nil {
		return nil, err
	}

	// verifying comes after the state is written: it looks the certificate up there
	if certificate.State == certificatePending {
		s.verifyCertificate(certificate.ID)
	}

	return one(http.StatusCreated, "certificate", showCertificate(certificate)), nil
}

// certificate is what is asked for: one that was sent, or one that Let's Encrypt is to issue.
func (b *certificateRequest) certificate() (state.Certificate, error) {
	if b.Name == "" {
		return state.Certificate{}, invalid("name is needed")
	}

	switch b.Type {
	case "", customCertificate:
		return b.custom()
	case letsEncrypt:
		return b.letsEncrypt()
	}

	return state.Certificate{}, invalid("type must be custom or lets_encrypt, not %q", b.Type)
}

func (b *certificateRequest) custom() (state.Certificate, error) {
	leaf, err := b.leaf()
	if err != nil {
		return state.Certificate{}, err
	}

	fingerprint := sha1.Sum(leaf.Raw)

	return state.Certificate{
		Type:        customCertificate,
		State:       certificateVerified,
		DNSNames:    leaf.DNSNames,
		NotAfter:    leaf.NotAfter,
		Fingerprint: hex.EncodeToString(fingerprint[:]),
		PrivateKey:  b.PrivateKey,
		Leaf:        b.LeafCertificate,
		Chain:       b.CertificateChain,
	}, nil
}

func (b *certificateRequest) letsEncrypt() (state.Certificate, error) {
	if len(b.DNSNames) == 0 {
		return state.Certificate{}, invalid("dns_names are needed")
	}

	for _, name := range b.DNSNames {
		// a wildcard stands in front of a name that must be valid itself
		if !domainPattern.MatchString(strings.TrimPrefix(name, "*.")) {
			return state.Certificate{}, invalid("dns_names: %q is no name of a host", name)
		}
	}

	return state.Certificate{
		Type:     letsEncrypt,
		State:    certificatePending,
		DNSNames: b.DNSNames,
	}, nil
}

// leaf reads the certificate that was sent, and checks that its key and its chain go with it.
func (b *certificateRequest) leaf() (*x509.Certificate, error) {
	// HAProxy would refuse a pair that does not fit, and with it the whole load balancer
	pair, err := tls.X509KeyPair([]byte(b.LeafCertificate), []byte(b.PrivateKey))
	if err != nil {
		return nil, invalid("leaf_certificate and private_key do not fit: %v", err)
	}

	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, invalid("leaf_certificate is no certificate: %v", err)
	}

	chained := x509.NewCertPool().AppendCertsFromPEM([]byte(b.CertificateChain))
	if b.CertificateChain != "" && !chained {
		return nil, invalid("certificate_chain holds no certificate")
	}

	return leaf, nil
}

func (s *Server) deleteCertificate(r *http.Request) (*reply, error) {
	return noContent(), s.Store.Update(func(d *state.Document) error {
		certificate := d.Certificate(r.PathValue("certificate"))
		if certificate == nil {
			return notFound()
		}

		for _, balancer := range d.LoadBalancers {
			used := slices.ContainsFunc(balancer.Rules, func(rule state.Rule) bool {
				return rule.CertificateID == certificate.ID
			})
			if used {
				// Terraform waits for the load balancer as long as it reads these words
				return failure(http.StatusForbidden, "Make sure the certificate is not in use before deleting it")
			}
		}

		id := certificate.ID // DeleteFunc moves elements, and the pointer is into them
		d.Certificates = slices.DeleteFunc(d.Certificates, func(x state.Certificate) bool {
			return x.ID == id
		})

		return nil
	})
}
