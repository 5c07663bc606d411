package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
)

// PeerTLS returns the configuration of a node towards its peers, as server and as client: TLS 1.3, both sides shown,
// both sides' chains and stack checked, host names ignored. Each of allow may refuse the other side for what its
// certificate says.
func PeerTLS(ca string, own Pair, stack string, allow ...func(Name) error) (*tls.Config, error) {
	return mutual(ca, own, func(chain []*x509.Certificate, roots *x509.CertPool) error {
		return verify(chain, roots, stack, allow)
	})
}

// mutual is a configuration that shows its own certificate and has the other side's judged.
func mutual(
	ca string,
	own Pair,
	judge func(chain []*x509.Certificate, roots *x509.CertPool) error,
) (*tls.Config, error) {
	shown := []byte(own.Certificate)
	key := []byte(own.Key.Reveal())

	certificate, err := tls.X509KeyPair(shown, key)
	if err != nil {
		return nil, fmt.Errorf("read own certificate: %w", err)
	}

	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(ca)) {
		return nil, errors.New("read the stack's authority: not PEM")
	}

	// Run for resumed sessions, too, unlike VerifyPeerCertificate (crypto/tls).
	check := func(state tls.ConnectionState) error {
		return judge(state.PeerCertificates, roots)
	}

	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Certificates:       []tls.Certificate{certificate},
		ClientAuth:         tls.RequireAnyClientCert,
		ClientCAs:          roots,
		InsecureSkipVerify: true, // VerifyConnection checks the chain and the subject instead of the address
		VerifyConnection:   check,
	}, nil
}

func verify(chain []*x509.Certificate, roots *x509.CertPool, stack string, allow []func(Name) error) error {
	leaf, err := verifyChain(chain, roots, stack)
	if err != nil {
		return err
	}

	name, err := NameOf(leaf)
	if err != nil {
		return err
	}

	// Only now, as these judge what the certificate says.
	for _, check := range allow {
		err := check(name)
		if err != nil {
			return err
		}
	}

	return nil
}

// verifyChain returns the other side's certificate, when the stack's authority signed it for this stack.
func verifyChain(chain []*x509.Certificate, roots *x509.CertPool, stack string) (*x509.Certificate, error) {
	if len(chain) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrStranger, ErrNoCertificate)
	}

	// Before the chain: another stack's certificate is signed by another authority, and is to be named so.
	leaf := chain[0]
	organization := leaf.Subject.Organization
	if !slices.Equal(organization, []string{stack}) {
		return nil, fmt.Errorf(
			"%w: %w: %q",
			ErrStranger,
			ErrOtherStack,
			organization,
		)
	}

	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots,
		// Each side is a server and a client to the other.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, fmt.Errorf(
			"%w: %w: %w",
			ErrStranger,
			invalid(err),
			err,
		)
	}

	return leaf, nil
}

func invalid(err error) error {
	var why x509.CertificateInvalidError
	if errors.As(err, &why) && why.Reason == x509.Expired {
		return ErrExpired
	}

	return ErrUntrusted
}

// Guard makes a server with a configuration of PeerTLS tell of each connection that it refuses for its
// certificate: from where it came and, as far as that can be read, whom the certificate names.
func Guard(config *tls.Config, refused func(from net.Addr, name Name, err error)) *tls.Config {
	guarded := config.Clone()
	guarded.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		// A configuration of its own for each connection: the address is known only here.
		from := hello.Conn.RemoteAddr()
		one := config.Clone()
		one.ClientAuth = tls.RequestClientCert // who shows none is refused below, where it is reported
		one.VerifyConnection = func(state tls.ConnectionState) error {
			err := config.VerifyConnection(state)
			if err != nil {
				refused(from, claimed(state.PeerCertificates), err)
			}

			return err
		}

		return one, nil
	}

	return guarded
}

// claimed is what a refused certificate says; nobody vouches for it.
func claimed(chain []*x509.Certificate) Name {
	if len(chain) == 0 {
		return Name{}
	}

	name, err := NameOf(chain[0])
	if err != nil {
		return Name{Node: chain[0].Subject.CommonName}
	}

	return name
}
