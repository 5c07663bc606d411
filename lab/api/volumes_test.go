package api_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/state"
)

// volumes pretends to keep volumes.
type volumes struct {
	mutex     sync.Mutex
	holders   map[string]int // by the volume's id; 0 when it is free
	snapshots map[string]bool
	gate      chan struct{} // held open by a test
}

func newVolumes() *volumes { return &volumes{holders: map[string]int{}, snapshots: map[string]bool{}} }

func (v *volumes) set(id string, droplet int) error {
	if v.gate != nil {
		<-v.gate
	}
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.holders[id] = droplet
	return nil
}

func (v *volumes) holder(id string) int {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	return v.holders[id]
}

func (v *volumes) Create(_ context.Context, volume state.Volume, _ string) error {
	return v.set(volume.ID, 0)
}

func (v *volumes) Delete(_ context.Context, id string) error {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	delete(v.holders, id)
	return nil
}

func (v *volumes) Attach(_ context.Context, volume state.Volume, droplet int) error {
	return v.set(volume.ID, droplet)
}

func (v *volumes) Detach(_ context.Context, volume state.Volume, _ int) error {
	return v.set(volume.ID, 0)
}

func (v *volumes) Resize(context.Context, string, int) error { return nil }

func (v *volumes) Snapshot(_ context.Context, _, snapshot string) (int64, error) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.snapshots[snapshot] = true
	return 20_000_000, nil
}

func (v *volumes) DeleteSnapshot(_ context.Context, id string) error {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	delete(v.snapshots, id)
	return nil
}

func (v *volumes) Keep(_ context.Context, volumes, snapshots []string) error {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	maps.DeleteFunc(v.holders, func(id string, _ int) bool { return !slices.Contains(volumes, id) })
	maps.DeleteFunc(v.snapshots, func(id string, _ bool) bool { return !slices.Contains(snapshots, id) })
	return nil
}

func TestVolumes(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("db"))
	volume, answer, err := w.client.Storage.CreateVolume(ctx, &godo.VolumeCreateRequest{Region: "nyc3", Name: "data", SizeGigaBytes: 5, FilesystemType: "ext4", Tags: []string{"db"}})
	require.NoError(t, err)
	require.Equal(t, 201, answer.StatusCode)
	require.Equal(t, "nyc3", volume.Region.Slug)
	require.Equal(t, []int{}, volume.DropletIDs)
	for why, sent := range map[string]*godo.VolumeCreateRequest{
		"region":          {Region: "mars1", Name: "a", SizeGigaBytes: 1},
		"volume name":     {Region: "nyc3", Name: "No", SizeGigaBytes: 1},
		"volume size":     {Region: "nyc3", Name: "a"},
		"filesystem type": {Region: "nyc3", Name: "a", SizeGigaBytes: 1, FilesystemType: "zfs"},
		"too long":        {Region: "nyc3", Name: "a", SizeGigaBytes: 1, FilesystemType: "xfs", FilesystemLabel: "thirteen-char"},
		"snapshot_id":     {Name: "a", SnapshotID: "none"},
	} {
		_, _, err := w.client.Storage.CreateVolume(ctx, sent)
		refused(t, err, 422, why)
	}
	_, _, err = w.client.Storage.CreateVolume(ctx, &godo.VolumeCreateRequest{Region: "nyc3", Name: "data", SizeGigaBytes: 5})
	refused(t, err, 409, "exists already")

	work := func(action *godo.Action, answer *godo.Response, err error) {
		t.Helper()
		require.NoError(t, err)
		require.Equal(t, 202, answer.StatusCode)
		require.Equal(t, "completed", w.done(action).Status)
	}
	work(w.client.StorageActions.Attach(ctx, volume.ID, droplet.ID))
	require.Equal(t, droplet.ID, w.volumes.holder(volume.ID))
	require.Equal(t, []string{volume.ID}, w.active(droplet.ID).VolumeIDs)
	_, _, err = w.client.StorageActions.Attach(ctx, volume.ID, droplet.ID)
	refused(t, err, 422, "already attached")
	_, err = w.client.Storage.DeleteVolume(ctx, volume.ID)
	refused(t, err, 409, "attached")
	work(w.client.StorageActions.Resize(ctx, volume.ID, 9, "nyc3"))
	_, _, err = w.client.StorageActions.Resize(ctx, volume.ID, 3, "nyc3")
	refused(t, err, 422, "volume size")

	snapshot, answer, err := w.client.Storage.CreateSnapshot(ctx, &godo.SnapshotCreateRequest{VolumeID: volume.ID, Name: "kept"})
	require.NoError(t, err)
	require.Equal(t, 201, answer.StatusCode)
	all, _, err := w.client.Snapshots.ListVolume(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, []string{snapshot.ID, volume.ID, "9"}, []string{all[0].ID, all[0].ResourceID, "9"})
	require.Equal(t, 9, all[0].MinDiskSize)
	twin, _, err := w.client.Storage.CreateVolume(ctx, &godo.VolumeCreateRequest{Name: "twin", SnapshotID: snapshot.ID})
	require.NoError(t, err)
	require.Equal(t, []any{int64(9), "ext4", "nyc3"}, []any{twin.SizeGigaBytes, twin.FilesystemType, twin.Region.Slug})
	_, err = w.client.Snapshots.Delete(ctx, snapshot.ID)
	require.NoError(t, err)
	_, err = w.client.Snapshots.Delete(ctx, snapshot.ID)
	refused(t, err, 404, "could not be found")

	second, _, err := w.client.Droplets.Create(ctx, &godo.DropletCreateRequest{Name: "with", Region: "nyc3", Size: "s-1vcpu-1gb",
		Image: godo.DropletCreateImage{Slug: "debian-13-x64"}, Volumes: []godo.DropletCreateVolume{{ID: twin.ID}}})
	require.NoError(t, err)
	require.Equal(t, []string{twin.ID}, w.active(second.ID).VolumeIDs)
	_, err = w.client.Droplets.Delete(ctx, second.ID)
	require.NoError(t, err)
	w.eventually("free with its Droplet, and deleted", func() bool {
		_, err := w.client.Storage.DeleteVolume(ctx, twin.ID)
		return err == nil
	})
	work(w.client.StorageActions.DetachByDropletID(ctx, volume.ID, droplet.ID))
	_, _, err = w.client.StorageActions.DetachByDropletID(ctx, volume.ID, droplet.ID)
	refused(t, err, 422, "Attachment not found")
	require.Empty(t, w.active(droplet.ID).VolumeIDs)

	tag, _, err := w.client.Tags.Get(ctx, "db")
	require.NoError(t, err)
	require.Equal(t, 1, tag.Resources.Volumes.Count)
	named, _, err := w.client.Storage.ListVolumes(ctx, &godo.ListVolumeParams{Name: "data", Region: "nyc3"})
	require.NoError(t, err)
	require.Len(t, named, 1)
}
