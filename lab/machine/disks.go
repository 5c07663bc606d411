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

// diskPrefix is what DigitalOcean's volumes are called in /dev/disk/by-id.
const diskPrefix = "scsi-0DO_Volume_"

// loopMajor is the kernel's number for loop devices (Documentation/admin-guide/devices.txt).
const loopMajor = 7

func (h *Host) disks(droplet int) string {
	return filepath.Join(h.folder(droplet), disksFolder)
}

func (h *Host) diskNode(droplet int, name string) string {
	return filepath.Join(h.disks(droplet), diskPrefix+name)
}

// AttachVolume gives a Droplet the volume as a disk, under the name that DigitalOcean's have. Nil when it has it;
// ErrNoDroplet when there is no such Droplet. The node lies in a folder that the Droplet sees as its
// /dev/disk/by-id, so that it is there after each boot.
func (h *Host) AttachVolume(ctx context.Context, id, name string, droplet int) error {
	defer h.lock(number(droplet))()

	_, err := h.Droplet(droplet)
	if err != nil {
		return fmt.Errorf("attach volume %s: %w", name, err)
	}

	// A volume may be on its loop device already: a second device on one file would spoil it.
	device, err := h.loop(ctx, id)
	if err == nil && device == "" {
		device, err = command.Run(ctx,
			command.Command{Args: []string{
				"losetup",
				"--find",
				"--show",
				h.volume(id),
			}},
		)
	}

	if err != nil {
		return fmt.Errorf("attach volume %s: %w", name, err)
	}

	minor, err := loopNumber(device)
	if err != nil {
		return fmt.Errorf("attach volume %s: %w", name, err)
	}

	if err := makeNode(
		h.diskNode(droplet, name),
		unix.Mkdev(loopMajor, minor),
	); err != nil {
		return fmt.Errorf("attach volume %s: %w", name, err)
	}

	return nil
}

func loopNumber(device string) (uint32, error) {
	minor, err := strconv.ParseUint(
		strings.TrimPrefix(strings.TrimSpace(device), "/dev/loop"),
		10,
		32,
	)
	if err != nil {
		return 0, fmt.Errorf("read the number of loop device %q: %w", device, err)
	}

	return uint32(minor), nil
}

// makeNode makes a block device's node. One that is right stays, so that a Droplet that runs does not miss it
// for an instant.
func makeNode(path string, device uint64) error {
	var there unix.Stat_t
	err := unix.Lstat(path, &there)
	isBlock := there.Mode&unix.S_IFMT == unix.S_IFBLK

	if err == nil && isBlock && there.Rdev == device {
		return nil
	}

	// Mknod fails on a path that exists: the node of another device goes first.
	if err := errors.Join(
		os.MkdirAll(filepath.Dir(path), 0o755),
		ignoreMissing(os.Remove(path)),
	); err != nil {
		return err
	}

	if err := unix.Mknod(path, unix.S_IFBLK|0o660, int(device)); err != nil {
		return fmt.Errorf("make node %s: %w", path, err)
	}

	return nil
}

// DetachVolume takes the volume away from a Droplet, one that is mounted, too: its file systems answer with I/O
// errors from then on, as when a disk is pulled, and the Droplet no longer sees them. Droplet 0 is for a volume
// that no Droplet has.
func (h *Host) DetachVolume(ctx context.Context, id, name string, droplet int) error {
	defer h.lock(number(droplet))()

	// The node goes first, so that the guest opens nothing new on the volume meanwhile.
	if err := ignoreMissing(os.Remove(h.diskNode(droplet, name))); err != nil {
		return fmt.Errorf("detach volume %s: %w", name, err)
	}

	device, err := h.loop(ctx, id)
	if err != nil || device == "" {
		return err
	}

	// The node alone does not unmount anything: the guest would go on writing to a volume that was detached.
	if pid, err := h.PID(droplet); err == nil {
		if err := pull(pid, device); err != nil {
			return fmt.Errorf("detach volume %s: %w", name, err)
		}
	}

	return h.freeLoop(ctx, id)
}

// pull ends the file systems of a device that the guest of a PID 1 has mounted.
func pull(pid int, device string) error {
	minor, err := loopNumber(device)
	if err != nil {
		return err
	}

	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return ignoreMissing(err) // it ended
	}

	points := mountPoints(
		string(mounts),
		fmt.Sprintf("%d:%d", loopMajor, minor),
	)
	if len(points) == 0 {
		return nil
	}

	// A guest that ended meanwhile took its mounts with it.
	guest, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	if err != nil {
		return ignoreMissing(err)
	}
	defer guest.Close()

	// Setns to a mount namespace is refused to a thread that shares its file system state with others.
	return onThread(func() error {
		if err := errors.Join(
			unix.Unshare(unix.CLONE_FS),
			unix.Setns(int(guest.Fd()), unix.CLONE_NEWNS),
		); err != nil {
			return fmt.Errorf("enter the guest's mounts: %w", err)
		}

		var problems []error

		for _, point := range points {
			// Only the top mount can be reached by a path.
			var seen unix.Stat_t
			if unix.Stat(point, &seen) != nil || seen.Dev != unix.Mkdev(loopMajor, minor) {
				continue // something else is mounted above it
			}

			// Shutting down comes first: a lazy unmount alone leaves files that are open usable.
			problems = append(
				problems,
				shutDown(point),
				unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW),
			)
		}

		return errors.Join(problems...)
	})
}

// mountPoints finds where a device, as major:minor, is mounted; the last one mounted first.
func mountPoints(mountinfo, device string) []string {
	var points []string
	for line := range strings.Lines(mountinfo) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[2] == device {
			points = append([]string{unescapeMount(fields[4])}, points...)
		}
	}

	return points
}

const (
	// shutdownRequest is EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN, which are one.
	shutdownRequest = 0x8004587d
	// shutdownNow leaves what is in memory unwritten.
	shutdownNow = 2
)

// shutDown makes a file system answer everything with an I/O error. A file system that does not know
// the request stays usable for processes that have files open in it.
func shutDown(point string) error {
	folder, err := os.Open(point)
	if err != nil {
		return ignoreMissing(err)
	}
	defer folder.Close()

	err = unix.IoctlSetPointerInt(int(folder.Fd()), shutdownRequest, shutdownNow)
	// it does not know it; it is shut down
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EIO) {
		return nil
	}

	return err
}

// loop finds the loop device that a volume is on; empty when it is on none. A device that goes as soon as
// nobody has it open any more is one that the volume was detached from.
func (h *Host) loop(ctx context.Context, id string) (string, error) {
	if _, err := os.Stat(h.volume(id)); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}

	found, err := command.Run(ctx,
		command.Command{Args: []string{
			"losetup",
			"--associated",
			h.volume(id),
			"--noheadings",
			"--raw",
			"--output",
			"NAME,AUTOCLEAR",
		}},
	)

	for line := range strings.Lines(found) {
		// A detached device that is still mounted waits with AUTOCLEAR set; it is not used again.
		if fields := strings.Fields(line); len(fields) == 2 && fields[1] == "0" {
			return fields[0], err
		}
	}

	return "", err
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
