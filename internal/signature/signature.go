// Package signature owns what vouches for an image: the tag in which a key says that one snapshot, by its number, is
// what the image's other tags say. It reads no API, and knows no stack.
package signature

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/internal/report"
)

// Verdict is what an image's signatures come to, for whoever trusts some keys.
type Verdict int

const (
	// Unsigned is an image that no trusted key signed.
	Unsigned Verdict = iota
	// Signed is an image that a trusted key signed, as it is.
	Signed
	// Forged is an image with a signature in a trusted key's name that is not of this image: of another snapshot, or
	// from before a tag was changed.
	Forged
)

// tagPrefix begins the tag of a signature. What follows are the key's number and the signature, in hexadecimal digits:
// the API does not tell "A" from "a" in tags. 163 of the 255 characters that a tag may have.
const tagPrefix = "hornero:signature:"

// signedPrefixes are those of the tags that a signature is over; an image has one of each (builder).
var signedPrefixes = []string{
	"hornero:role:",
	"hornero:release:",
	"hornero:digest:",
}

var (
	// ErrTags is an image whose tags are not those of one published image.
	ErrTags = errors.New("the image does not have one tag each of role, release and digest")
	// errNoKey does not quote what it is about: it may be a private key.
	errNoKey = errors.New("is no ed25519 key in OpenSSH's form, as `ssh-keygen -t ed25519 -N ''` makes them")
)

// Key is a key that is trusted.
type Key ed25519.PublicKey

// ParseKey reads a public key as it stands in a file of OpenSSH's: "ssh-ed25519 AAAA... a comment".
func ParseKey(line string) (Key, error) {
	parsed, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil || len(options) > 0 || len(rest) > 0 {
		return nil, errNoKey
	}

	public, ok := parsed.(ssh.CryptoPublicKey)
	if !ok {
		return nil, errNoKey
	}

	key, ok := public.CryptoPublicKey().(ed25519.PublicKey)
	if !ok {
		return nil, errNoKey
	}

	return Key(key), nil
}

// String is the key as ParseKey reads it.
func (k Key) String() string {
	public, err := ssh.NewPublicKey(ed25519.PublicKey(k))
	if err != nil {
		return "no key"
	}

	line := ssh.MarshalAuthorizedKey(public)

	return strings.TrimSpace(string(line))
}

// prefix begins the tags of the key's signatures.
func (k Key) prefix() string {
	number := sha256.Sum256(k)
	return tagPrefix + hex.EncodeToString(number[:8]) + ":"
}

// Signer is a key that signs.
type Signer struct{ private ed25519.PrivateKey }

// ParseSigner reads a private key of OpenSSH's without a passphrase.
func ParseSigner(text report.Secret) (Signer, error) {
	parsed, err := ssh.ParseRawPrivateKey([]byte(text.Reveal()))
	if err != nil {
		return Signer{}, errNoKey
	}

	private, ok := parsed.(*ed25519.PrivateKey)
	if !ok {
		return Signer{}, errNoKey
	}

	return Signer{private: *private}, nil
}

// Key is the one that the signer's signatures are checked with.
func (s Signer) Key() Key {
	// The private key's second half (RFC 8032, as Go keeps it).
	public := s.private[ed25519.SeedSize:]

	return Key(public)
}

// Tag is the signature of an image by its number and tags: a tag for it.
func (s Signer) Tag(image int, tags []string) (string, error) {
	signed, err := message(image, tags)
	if err != nil {
		return "", err
	}

	signature := ed25519.Sign(s.private, signed)
	written := hex.EncodeToString(signature)

	return s.Key().prefix() + written, nil
}

// Check tells what the signatures among an image's tags come to.
func Check(
	image int,
	tags []string,
	trusted []Key,
) Verdict {
	verdict := Unsigned

	// What is not tagged as one image is signed by nobody.
	signed, err := message(image, tags)
	readable := err == nil

	for _, key := range trusted {
		for _, tag := range tags {
			written, ours := strings.CutPrefix(tag, key.prefix())

			switch {
			case !ours:
			case readable && key.wrote(written, signed):
				return Signed
			default:
				verdict = Forged
			}
		}
	}

	return verdict
}

// wrote tells whether a signature is the key's.
func (k Key) wrote(signature string, message []byte) bool {
	written, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}

	key := ed25519.PublicKey(k)

	return ed25519.Verify(key, message, written)
}

// message is what is signed: the snapshot's number, which nobody can give to another one, and what it is known by.
func message(image int, tags []string) ([]byte, error) {
	lines := []string{
		"hornero image",
		strconv.Itoa(image),
	}

	for _, prefix := range signedPrefixes {
		var found []string

		for _, tag := range tags {
			if strings.HasPrefix(tag, prefix) {
				found = append(found, tag)
			}
		}

		if len(found) != 1 {
			return nil, ErrTags
		}

		lines = append(lines, found[0])
	}

	text := strings.Join(lines, "\n")

	return []byte(text + "\n"), nil
}
