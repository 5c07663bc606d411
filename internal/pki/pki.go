// Package pki owns a stack's identities: its authority, the certificates of its nodes, and the TLS that holds peers
// to them. A peer is known by what its certificate says, never by its address, which a replaced Droplet changes.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/hornero/hornero/internal/report"
)

const (
	day  = 24 * time.Hour
	Skew = time.Hour // clocks of Droplets and of the operator's machine may differ by this

	// authorityValidity is how long an authority lasts, and the certificate of the site.
	authorityValidity = 10 * 365 * day
)

// A node's certificate lasts from Validity to Validity and Spread, a year, as the lot falls: those of a stack that was
// launched in one go must not end in one night.
const (
	Validity = 335 * day
	Spread   = 30 * day
)

var (
	// ErrStranger refuses a certificate that is not of this stack.
	ErrStranger = errors.New("the certificate is not of this stack")
	// ErrNoCertificate, ErrExpired, ErrUntrusted, ErrOtherStack, ErrNoNode and ErrNoReader say why; they come with
	// ErrStranger.
	ErrNoCertificate = errors.New("none shown")
	ErrExpired       = errors.New("its time is over, or has not come")
	ErrUntrusted     = errors.New("another authority signed it")
	ErrOtherStack    = errors.New("it is of another stack")
	ErrNoNode        = errors.New("its subject names no node")
	ErrNoReader      = errors.New("it is none for reading metrics")
)

// Pair is a certificate and its key, both PEM.
type Pair struct {
	Certificate string
	Key         report.Secret
}

// Name is what a node's certificate says.
type Name struct {
	Stack       string // organisation
	Role        string // organisational unit
	Node        string // common name
	Incarnation int    // serial number attribute of the subject
	// Kind is what the node may be in the peer set, member or client: the URI hornero:KIND among the
	// alternative names, which older versions pass over. Certificates of older versions have none.
	Kind string
}

// kindScheme opens the URI that carries a node's kind.
const kindScheme = "hornero"

// AnyNode is a host name in the certificate of every node: whoever asks them all, by address, checks one name.
const AnyNode = "any.node.hornero"

// NewCA makes an authority of a stack. The key is ECDSA on P-256, which MariaDB, Galera, stunnel and HAProxy all take.
func NewCA(stack string) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("make authority of %s: %w", stack, err)
	}

	// Two authorities of a stack stand in one file while one takes the other's place: their names tell them apart.
	mark := make([]byte, 4)

	// It never fails.
	_, _ = rand.Read(mark)

	name := fmt.Sprintf("%s authority %x", stack, mark)
	template := &x509.Certificate{
		Subject: pkix.Name{
			CommonName:   name,
			Organization: []string{stack},
		},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		// It signs nodes only; a node's certificate can never sign another.
		MaxPathLenZero: true,
	}

	return sign(template, template, key, key, authorityValidity)
}

// Issue makes a node's certificate. It serves as server and as client.
func (ca Pair) Issue(name Name) (Pair, error) {
	template := &x509.Certificate{
		Subject: pkix.Name{
			CommonName:         name.Node,
			Organization:       []string{name.Stack},
			OrganizationalUnit: []string{name.Role},
			SerialNumber:       strconv.Itoa(name.Incarnation),
		},
		// Addresses are unknown before launch; names are enough, as peers check the subject.
		DNSNames: []string{
			name.Node,
			name.Role + ".hornero",
			"localhost",
			AnyNode,
		},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{
			x509.ExtKeyUsageServerAuth,
			x509.ExtKeyUsageClientAuth,
		},
	}

	// As a URI among the alternative names older versions pass it over.
	if name.Kind != "" {
		template.URIs = kindURI(name.Kind)
	}

	lasts, err := nodeValidity()
	if err != nil {
		return Pair{}, err
	}

	return ca.issue(template, lasts)
}

func kindURI(kind string) []*url.URL {
	uri := &url.URL{
		Scheme: kindScheme,
		Opaque: kind,
	}

	return []*url.URL{uri}
}

// nodeValidity draws how long a node's certificate lasts.
func nodeValidity() (time.Duration, error) {
	most := big.NewInt(int64(Spread))

	more, err := rand.Int(rand.Reader, most)
	if err != nil {
		return 0, err
	}

	lasts := Validity
	lasts += time.Duration(more.Int64())

	return lasts, nil
}

// IssueSite makes a certificate for the load balancer, self-signed by the stack's authority.
func (ca Pair) IssueSite(stack string, names ...string) (Pair, error) {
	return ca.issue(&x509.Certificate{
		Subject: pkix.Name{
			CommonName:   names[0],
			Organization: []string{stack},
		},
		DNSNames: names,
		KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{
			x509.ExtKeyUsageServerAuth,
		},
	}, authorityValidity)
}

func (ca Pair) issue(template *x509.Certificate, lasts time.Duration) (Pair, error) {
	parent, err := ParseCertificate(ca.Certificate)
	if err != nil {
		return Pair{}, fmt.Errorf("read authority: %w", err)
	}

	parentKey, err := parseKey(ca.Key)
	if err != nil {
		return Pair{}, fmt.Errorf("read authority's key: %w", err)
	}

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("issue certificate for %s: %w", template.Subject.CommonName, err)
	}

	return sign(template, parent, key, parentKey, lasts)
}

func sign(
	template, parent *x509.Certificate,
	key *ecdsa.PrivateKey,
	parentKey crypto.Signer,
	lasts time.Duration,
) (Pair, error) {
	// Random and positive, at most 20 octets (RFC 5280, 4.1.2.2): nobody keeps a list of serial numbers.
	limit := new(big.Int)
	limit.SetBit(limit, 127, 1)

	serial, err := rand.Int(rand.Reader, limit)
	if err != nil {
		return Pair{}, err
	}

	now := time.Now()
	template.SerialNumber = serial
	template.NotBefore = now.Add(-Skew)
	template.NotAfter = now.Add(lasts)

	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return Pair{}, fmt.Errorf("sign certificate of %s: %w", template.Subject.CommonName, err)
	}

	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, err
	}

	return Pair{
		Certificate: encode("CERTIFICATE", der),
		Key:         report.Secret(encode("PRIVATE KEY", keyDER)),
	}, nil
}

func encode(kind string, der []byte) string {
	text := pem.EncodeToMemory(&pem.Block{
		Type:  kind,
		Bytes: der,
	})

	return string(text)
}

// ParseCertificate reads the first certificate of a PEM text.
func ParseCertificate(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("read certificate: not PEM")
	}

	return x509.ParseCertificate(block.Bytes)
}

func parseKey(text report.Secret) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(text.Reveal()))
	if block == nil {
		return nil, errors.New("read key: not PEM")
	}

	// The only form in which keys are written here.
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}

	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("read key: cannot sign")
	}

	return signer, nil
}

// NameOf reads what a node's certificate says.
func NameOf(certificate *x509.Certificate) (Name, error) {
	subject := certificate.Subject
	incarnation, err := strconv.Atoi(subject.SerialNumber)

	// Two organisations or units would leave open which one counts.
	complete := subject.CommonName != "" &&
		len(subject.Organization) == 1 &&
		len(subject.OrganizationalUnit) == 1

	if err != nil || !complete {
		return Name{}, fmt.Errorf("%w: %w: %q", ErrStranger, ErrNoNode, subject)
	}

	name := Name{
		Stack:       subject.Organization[0],
		Role:        subject.OrganizationalUnit[0],
		Node:        subject.CommonName,
		Incarnation: incarnation,
	}

	name.Kind = kindOf(certificate)

	return name, nil
}

// kindOf is the kind that a certificate carries; "" for none.
func kindOf(certificate *x509.Certificate) (kind string) {
	for _, uri := range certificate.URIs {
		if uri.Scheme == kindScheme {
			kind = uri.Opaque
		}
	}

	return kind
}
