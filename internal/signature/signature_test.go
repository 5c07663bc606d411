package signature_test

import (
	"crypto/ed25519"
	"encoding/pem"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/internal/signature"
)

// newSigner makes a key, in the form that ssh-keygen writes.
func newSigner(t *testing.T) signature.Signer {
	t.Helper()

	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)

	block, err := ssh.MarshalPrivateKey(private, "team")
	require.NoError(t, err)

	signer, err := signature.ParseSigner(report.Secret(pem.EncodeToMemory(block)))
	require.NoError(t, err)

	return signer
}

var tags = []string{
	"hornero",
	"hornero:role:web",
	"hornero:release:debian-13",
	"hornero:digest:00112233445566778899aabbccddeeff",
}

func TestASignatureIsOfOneSnapshotAsItIs(t *testing.T) {
	team, other := newSigner(t), newSigner(t)
	trusted := []signature.Key{other.Key(), team.Key()}

	tag, err := team.Tag(12, tags)
	require.NoError(t, err)
	require.Regexp(t, regexp.MustCompile(`^[a-z0-9:]{1,255}$`), tag, "what the API takes for a tag")

	signed := append([]string{tag}, tags...)
	require.Equal(t, signature.Signed, signature.Check(12, signed, trusted))
	require.Equal(t, signature.Signed, signature.Check(12, append(signed, "hornero:rejected"), trusted))
	require.Equal(t, signature.Unsigned, signature.Check(12, tags, trusted))
	require.Equal(t, signature.Unsigned, signature.Check(12, signed, []signature.Key{other.Key()}))
	require.Equal(t, signature.Unsigned, signature.Check(12, signed, nil))

	// All tags on another snapshot, and other tags on the same one.
	require.Equal(t, signature.Forged, signature.Check(13, signed, trusted))

	for _, tag := range tags[1:] {
		changed := strings.Split(strings.ReplaceAll(strings.Join(signed, " "), tag, tag+"0"), " ")
		require.Equal(t, signature.Forged, signature.Check(12, changed, trusted), tag)

		twice := append([]string{tag + "0"}, signed...)
		require.Equal(t, signature.Forged, signature.Check(12, twice, trusted), tag)
	}
}

func TestOnlyAPublishedImageIsSigned(t *testing.T) {
	_, err := newSigner(t).Tag(12, tags[:3])
	require.ErrorIs(t, err, signature.ErrTags)
}

func TestKeysAreReadAndWritten(t *testing.T) {
	key := newSigner(t).Key()

	again, err := signature.ParseKey(key.String() + " the team's")
	require.NoError(t, err)
	require.Equal(t, key, again)

	for _, text := range []string{
		"",
		"ssh-ed25519 AAAA",
		"ssh-rsa " + strings.Fields(key.String())[1],
		key.String() + "\n" + key.String(),
		"no-pty " + key.String(),
	} {
		_, err := signature.ParseKey(text)
		require.ErrorContains(t, err, "is no ed25519 key", text)

		_, err = signature.ParseSigner(report.Secret(text))
		require.ErrorContains(t, err, "is no ed25519 key", text)
	}
}
