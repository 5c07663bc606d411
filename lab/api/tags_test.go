package api_test

import (
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

// tag gives a Droplet a tag, or with untag takes it away.
func (w *world) tag(name string, droplet int) {
	w.t.Helper()

	_, err := w.Tags.TagResources(w.t.Context(), name, &godo.TagResourcesRequest{
		Resources: dropletResource(droplet),
	})
	require.NoError(w.t, err)
}

func (w *world) untag(name string, droplet int) {
	w.t.Helper()

	_, err := w.Tags.UntagResources(w.t.Context(), name, &godo.UntagResourcesRequest{
		Resources: dropletResource(droplet),
	})
	require.NoError(w.t, err)
}

func dropletResource(id int) []godo.Resource {
	return []godo.Resource{{
		ID:   itoa(id),
		Type: godo.DropletResourceType,
	}}
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()

	ask := request("one")
	ask.Tags = []string{"Hornero", "hornero:demo", "hornero"}
	droplet := w.create(ask)
	require.Equal(t, []string{"Hornero", "hornero:demo"}, droplet.Tags)
	w.create(request("two"))

	found, _, err := w.Droplets.ListByTag(ctx, "HORNERO", nil)
	require.NoError(t, err)
	require.Len(t, found, 1)

	tag, answer, err := w.Tags.Create(ctx, &godo.TagCreateRequest{Name: "hornero"})
	require.NoError(t, err)
	require.Equal(t, 201, answer.StatusCode)
	require.Equal(t, "Hornero", tag.Name)
	require.Equal(t, 1, tag.Resources.Droplets.Count)

	_, _, err = w.Tags.Create(ctx, &godo.TagCreateRequest{Name: "with space"})
	refused(t, err, 422, "no tag")

	_, err = w.Tags.TagResources(
		ctx,
		"nothing",
		&godo.TagResourcesRequest{Resources: dropletResource(1)},
	)
	refused(t, err, 404, "")

	w.untag("hornero", droplet.ID)
	require.Equal(
		t,
		[]string{"hornero:demo"},
		w.active(droplet.ID).Tags,
	)

	_, err = w.Tags.Delete(ctx, "hornero:demo")
	require.NoError(t, err)
	require.Empty(t, w.active(droplet.ID).Tags)

	_, _, err = w.Tags.Get(ctx, "hornero:demo")
	refused(t, err, 404, "")
}
