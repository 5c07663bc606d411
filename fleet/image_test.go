package fleet_test

import (
	"strconv"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

func TestAMissingImageSaysHowToBakeIt(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.config.Stack.Release = "debian-12"
	err := w.up()
	require.ErrorIs(t, err, fleet.ErrNoImage)
	require.ErrorContains(t, err, "bake one with `hornero images bake`")

	balancers, _, err := w.config.Client.LoadBalancers.List(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, balancers, "nothing is made")
}

// newestOf is the newest image of a role.
func (w *world) newestOf(role string) godo.Image {
	images, _, err := w.config.Client.Images.ListByTag(w.t.Context(), "hornero:role:"+role, nil)
	require.NoError(w.t, err)

	return images[len(images)-1]
}

// snapshot takes a snapshot of a node's Droplet, gives it tags, and returns its number.
func (w *world) snapshot(node string, tags ...string) int {
	client := w.config.Client
	droplets, _, err := client.Droplets.ListByTag(w.t.Context(), "hornero:blog:node:"+node, nil)
	require.NoError(w.t, err)

	newest := 0

	before, _, err := client.Images.ListUser(w.t.Context(), nil)
	require.NoError(w.t, err)

	for _, image := range before {
		newest = max(newest, image.ID)
	}

	_, _, err = client.DropletActions.Snapshot(w.t.Context(), droplets[0].ID, "mine")
	require.NoError(w.t, err)

	id := 0
	taken := func() bool {
		images, _, err := client.Images.ListUser(w.t.Context(), nil)
		require.NoError(w.t, err)

		for _, image := range images {
			if image.ID > newest && image.Status == "available" {
				id = image.ID
			}
		}

		return id != 0
	}
	require.Eventually(w.t, taken, waitLimit, waitTick)

	for _, tag := range tags {
		w.tag(tag, godo.Resource{
			ID:   strconv.Itoa(id),
			Type: godo.ImageResourceType,
		})
	}

	return id
}

func TestAPinnedImageIsTheOneThatIsLaunched(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	pinned := w.newestOf("web")
	w.mustUp()

	newer := w.snapshot("web-1", "hornero:role:web", "hornero:release:debian-13", "hornero:document:4")
	require.Greater(t, newer, pinned.ID)

	for _, c := range []struct {
		image int
		want  int
	}{
		{
			image: pinned.ID,
			want:  pinned.ID,
		},
		{
			image: 0,
			want:  newer,
		},
	} {
		w.config.Stack.Nodes[2].Image = c.image
		require.NoError(t, w.replace("web-2"))

		droplets, _, err := w.config.Client.Droplets.ListByTag(t.Context(), "hornero:blog:node:web-2", nil)
		require.NoError(t, err)
		require.Len(t, droplets, 1)
		require.Equal(t, c.want, droplets[0].Image.ID)
	}
}

func TestAPinnedImageHasToFit(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	db := strconv.Itoa(w.newestOf("db").ID)
	own := strconv.Itoa(w.snapshot("web-1", "hornero:release:debian-12"))

	for name, c := range map[string]struct {
		image  string
		region string
		want   string
	}{
		"not there": {
			image:  "999999",
			region: "fra1",
			want:   "the account has no image 999999 (of web-1)",
		},
		"another role": {
			image:  db,
			region: "fra1",
			want:   "image " + db + " (hornero-db) of web-1 is not of role web; ",
		},
		"elsewhere": {
			image:  db,
			region: "nyc3",
			want:   "is not of role web, nor in region nyc3; ",
		},
		"of no release": {
			image:  own,
			region: "fra1",
			want:   "is not of role web, nor of release debian-13, nor of this version of Hornero; ",
		},
	} {
		image, err := strconv.Atoi(c.image)
		require.NoError(t, err)

		w.config.Stack.Nodes[2].Image = image
		w.config.Stack.Region = c.region

		err = w.replace("web-1")
		require.ErrorIs(t, err, fleet.ErrPinned, name)
		require.ErrorContains(t, err, c.want, name)
		require.Contains(t, w.names(), "web-1/1", name)
		require.NotContains(t, w.history, "drain web-1", name)
	}
}

func TestUpMakesNothingWhereAPinnedImageDoesNotFit(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.config.Stack.Nodes[2].Image = w.newestOf("db").ID
	require.ErrorIs(t, w.up(), fleet.ErrPinned)
	require.Empty(t, w.documents())
}

func TestAnImageOfAnEarlierVersionReplacesNothing(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	old := w.newestOf("web")
	_, err := w.config.Client.Tags.UntagResources(t.Context(), "hornero:document:4", &godo.UntagResourcesRequest{
		Resources: []godo.Resource{{ID: strconv.Itoa(old.ID), Type: godo.ImageResourceType}},
	})
	require.NoError(t, err)

	err = w.replace("web-1")
	require.ErrorIs(t, err, fleet.ErrNoImage)
	require.ErrorContains(t, err, "of an earlier version of Hornero")
	require.Contains(t, w.names(), "web-1/1", "what it was to take the place of is there")
	require.NotContains(t, w.history, "drain web-1")
}

func TestARejectedImageIsPassedOver(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	good := w.newestOf("web")
	w.mustUp()

	const rejected = "hornero:rejected"
	bad := w.snapshot("web-1", "hornero:role:web", "hornero:release:debian-13", "hornero:document:4", rejected)
	require.Greater(t, bad, good.ID)
	require.Empty(t, w.plan(), "no node is to be made from it")

	launched := func(want int) {
		t.Helper()
		require.NoError(t, w.replace("web-2"))

		droplets, _, err := w.config.Client.Droplets.ListByTag(t.Context(), "hornero:blog:node:web-2", nil)
		require.NoError(t, err)
		require.Len(t, droplets, 1)
		require.Equal(t, want, droplets[0].Image.ID)
	}
	launched(good.ID)

	w.config.Stack.Nodes[2].Image = bad
	err := w.replace("web-2")
	require.ErrorIs(t, err, fleet.ErrPinned)
	require.ErrorContains(t, err, "a roll went back from image "+strconv.Itoa(bad)+" (mine) of web-")
	require.ErrorContains(t, err, "; `hornero images accept "+strconv.Itoa(bad)+"` takes that back")

	w.config.Stack.Nodes[2].Image = 0
	w.tag(rejected, godo.Resource{ID: strconv.Itoa(good.ID), Type: godo.ImageResourceType})

	err = w.replace("web-2")
	require.ErrorIs(t, err, fleet.ErrNoImage)
	require.ErrorContains(t, err, "but one that a roll went back from, which `hornero images accept` takes back")

	// Accepted.
	_, err = w.config.Client.Tags.UntagResources(t.Context(), rejected, &godo.UntagResourcesRequest{
		Resources: []godo.Resource{{ID: strconv.Itoa(bad), Type: godo.ImageResourceType}},
	})
	require.NoError(t, err)
	launched(bad)
}
