package lab

import (
	"context"
	"errors"

	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/lab/machine"
	"github.com/hornero/hornero/lab/state"
)

// hostVolumes keeps the API's volumes on this computer.
type hostVolumes struct {
	host *machine.Host
}

func (v *hostVolumes) Create(ctx context.Context, volume state.Volume, snapshot string) error {
	return v.host.CreateVolume(ctx, machine.Volume{
		ID:         volume.ID,
		Name:       volume.Name,
		Size:       volume.Size,
		Filesystem: volume.FilesystemType,
		Label:      volume.FilesystemLabel,
		Snapshot:   snapshot,
	})
}

func (v *hostVolumes) Delete(ctx context.Context, id string) error {
	return v.host.DeleteVolume(ctx, id)
}

func (v *hostVolumes) Attach(ctx context.Context, volume state.Volume, droplet int) error {
	err := v.host.AttachVolume(ctx, volume.ID, volume.Name, droplet)
	if errors.Is(err, machine.ErrNoDroplet) {
		return errors.Join(api.ErrGone, err)
	}

	return err
}

func (v *hostVolumes) Detach(ctx context.Context, volume state.Volume, droplet int) error {
	return v.host.DetachVolume(ctx, volume.ID, volume.Name, droplet)
}

func (v *hostVolumes) Resize(ctx context.Context, id string, size int) error {
	return v.host.ResizeVolume(ctx, id, size)
}

func (v *hostVolumes) Snapshot(ctx context.Context, volume state.Volume, snapshot string) (int64, error) {
	return v.host.SnapshotVolume(ctx, volume.ID, snapshot, volume.DropletID)
}

func (v *hostVolumes) DeleteSnapshot(_ context.Context, id string) error {
	return v.host.DeleteVolumeSnapshot(id)
}

func (v *hostVolumes) RemoveAllBut(ctx context.Context, volumes, snapshots []string) error {
	return v.host.KeepVolumes(ctx, volumes, snapshots)
}
