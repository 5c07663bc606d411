package api_test

import (
	"fmt"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

// completed waits until an action of a volume is done.
func (w *world) completed(action *godo.Action, answer *godo.Response, err error) {
	w.t.Helper()
	require.NoError(w.t, err)
	require.Equal(w.t, 202, answer.StatusCode)
	require.Equal(w.t, "completed", w.done(action).Status)
}

func TestVolumeIsMade(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	storage := w.Storage

	volume, answer, err := storage.CreateVolume(ctx, &godo.VolumeCreateRequest{
		Region:         "nyc3",
		Name:           "data",
		SizeGigaBytes:  5,
		FilesystemType: "ext4",
		Tags:           []string{"db"},
	})
	require.NoError(t, err)
	require.Equal(t, 201, answer.StatusCode)
	require.Equal(t, "nyc3", volume.Region.Slug)
	require.Equal(t, []int{}, volume.DropletIDs)

	_, _, err = storage.CreateVolume(ctx, &godo.VolumeCreateRequest{
		Region:        "nyc3",
		Name:          "data",
		SizeGigaBytes: 5,
	})
	refused(t, err, 409, "exists already")

	tag, _, err := w.Tags.Get(ctx, "db")
	require.NoError(t, err)
	require.Equal(t, 1, tag.Resources.Volumes.Count)

	named, _, err := storage.ListVolumes(ctx, &godo.ListVolumeParams{
		Name:   "data",
		Region: "nyc3",
	})
	require.NoError(t, err)
	require.Len(t, named, 1)
}

func TestRequestsForVolumesAreRefused(t *testing.T) {
	w := newWorld(t)

	for why, change := range map[string]func(*godo.VolumeCreateRequest){
		"region":      func(r *godo.VolumeCreateRequest) { r.Region = "mars1" },
		"volume name": func(r *godo.VolumeCreateRequest) { r.Name = "No" },
		"volume size": func(r *godo.VolumeCreateRequest) { r.SizeGigaBytes = 0 },
		"filesystem type": func(r *godo.VolumeCreateRequest) {
			r.FilesystemType = "zfs"
		},
		"too long": func(r *godo.VolumeCreateRequest) {
			r.FilesystemType = "xfs"
			r.FilesystemLabel = "thirteen-char"
		},
		"snapshot_id": func(r *godo.VolumeCreateRequest) {
			*r = godo.VolumeCreateRequest{
				Name:       "a",
				SnapshotID: "none",
			}
		},
	} {
		sent := &godo.VolumeCreateRequest{
			Region:        "nyc3",
			Name:          "a",
			SizeGigaBytes: 1,
		}
		change(sent)

		_, _, err := w.Storage.CreateVolume(t.Context(), sent)
		refused(t, err, 422, why)
	}
}

func TestVolumeIsAttachedResizedAndDetached(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	actions := w.StorageActions
	droplet := w.create(request("db"))
	volume := w.volume("data", "nyc3")

	w.completed(actions.Attach(ctx, volume.ID, droplet.ID))
	require.Equal(t, droplet.ID, w.volumes.holder(volume.ID))
	require.Equal(
		t,
		[]string{volume.ID},
		w.active(droplet.ID).VolumeIDs,
	)

	_, _, err := actions.Attach(ctx, volume.ID, droplet.ID)
	refused(t, err, 422, "already attached")

	_, err = w.Storage.DeleteVolume(ctx, volume.ID)
	refused(t, err, 409, "attached")

	w.completed(actions.Resize(ctx, volume.ID, 9, "nyc3"))

	_, _, err = actions.Resize(ctx, volume.ID, 3, "nyc3")
	refused(t, err, 422, "volume size")

	w.completed(actions.DetachByDropletID(ctx, volume.ID, droplet.ID))

	_, _, err = actions.DetachByDropletID(ctx, volume.ID, droplet.ID)
	refused(t, err, 422, "Attachment not found")
	require.Empty(t, w.active(droplet.ID).VolumeIDs)
}

func TestVolumeFromASnapshot(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	storage := w.Storage

	volume, _, err := storage.CreateVolume(ctx, &godo.VolumeCreateRequest{
		Region:         "nyc3",
		Name:           "data",
		SizeGigaBytes:  5,
		FilesystemType: "ext4",
	})
	require.NoError(t, err)
	w.completed(w.StorageActions.Resize(ctx, volume.ID, 9, "nyc3"))

	snapshot, answer, err := storage.CreateSnapshot(ctx, &godo.SnapshotCreateRequest{
		VolumeID: volume.ID,
		Name:     "kept",
	})
	require.NoError(t, err)
	require.Equal(t, 201, answer.StatusCode)

	all, _, err := w.Snapshots.ListVolume(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, snapshot.ID, all[0].ID)
	require.Equal(t, volume.ID, all[0].ResourceID)
	require.Equal(t, "volume", all[0].ResourceType)
	require.Equal(t, 9, all[0].MinDiskSize)

	twin, _, err := storage.CreateVolume(ctx, &godo.VolumeCreateRequest{
		Name:       "twin",
		SnapshotID: snapshot.ID,
	})
	require.NoError(t, err)
	require.Equal(t, int64(9), twin.SizeGigaBytes)
	require.Equal(t, "ext4", twin.FilesystemType)
	require.Equal(t, "nyc3", twin.Region.Slug)

	_, err = w.Snapshots.Delete(ctx, snapshot.ID)
	require.NoError(t, err)

	_, err = w.Snapshots.Delete(ctx, snapshot.ID)
	refused(t, err, 404, "could not be found")
}

func TestADropletIsMadeWithItsVolumes(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	volume := w.volume("data", "nyc3")

	ask := request("with")
	ask.Volumes = []godo.DropletCreateVolume{{ID: volume.ID}}
	droplet := w.create(ask)
	require.Equal(t, []string{volume.ID}, droplet.VolumeIDs)

	w.destroy(droplet.ID)

	w.eventually("free with its Droplet, and deleted", func() bool {
		_, err := w.Storage.DeleteVolume(ctx, volume.ID)
		return err == nil
	})
}

func (w *world) volume(name, region string) *godo.Volume {
	w.t.Helper()

	volume, _, err := w.Storage.CreateVolume(w.t.Context(), &godo.VolumeCreateRequest{
		Region:        region,
		Name:          name,
		SizeGigaBytes: 1,
	})
	require.NoError(w.t, err)

	return volume
}

func TestAVolumesActionLocksItsDroplet(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet, one, two := w.create(request("db")), w.volume("one", "nyc3"), w.volume("two", "nyc3")
	release := w.volumes.hold()
	action, _, err := w.StorageActions.Attach(ctx, one.ID, droplet.ID)
	require.NoError(t, err)

	got, _, err := w.Droplets.Get(ctx, droplet.ID)
	require.NoError(t, err)
	require.True(t, got.Locked)
	const pending = "Droplet already has a pending event."
	_, _, err = w.StorageActions.Attach(ctx, two.ID, droplet.ID)
	refused(t, err, 422, pending)

	_, _, err = w.StorageActions.Resize(ctx, one.ID, 2, "nyc3")
	refused(t, err, 422, pending)

	_, _, err = w.DropletActions.PowerOff(ctx, droplet.ID)
	refused(t, err, 422, pending)

	_, err = w.Droplets.Delete(ctx, droplet.ID)
	refused(t, err, 422, pending)

	_, err = w.Storage.DeleteVolume(ctx, one.ID)
	refused(t, err, 409, "attached")

	with := request("other")
	with.Volumes = []godo.DropletCreateVolume{{ID: one.ID}}
	_, _, err = w.Droplets.Create(ctx, with)
	refused(t, err, 422, pending)

	go release() // the stop waits for what is under way
	w.stop()
	w.start()
	require.Equal(t, godo.ActionCompleted, w.done(action).Status)

	require.Equal(t,
		[]string{one.ID},
		w.active(droplet.ID).VolumeIDs,
	)

	require.Equal(t, droplet.ID, w.volumes.holder(one.ID))

	w.volumes.breakAttach(errBroken)

	require.Equal(
		t,
		"errored",
		w.did(w.StorageActions.Attach(ctx, two.ID, droplet.ID)).Status,
	)

	require.Equal(t,
		[]string{one.ID},
		w.active(droplet.ID).VolumeIDs,
		"unlocked, and as it was",
	)
}

func TestADropletWhoseVolumesCanNotBeAttachedIsNotMade(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	volume := w.volume("one", "nyc3")
	w.volumes.breakAttach(errBroken)

	with := request("db")
	with.Volumes = []godo.DropletCreateVolume{{ID: volume.ID}}
	droplet, answer, err := w.Droplets.Create(ctx, with)
	require.NoError(t, err)

	require.Equal(t,
		"errored",
		w.done(&godo.Action{ID: answer.Links.Actions[0].ID}).Status,
	)

	_, _, err = w.Droplets.Get(ctx, droplet.ID)
	refused(t, err, 404, "could not be found")
	require.Empty(t, w.machines.ids(), "no machine is left")

	_, err = w.Storage.DeleteVolume(ctx, volume.ID)
	require.NoError(t, err, "the volume is free")
}

func TestVolumeActionsRefused(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet, far, near := w.create(request("db")), w.volume("far", "fra1"), w.volume("near", "nyc3")
	_, _, err := w.StorageActions.Attach(ctx, far.ID, droplet.ID)
	refused(t, err, 422, "same region")

	_, _, err = w.StorageActions.Attach(ctx, near.ID, 1)
	refused(t, err, 422, "not found")

	_, _, err = w.StorageActions.Attach(ctx, "none", droplet.ID)
	refused(t, err, 404, "could not be found")

	status, answer, _ := w.raw("POST", "/v2/volumes/"+near.ID+"/actions", `{"type":"polish"}`)
	require.Equal(t,
		[]any{422, `type must be attach, detach or resize, not "polish"`},
		[]any{status, answer["message"]},
	)

	status, _, _ = w.raw("GET", "/v2/volumes/"+near.ID+"/actions/1", "")
	require.Equal(t, 404, status)

	byName := func(kind string) (int, map[string]any) {
		body := fmt.Sprintf(
			`{"type":%q,"volume_name":"near","region":"nyc3","droplet_id":%d}`,
			kind,
			droplet.ID,
		)

		status, answer, _ := w.raw("POST", "/v2/volumes/actions", body)

		return status, answer
	}

	for _, kind := range []string{"attach", "detach"} {
		status, answer := byName(kind)
		require.Equal(t, 202, status)

		action := answer["action"].(map[string]any)
		require.Equal(t,
			[]any{kind, "volume", "nyc3"},
			[]any{
				action["type"],
				action["resource_type"],
				action["region_slug"],
			},
		)

		w.done(&godo.Action{ID: int(action["id"].(float64))})
	}

	actions, _, err := w.StorageActions.List(ctx, near.ID, nil)
	require.NoError(t, err)

	require.Equal(t,
		[]string{"detach", "attach"},
		[]string{actions[0].Type, actions[1].Type},
		"newest first",
	)

	for n := range 8 {
		volume := w.volume(fmt.Sprintf("v%d", n), "nyc3")
		action, _, err := w.StorageActions.Attach(ctx, volume.ID, droplet.ID)
		if n == 7 {
			refused(t, err, 422, "7 volumes already")
			break
		}

		require.NoError(t, err)
		w.done(action)
		w.active(droplet.ID)
	}
}
