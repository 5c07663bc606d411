package acme

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

const (
	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY"
)

var (
	errNoKey         = errors.New("it is no private key in PEM")
	errNoCertificate = errors.New("it is no certificate in PEM")
)

func encodeKey(key *ecdsa.PrivateKey) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf(
			"write a key: %w",
			err,
		)
	}

	return string(pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der})), nil
}

func decodeKey(text string) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errNoKey
	}

	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errNoKey
	}

	// Hornero makes no others.
	own, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errNoKey
	}

	return own, nil
}

// leafOf is a chain's own certificate.
func leafOf(chain string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(chain))
	if block == nil || block.Type != certificateBlock {
		return nil, errNoCertificate
	}

	return x509.ParseCertificate(block.Bytes)
}

// fits tells what is wrong with a certificate for a key and names.
func (c Certificate) fits(key crypto.PublicKey, names []string) error {
	leaf, err := leafOf(c.Chain)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}

	public, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok || !public.Equal(key) {
		return errors.New("the certificate is for another key")
	}

	for _, name := range names {
		if err := leaf.VerifyHostname(name); err != nil {
			return fmt.Errorf("the certificate is not for %s", name)
		}
	}

	return nil
}

// sameNames tells whether a certificate is for these names and no others.
func sameNames(leaf *x509.Certificate, names []string) bool {
	return slices.Equal(
		slices.Sorted(slices.Values(leaf.DNSNames)),
		slices.Sorted(slices.Values(names)),
	)
}
