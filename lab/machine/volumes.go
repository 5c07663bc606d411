package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hornero/hornero/internal/command"
)

// Volume is a block storage volume: a sparse file, on a loop device while a Droplet has it.
type Volume struct {
	ID         string
	Name       string
	Size       int    // GB
	Filesystem string // ext4, xfs; empty for none
	Label      string
	Snapshot   string // the snapshot that it starts from
}

func (h *Host) volumes() string {
	return filepath.Join(h.State, "volumes")
}

func (h *Host) volume(id string) string {
	return filepath.Join(h.volumes(), id+".volume")
}

func (h *Host) volumeImage(id string) string {
	return filepath.Join(h.volumes(), id+".snapshot")
}

// CreateVolume makes a volume, empty or from a snapshot, with a file system when one is asked for. Nil when it
// is there.
func (h *Host) CreateVolume(ctx context.Context, volume Volume) error {
	path := h.volume(volume.ID)

	if _, err := os.Stat(path); err == nil {
		return nil
	}

	// The volume appears by rename: Create returns nil for one that is there, so that it must be whole.
	temporary := path + ".part"

	if err := errors.Join(
		os.MkdirAll(h.volumes(), 0o700),
		os.RemoveAll(temporary),
	); err != nil {
		return fmt.Errorf("make volume %s: %w", volume.Name, err)
	}

	err := h.fillVolume(ctx, volume, temporary)
	if err == nil {
		err = os.Rename(temporary, path)
	}

	if err != nil {
		return errors.Join(
			fmt.Errorf("make volume %s: %w", volume.Name, err),
			os.RemoveAll(temporary),
		)
	}

	return nil
}

func (h *Host) fillVolume(ctx context.Context, volume Volume, path string) error {
	if volume.Snapshot != "" {
		if err := copySparse(ctx, h.volumeImage(volume.Snapshot), path); err != nil {
			return err
		}
	} else if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}

	if err := os.Truncate(path, int64(volume.Size)<<30); err != nil {
		return err
	}

	// A snapshot brings its own file system, which mkfs would erase.
	if volume.Filesystem == "" || volume.Snapshot != "" {
		return nil
	}

	args := []string{"mkfs." + volume.Filesystem, "-q"}
	if volume.Label != "" {
		args = append(args, "-L", volume.Label)
	}

	_, err := command.Run(ctx, command.Command{Args: append(args, path)})

	return err
}

func copySparse(ctx context.Context, from, to string) error {
	_, err := command.Run(ctx,
		command.Command{Args: []string{"cp", "--reflink=auto", "--sparse=always", from, to}},
	)

	return err
}

// DeleteVolume removes a volume that no Droplet has. Nil when there is none.
func (h *Host) DeleteVolume(ctx context.Context, id string) error {
	if err := h.freeLoop(ctx, id); err != nil {
		return err
	}

	return ignoreMissing(os.Remove(h.volume(id)))
}

// ResizeVolume makes a volume larger, while it is attached, too. Size is in GB.
func (h *Host) ResizeVolume(ctx context.Context, id string, size int) error {
	if err := os.Truncate(
		h.volume(id),
		int64(size)<<30,
	); err != nil {
		return fmt.Errorf("resize volume: %w", err)
	}

	device, err := h.loop(ctx, id)
	if err != nil || device == "" {
		return err
	}

	// The loop device keeps its old size until it is told.
	_, err = command.Run(ctx, command.Command{Args: []string{"losetup", "--set-capacity", device}})

	return err
}

// SnapshotVolume keeps what is on a volume at one moment, and says how many bytes that is: the processes of the
// Droplet that has it (0 for none) stand still meanwhile.
func (h *Host) SnapshotVolume(ctx context.Context, id, snapshot string, droplet int) (int64, error) {
	thaw := func() error { return nil }

	if droplet != 0 {
		defer h.lock(number(droplet))()
	}

	// The Droplet's processes write to the volume: they stand still while it is copied.
	if droplet != 0 && h.Running(droplet) {
		var err error
		if thaw, err = h.hold(droplet); err != nil {
			return 0, err
		}
	}

	path := h.volumeImage(snapshot)
	err := errors.Join(h.copyVolume(ctx, id, path+".part"), thaw())
	if err != nil {
		return 0, errors.Join(
			fmt.Errorf("snapshot volume: %w", err),
			os.RemoveAll(path+".part"),
		)
	}

	if err := os.Rename(path+".part", path); err != nil {
		return 0, fmt.Errorf("snapshot volume: %w", err)
	}

	return diskUsage(path)
}

// copyVolume copies a volume with what file systems on it have only in memory.
func (h *Host) copyVolume(ctx context.Context, id, to string) error {
	device, err := h.loop(ctx, id)
	if err == nil && device != "" {
		// The copy reads the file, which lacks what the kernel still holds for the device.
		_, err = command.Run(ctx,
			command.Command{Args: []string{"blockdev", "--flushbufs", device}},
		)
	}

	if err != nil {
		return err
	}

	return copySparse(ctx, h.volume(id), to)
}

// DeleteVolumeSnapshot removes a snapshot of a volume. Nil when there is none.
func (h *Host) DeleteVolumeSnapshot(id string) error {
	return ignoreMissing(os.Remove(h.volumeImage(id)))
}

// KeepVolumes removes all volumes and snapshots but these, and what was never finished.
func (h *Host) KeepVolumes(ctx context.Context, volumes, snapshots []string) error {
	kept := map[string]bool{}
	for _, id := range volumes {
		kept[h.volume(id)] = true
	}

	for _, id := range snapshots {
		kept[h.volumeImage(id)] = true
	}

	paths, err := filepath.Glob(filepath.Join(h.volumes(), "*"))
	for _, path := range paths {
		if kept[path] {
			continue
		}

		// A file that is removed while a loop device is on it keeps its space until the device goes.
		if id, ok := strings.CutSuffix(filepath.Base(path), ".volume"); ok {
			err = errors.Join(err, h.freeLoop(ctx, id))
		}

		err = errors.Join(err, os.Remove(path))
	}

	return err
}
