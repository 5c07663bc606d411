// Package derived has the keys that follow from one random secret of a stack: that of an account with an authority, and
// that of what the stack's nodes keep sealed in the peer set. Whoever has the secret has them, and nobody stores them.
package derived

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/hornero/hornero/internal/report"
)

// What keys are for: no two purposes have the same one.
const (
	forAccount = "hornero account"
	forSealing = "hornero sealed"
)

const keyLength = 32 // of AES-256, and of a scalar of P-256

// ErrSealed is a text that the secret does not open: it was sealed with another, or for another name.
var ErrSealed = errors.New("the secret does not open it")

// Seal makes a text of bytes that only the secret opens, and only under the same name.
func Seal(secret report.Secret, name string, plain []byte) (string, error) {
	gcm, err := sealer(secret)
	if err != nil {
		return "", err
	}

	nonce := make(
		[]byte,
		gcm.NonceSize(),
	)
	_, _ = rand.Read(nonce) // never fails

	sealed := gcm.Seal(
		nonce,
		nonce,
		plain,
		[]byte(name),
	)

	return base64.StdEncoding.EncodeToString(sealed), nil
}

// Open returns what Seal was given.
func Open(secret report.Secret, name, text string) ([]byte, error) {
	gcm, err := sealer(secret)
	if err != nil {
		return nil, err
	}

	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(sealed) < gcm.NonceSize() {
		return nil, fmt.Errorf(
			"open %s: %w",
			name,
			ErrSealed,
		)
	}

	nonce, rest := sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():]

	plain, err := gcm.Open(
		nil,
		nonce,
		rest,
		[]byte(name),
	)
	if err != nil {
		return nil, fmt.Errorf(
			"open %s: %w",
			name,
			ErrSealed,
		)
	}

	return plain, nil
}

func sealer(secret report.Secret) (cipher.AEAD, error) {
	key, err := derive(secret, forSealing)
	if err != nil {
		return nil, err
	}

	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}

	return cipher.NewGCM(block)
}

// derive is RFC 5869: the secret is as random as a key, so that it needs no salt.
func derive(secret report.Secret, purpose string) ([]byte, error) {
	if secret == "" {
		return nil, errors.New("derive a key: there is no secret")
	}

	return hkdf.Key(
		sha256.New,
		[]byte(secret.Reveal()),
		nil,
		purpose,
		keyLength,
	)
}

// account is the account's key. One draw in 2^32 is no scalar of the curve: the next is taken then.
func account(secret report.Secret) (*ecdh.PrivateKey, error) {
	for try := range 8 {
		scalar, err := derive(
			secret,
			fmt.Sprintf("%s %d", forAccount, try),
		)
		if err != nil {
			return nil, err
		}

		if key, err := ecdh.P256().NewPrivateKey(scalar); err == nil {
			return key, nil
		}
	}

	return nil, errors.New("derive the account's key: no draw is a key")
}
