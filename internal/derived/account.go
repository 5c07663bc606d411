package derived

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"

	"github.com/hornero/hornero/internal/report"
)

// Account is the key of the stack's account with an authority of certificates.
func Account(secret report.Secret) (*ecdsa.PrivateKey, error) {
	key, err := account(secret)
	if err != nil {
		return nil, err
	}

	return ecdsa.ParseRawPrivateKey(
		elliptic.P256(),
		key.Bytes(),
	)
}

// Thumbprint is the account's name as an authority computes it (RFC 7638): the answer to all that it asks for by
// http-01 ends with it.
func Thumbprint(secret report.Secret) (string, error) {
	key, err := account(secret)
	if err != nil {
		return "", err
	}

	// 4, then both coordinates (SEC 1, 2.3.3).
	point := key.PublicKey().Bytes()
	x, y := point[1:1+keyLength], point[1+keyLength:]
	encode := base64.RawURLEncoding.EncodeToString

	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + encode(x) + `","y":"` + encode(y) + `"}`))

	return encode(sum[:]), nil
}
