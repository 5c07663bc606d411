package api_test

import (
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

// snapshot takes one of a Droplet and waits until it is done.
func (w *world) snapshot(droplet int, name string) *godo.Action {
	w.t.Helper()
	action, _, err := w.DropletActions.Snapshot(
		w.t.Context(),
		droplet,
		name,
	)
	require.NoError(w.t, err)
	require.Equal(w.t, "snapshot", action.Type)

	action = w.done(action)
	require.Equal(w.t, godo.ActionCompleted, action.Status)

	return action
}

func TestSnapshotIsImageAndSnapshot(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("source"))
	action := w.snapshot(droplet.ID, "baked")

	ofDroplet, _, err := w.Droplets.Snapshots(ctx, droplet.ID, nil)
	require.NoError(t, err)
	require.Len(t, ofDroplet, 1)

	image := ofDroplet[0]
	require.Equal(t, "baked", image.Name)
	require.Equal(t, "snapshot", image.Type)
	require.False(t, image.Public)
	require.Equal(t, action.StartedAt.Format(time.RFC3339), image.Created)
	require.Equal(t, 25, image.MinDiskSize)
	require.InDelta(t, 1.24, image.SizeGigaBytes, 0.02)
	require.Equal(
		t,
		[]int{image.ID},
		w.active(droplet.ID).SnapshotIDs,
	)

	snapshot, _, err := w.Snapshots.Get(ctx, itoa(image.ID))
	require.NoError(t, err)
	require.Equal(t, itoa(droplet.ID), snapshot.ResourceID)

	private, _, err := w.Images.ListUser(ctx, nil)
	require.NoError(t, err)
	require.Len(t, private, 1)

	renamed, _, err := w.Images.Update(
		ctx,
		image.ID,
		&godo.ImageUpdateRequest{Name: "renamed"},
	)
	require.NoError(t, err)
	require.Equal(t, "renamed", renamed.Name)
}

func TestSnapshotIsTagged(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("source"))
	w.snapshot(droplet.ID, "baked")

	_, _, err := w.Tags.Create(ctx, &godo.TagCreateRequest{Name: "hornero:role:db"})
	require.NoError(t, err)

	resources := []godo.Resource{{
		ID:   itoa(w.active(droplet.ID).SnapshotIDs[0]),
		Type: godo.ImageResourceType,
	}}

	_, err = w.Tags.TagResources(
		ctx,
		"hornero:role:db",
		&godo.TagResourcesRequest{Resources: resources},
	)
	require.NoError(t, err)

	tagged, _, err := w.Images.ListByTag(ctx, "hornero:role:db", nil)
	require.NoError(t, err)
	require.Equal(t, []string{"hornero:role:db"}, tagged[0].Tags)
}

// TestSnapshotOutlivesItsDroplet: its files in turn outlive it while a Droplet needs them.
func TestSnapshotOutlivesItsDroplet(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("source"))
	w.snapshot(droplet.ID, "baked")
	id := w.active(droplet.ID).SnapshotIDs[0]

	w.destroy(droplet.ID)

	from := request("from-snapshot")
	from.Image = godo.DropletCreateImage{ID: id}
	copied := w.create(from)
	root := w.machines.machine(copied.ID).Root

	kept := func() bool {
		w.machines.mutex.Lock()
		defer w.machines.mutex.Unlock()

		return w.machines.images[root]
	}

	_, err := w.Snapshots.Delete(ctx, itoa(id))
	require.NoError(t, err)

	_, _, err = w.Images.GetByID(ctx, id)
	refused(t, err, 404, "")
	require.True(t, kept())

	_, err = w.Droplets.Delete(ctx, copied.ID)
	require.NoError(t, err)

	w.eventually("files of the snapshot gone", func() bool { return !kept() })
}

func TestSnapshotStaysInItsRegionUntilTransferred(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("source"))
	w.did(w.DropletActions.Snapshot(ctx, droplet.ID, "baked"))

	id := w.active(droplet.ID).SnapshotIDs[0]
	elsewhere := request("elsewhere")
	elsewhere.Region = "fra1"
	elsewhere.Image = godo.DropletCreateImage{ID: id}
	_, _, err := w.Droplets.Create(ctx, elsewhere)
	refused(t, err, 422, "not available in the region")

	action, _, err := w.ImageActions.Transfer(
		ctx,
		id,
		&godo.ActionRequest{"type": "transfer", "region": "fra1"},
	)
	require.NoError(t, err)
	w.done(action)
	w.create(elsewhere)
}
