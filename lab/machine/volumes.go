package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

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

// diskPrefix is what DigitalOcean's volumes are called in /dev/disk/by-id.
const diskPrefix = "scsi-0DO_Volume_"

// loopMajor is the kernel's number for loop devices (Documentation/admin-guide/devices.txt).
const loopMajor = 7

func (h *Host) volumes() string              { return filepath.Join(h.State, "volumes") }
func (h *Host) volume(id string) string      { return filepath.Join(h.volumes(), id+".volume") }
func (h *Host) volumeImage(id string) string { return filepath.Join(h.volumes(), id+".snapshot") }
func (h *Host) disks(droplet int) string     { return filepath.Join(h.folder(droplet), disksFolder) }

func (h *Host) diskNode(droplet int, name string) string {
	return filepath.Join(h.disks(droplet), diskPrefix+name)
}

// CreateVolume makes a volume, empty or from a snapshot, with a file system when one is asked for. Nil when it is there.
func (h *Host) CreateVolume(ctx context.Context, volume Volume) error {
	path := h.volume(volume.ID)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	temporary := path + ".part"
	if err := errors.Join(os.MkdirAll(h.volumes(), 0o700), os.RemoveAll(temporary)); err != nil {
		return fmt.Errorf("make volume %s: %w", volume.Name, err)
	}
	err := h.fillVolume(ctx, volume, temporary)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("make volume %s: %w", volume.Name, err), os.RemoveAll(temporary))
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
	_, err := command.Run(ctx, command.Command{Args: []string{"cp", "--reflink=auto", "--sparse=always", from, to}})
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
	if err := os.Truncate(h.volume(id), int64(size)<<30); err != nil {
		return fmt.Errorf("resize volume: %w", err)
	}
	device, err := h.loop(ctx, id)
	if err != nil || device == "" {
		return err
	}
	_, err = command.Run(ctx, command.Command{Args: []string{"losetup", "--set-capacity", device}})
	return err
}

// SnapshotVolume keeps what is on a volume now, and says how many bytes that is.
func (h *Host) SnapshotVolume(ctx context.Context, id, snapshot string) (int64, error) {
	if device, err := h.loop(ctx, id); err != nil {
		return 0, err
	} else if device != "" {
		if _, err := command.Run(ctx, command.Command{Args: []string{"blockdev", "--flushbufs", device}}); err != nil {
			return 0, err
		}
	}
	path := h.volumeImage(snapshot)
	if err := copySparse(ctx, h.volume(id), path+".part"); err != nil {
		return 0, errors.Join(fmt.Errorf("snapshot volume: %w", err), os.RemoveAll(path+".part"))
	}
	if err := os.Rename(path+".part", path); err != nil {
		return 0, fmt.Errorf("snapshot volume: %w", err)
	}
	return diskUsage(path)
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
		if id, ok := strings.CutSuffix(filepath.Base(path), ".volume"); ok {
			err = errors.Join(err, h.freeLoop(ctx, id))
		}
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// AttachVolume gives a Droplet the volume as a disk, under the name that DigitalOcean's have. Nil when it has it. The node
// lies in a folder that the Droplet sees as its /dev/disk/by-id, so that it is there after each boot.
func (h *Host) AttachVolume(ctx context.Context, id, name string, droplet int) error {
	defer h.lock(number(droplet))()
	device, err := h.loop(ctx, id)
	if err == nil && device == "" {
		device, err = command.Run(ctx, command.Command{Args: []string{"losetup", "--find", "--show", h.volume(id)}})
	}
	if err != nil {
		return fmt.Errorf("attach volume %s: %w", name, err)
	}
	minor, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(device), "/dev/loop"), 10, 32)
	if err != nil {
		return fmt.Errorf("attach volume %s: read the number of %q: %w", name, device, err)
	}
	node := h.diskNode(droplet, name)
	if err := errors.Join(os.MkdirAll(h.disks(droplet), 0o755), ignoreMissing(os.Remove(node))); err != nil {
		return fmt.Errorf("attach volume %s: %w", name, err)
	}
	if err := unix.Mknod(node, unix.S_IFBLK|0o660, int(unix.Mkdev(loopMajor, uint32(minor)))); err != nil {
		return fmt.Errorf("attach volume %s: make node: %w", name, err)
	}
	return nil
}

// DetachVolume takes the volume away from a Droplet. The kernel frees its device when nothing has it mounted any more.
func (h *Host) DetachVolume(ctx context.Context, id, name string, droplet int) error {
	defer h.lock(number(droplet))()
	if err := ignoreMissing(os.Remove(h.diskNode(droplet, name))); err != nil {
		return fmt.Errorf("detach volume %s: %w", name, err)
	}
	return h.freeLoop(ctx, id)
}

// loop finds the loop device that a volume is on; empty when it is on none.
func (h *Host) loop(ctx context.Context, id string) (string, error) {
	if _, err := os.Stat(h.volume(id)); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	found, err := command.Run(ctx, command.Command{Args: []string{"losetup", "--associated", h.volume(id), "--noheadings", "--output", "NAME"}})
	device, _, _ := strings.Cut(strings.TrimSpace(found), "\n")
	return device, err
}

func (h *Host) freeLoop(ctx context.Context, id string) error {
	device, err := h.loop(ctx, id)
	if err != nil || device == "" {
		return err
	}
	_, err = command.Run(ctx, command.Command{Args: []string{"losetup", "--detach", device}})
	return err
}

// freeLoops frees the loop devices of all volumes. No Droplet runs any more.
func (h *Host) freeLoops(ctx context.Context) error {
	paths, err := filepath.Glob(h.volume("*"))
	for _, path := range paths {
		err = errors.Join(err, h.freeLoop(ctx, strings.TrimSuffix(filepath.Base(path), ".volume")))
	}
	return err
}
