package api_test

import (
	"slices"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func TestCatalogue(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	account, _, err := w.Account.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "active", account.Status)
	require.NotNil(t, account.Team)

	regions, _, err := w.Regions.List(ctx, &godo.ListOptions{PerPage: 200})
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(regions, func(r godo.Region) bool {
		return r.Slug == "nyc3" && r.Available && len(r.Sizes) > 0
	}))

	sizes, _, err := w.Sizes.List(ctx, nil)
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(sizes, func(s godo.Size) bool {
		return s.Slug == "s-1vcpu-1gb" && s.Memory == 1024 && s.PriceMonthly > 0
	}))

	images, _, err := w.Images.ListDistribution(ctx, nil)
	require.NoError(t, err)
	require.Len(t, images, 2)

	image, _, err := w.Images.GetBySlug(ctx, "debian-12-x64")
	require.NoError(t, err)
	require.Equal(t, "debian-12-x64", image.Slug)

	_, err = w.Images.Delete(ctx, image.ID)
	refused(t, err, 403, "")

	applications, _, err := w.Images.ListApplication(ctx, nil)
	require.NoError(t, err)
	require.Empty(t, applications)
}
