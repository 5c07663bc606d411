package api_test

import (
	"context"
	"fmt"
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
	broken    error         // of Attach
}

func newVolumes() *volumes {
	return &volumes{
		holders:   map[string]int{},
		snapshots: map[string]bool{},
	}
}

func (v *volumes) set(id string, droplet int) error {
	v.mutex.Lock()
	gate := v.gate
	v.mutex.Unlock()

	if gate != nil {
		<-gate
	}

	v.mutex.Lock()
	defer v.mutex.Unlock()

	if droplet != 0 && v.broken != nil {
		return v.broken
	}

	v.holders[id] = droplet

	return nil
}

// hold keeps what is done to volumes from its end.
func (v *volumes) hold() (release func()) {
	v.mutex.Lock()
	defer v.mutex.Unlock()

	gate := make(chan struct{})
	v.gate = gate

	return sync.OnceFunc(func() {
		v.mutex.Lock()
		v.gate = nil
		v.mutex.Unlock()
		close(gate)
	})
}

func (v *volumes) breakAttach(err error) {
	v.mutex.Lock()
	defer v.mutex.Unlock()

	v.broken = err
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

func (v *volumes) Resize(context.Context, string, int) error {
	return nil
}

func (v *volumes) Snapshot(_ context.Context, _ state.Volume, snapshot string) (int64, error) {
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

	maps.DeleteFunc(v.holders, func(id string, _ int) bool {
		return !slices.Contains(volumes, id)
	})
	maps.DeleteFunc(v.snapshots, func(id string, _ bool) bool {
		return !slices.Contains(snapshots, id)
	})

	return nil
}

func TestVolumes(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("db"))

	volume, answer, err := w.client.Storage.CreateVolume(ctx, &godo.VolumeCreateRequest{
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

	for why, sent := range map[string]*godo.VolumeCreateRequest{
		"region": {
			Region:        "mars1",
			Name:          "a",
			SizeGigaBytes: 1,
		},
		"volume name": {
			Region:        "nyc3",
			Name:          "No",
			SizeGigaBytes: 1,
		},
		"volume size": {Region: "nyc3", Name: "a"},
		"filesystem type": {
			Region:         "nyc3",
			Name:           "a",
			SizeGigaBytes:  1,
			FilesystemType: "zfs",
		},
		"too long": {
			Region:          "nyc3",
			Name:            "a",
			SizeGigaBytes:   1,
			FilesystemType:  "xfs",
			FilesystemLabel: "thirteen-char",
		},
		"snapshot_id": {Name: "a", SnapshotID: "none"},
	} {
		_, _, err := w.client.Storage.CreateVolume(ctx, sent)
		refused(t, err, 422, why)
	}

	_, _, err = w.client.Storage.CreateVolume(ctx, &godo.VolumeCreateRequest{
		Region:        "nyc3",
		Name:          "data",
		SizeGigaBytes: 5,
	})
	refused(t, err, 409, "exists already")

	work := func(action *godo.Action, answer *godo.Response, err error) {
		t.Helper()
		require.NoError(t, err)
		require.Equal(t, 202, answer.StatusCode)
		require.Equal(t, "completed", w.done(action).Status)
	}
	work(w.client.StorageActions.Attach(ctx, volume.ID, droplet.ID))
	require.Equal(t, droplet.ID, w.volumes.holder(volume.ID))

	require.Equal(t,
		[]string{volume.ID},
		w.active(droplet.ID).VolumeIDs,
	)

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

	require.Equal(t,
		[]string{snapshot.ID, volume.ID, "volume"},
		[]string{all[0].ID, all[0].ResourceID, all[0].ResourceType},
	)

	require.Equal(t, 9, all[0].MinDiskSize)

	twin, _, err := w.client.Storage.CreateVolume(ctx, &godo.VolumeCreateRequest{Name: "twin", SnapshotID: snapshot.ID})
	require.NoError(t, err)

	require.Equal(t,
		[]any{int64(9), "ext4", "nyc3"},
		[]any{twin.SizeGigaBytes, twin.FilesystemType, twin.Region.Slug},
	)

	_, err = w.client.Snapshots.Delete(ctx, snapshot.ID)
	require.NoError(t, err)

	_, err = w.client.Snapshots.Delete(ctx, snapshot.ID)
	refused(t, err, 404, "could not be found")

	second, _, err := w.client.Droplets.Create(ctx, &godo.DropletCreateRequest{
		Name:    "with",
		Region:  "nyc3",
		Size:    "s-1vcpu-1gb",
		Image:   godo.DropletCreateImage{Slug: "debian-13-x64"},
		Volumes: []godo.DropletCreateVolume{{ID: twin.ID}},
	})
	require.NoError(t, err)

	require.Equal(t,
		[]string{twin.ID},
		w.active(second.ID).VolumeIDs,
	)

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

func (w *world) volume(name, region string) *godo.Volume {
	w.t.Helper()

	volume, _, err := w.client.Storage.CreateVolume(w.t.Context(), &godo.VolumeCreateRequest{
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
	action, _, err := w.client.StorageActions.Attach(ctx, one.ID, droplet.ID)
	require.NoError(t, err)

	got, _, err := w.client.Droplets.Get(ctx, droplet.ID)
	require.NoError(t, err)
	require.True(t, got.Locked)
	const pending = "Droplet already has a pending event."
	_, _, err = w.client.StorageActions.Attach(ctx, two.ID, droplet.ID)
	refused(t, err, 422, pending)

	_, _, err = w.client.StorageActions.Resize(ctx, one.ID, 2, "nyc3")
	refused(t, err, 422, pending)

	_, _, err = w.client.DropletActions.PowerOff(ctx, droplet.ID)
	refused(t, err, 422, pending)

	_, err = w.client.Droplets.Delete(ctx, droplet.ID)
	refused(t, err, 422, pending)

	_, err = w.client.Storage.DeleteVolume(ctx, one.ID)
	refused(t, err, 409, "attached")

	with := request("other")
	with.Volumes = []godo.DropletCreateVolume{{ID: one.ID}}
	_, _, err = w.client.Droplets.Create(ctx, with)
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

	action, _, err = w.client.StorageActions.Attach(ctx, two.ID, droplet.ID)
	require.NoError(t, err)
	require.Equal(t, "errored", w.done(action).Status)

	require.Equal(t,
		[]string{one.ID},
		w.active(droplet.ID).VolumeIDs,
		"unlocked, and as it was",
	)
}

func TestADropletWhoseVolumesCanNotBeAttachedIsNotMade(t *testing.T) {
	w := newWorld(t)
	volume := w.volume("one", "nyc3")
	w.volumes.breakAttach(errBroken)

	with := request("db")
	with.Volumes = []godo.DropletCreateVolume{{ID: volume.ID}}
	droplet, answer, err := w.client.Droplets.Create(t.Context(), with)
	require.NoError(t, err)

	require.Equal(t,
		"errored",
		w.done(&godo.Action{ID: answer.Links.Actions[0].ID}).Status,
	)

	_, _, err = w.client.Droplets.Get(t.Context(), droplet.ID)
	refused(t, err, 404, "could not be found")
	require.Empty(t, w.machines.ids(), "no machine is left")

	_, err = w.client.Storage.DeleteVolume(t.Context(), volume.ID)
	require.NoError(t, err, "the volume is free")
}

func TestVolumeActionsRefused(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet, far, near := w.create(request("db")), w.volume("far", "fra1"), w.volume("near", "nyc3")
	_, _, err := w.client.StorageActions.Attach(ctx, far.ID, droplet.ID)
	refused(t, err, 422, "same region")

	_, _, err = w.client.StorageActions.Attach(ctx, near.ID, 1)
	refused(t, err, 422, "not found")

	_, _, err = w.client.StorageActions.Attach(ctx, "none", droplet.ID)
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

	actions, _, err := w.client.StorageActions.List(ctx, near.ID, nil)
	require.NoError(t, err)

	require.Equal(t,
		[]string{"detach", "attach"},
		[]string{actions[0].Type, actions[1].Type},
		"newest first",
	)

	for n := range 8 {
		volume := w.volume(fmt.Sprintf("v%d", n), "nyc3")
		action, _, err := w.client.StorageActions.Attach(ctx, volume.ID, droplet.ID)
		if n == 7 {
			refused(t, err, 422, "7 volumes already")
			break
		}

		require.NoError(t, err)
		w.done(action)
		w.active(droplet.ID)
	}
}
