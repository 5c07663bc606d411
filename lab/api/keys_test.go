package api_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

func publicKey(t *testing.T) string {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)

	key, err := ssh.NewPublicKey(public)
	require.NoError(t, err)

	return string(ssh.MarshalAuthorizedKey(key))
}

func TestKeys(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	text := publicKey(t)
	key, answer, err := w.Keys.Create(ctx, &godo.KeyCreateRequest{
		Name:      "me",
		PublicKey: text,
	})
	require.NoError(t, err)
	require.Equal(t, 201, answer.StatusCode)
	require.Len(t, key.Fingerprint, 47)

	_, _, err = w.Keys.Create(ctx, &godo.KeyCreateRequest{
		Name:      "again",
		PublicKey: text,
	})
	refused(t, err, 422, "already in use")

	_, _, err = w.Keys.Create(ctx, &godo.KeyCreateRequest{
		Name:      "bad",
		PublicKey: "rubbish",
	})
	refused(t, err, 422, "Key invalid")

	byID, _, err := w.Keys.GetByID(ctx, key.ID)
	require.NoError(t, err)

	byFingerprint, _, err := w.Keys.GetByFingerprint(ctx, key.Fingerprint)
	require.NoError(t, err)
	require.Equal(t, byID, byFingerprint)

	renamed, _, err := w.Keys.UpdateByFingerprint(
		ctx,
		key.Fingerprint,
		&godo.KeyUpdateRequest{Name: "you"},
	)
	require.NoError(t, err)
	require.Equal(t, "you", renamed.Name)

	keys, _, err := w.Keys.List(ctx, nil)
	require.NoError(t, err)
	require.Len(t, keys, 1)

	_, err = w.Keys.DeleteByID(ctx, key.ID)
	require.NoError(t, err)

	_, err = w.Keys.DeleteByFingerprint(ctx, key.Fingerprint)
	refused(t, err, 404, "could not be found")
}
