package pki

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
)

// readerKind is carried, as a node's kind is, by the certificate of who reads metrics.
const readerKind = "metrics"

// IssueReader makes a certificate with which a scraper reads the metrics of the stack's nodes. Its subject has neither
// a role nor an incarnation: it names no node, so that every other door refuses it.
func (ca Pair) IssueReader(stack, name string) (Pair, error) {
	lasts, err := nodeValidity()
	if err != nil {
		return Pair{}, err
	}

	template := &x509.Certificate{
		Subject: pkix.Name{
			CommonName:   name,
			Organization: []string{stack},
		},
		URIs:     kindURI(readerKind),
		KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{
			x509.ExtKeyUsageClientAuth,
		},
	}

	return ca.issue(template, lasts)
}

// ReaderTLS returns the configuration of a node as the server of its metrics: TLS 1.3, for certificates of IssueReader
// alone. A node's own does not do: whoever holds one node learns nothing of the others.
func ReaderTLS(ca string, own Pair, stack string) (*tls.Config, error) {
	reader := func(chain []*x509.Certificate, roots *x509.CertPool) error {
		leaf, err := verifyChain(chain, roots, stack)
		if err != nil {
			return err
		}

		// What names a node has a kind of node, or none.
		if kindOf(leaf) != readerKind {
			return fmt.Errorf(
				"%w: %w: %q",
				ErrStranger,
				ErrNoReader,
				leaf.Subject,
			)
		}

		return nil
	}

	return mutual(ca, own, reader)
}
