package api_test

import (
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func TestSpacesKeys(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	key, answer, err := w.SpacesKeys.Create(ctx, &godo.SpacesKeyCreateRequest{
		Name:   "ci",
		Grants: []*godo.Grant{{Bucket: "images", Permission: godo.SpacesKeyReadWrite}},
	})
	require.NoError(t, err)
	require.Equal(t, 201, answer.StatusCode)
	require.Len(t, key.AccessKey, 20)
	require.Len(t, key.SecretKey, 43)

	got, _, err := w.SpacesKeys.Get(ctx, key.AccessKey)
	require.NoError(t, err)
	require.Empty(t, got.SecretKey, "the secret is told once")
	require.Equal(t, "images", got.Grants[0].Bucket)

	renamed, _, err := w.SpacesKeys.Update(ctx, key.AccessKey, &godo.SpacesKeyUpdateRequest{
		Name:   "cd",
		Grants: got.Grants,
	})
	require.NoError(t, err)
	require.Equal(t, "cd", renamed.Name)

	for permission, bucket := range map[godo.SpacesKeyPermission]string{
		godo.SpacesKeyFullAccess: "images",
		godo.SpacesKeyRead:       "",
		"write":                  "images",
	} {
		_, _, err = w.SpacesKeys.Create(ctx, &godo.SpacesKeyCreateRequest{
			Name:   "bad",
			Grants: []*godo.Grant{{Bucket: bucket, Permission: permission}},
		})
		refused(t, err, 422, string(permission))
	}

	_, err = w.SpacesKeys.Delete(ctx, key.AccessKey)
	require.NoError(t, err)

	keys, _, err := w.SpacesKeys.List(ctx, nil)
	require.NoError(t, err)
	require.Empty(t, keys)

	_, _, err = w.SpacesKeys.Get(ctx, key.AccessKey)
	refused(t, err, 404, "could not be found")
}
