package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/file"
)

// A Droplet's own disk is a sparse file with ext4 in it, as large as its size says. It is mounted here, where
// the lab can reach it while the Droplet is off, and in the Droplet's mount namespace; what a Droplet changes
// of its image lies in it.
const (
	diskFile   = "disk.ext4"
	diskFolder = "disk"
)

// defaultDisk is the disk of a Droplet that says nothing of it, in GB.
const defaultDisk = 25

func (h *Host) space(id int) string {
	return filepath.Join(h.folder(id), diskFolder)
}

func (h *Host) spaceFile(id int) string {
	return filepath.Join(h.folder(id), diskFile)
}

// hasSpace tells whether a Droplet has a disk of its own: one of a lab that made none has its changes in its
// folder itself.
func (h *Host) hasSpace(id int) bool {
	return !exists(filepath.Join(h.folder(id), "upper"))
}

// ensureSpace makes a Droplet's disk, or finds it, makes it as large as it is to be, and mounts it.
func (h *Host) ensureSpace(droplet Droplet) error {
	if !h.hasSpace(droplet.ID) {
		return nil
	}

	// Growing unmounts the disk, so that it waits until the Droplet is off.
	err := h.makeSpace(droplet)
	if err == nil && !h.Running(droplet.ID) {
		err = h.growSpace(droplet)
	}

	if err == nil {
		err = h.mountSpace(droplet.ID)
	}

	if err == nil {
		err = h.endGrowth(droplet.ID)
	}

	if err != nil {
		return fmt.Errorf("make the disk of Droplet %d: %w", droplet.ID, err)
	}

	return nil
}

// mountSpace mounts a Droplet's disk unless it is. What the guest deletes is given back to this computer. The
// loop device goes with the last mount, and mount(8) takes the one that is there while anybody still sees an
// earlier mount: two on one file would spoil it.
func (h *Host) mountSpace(id int) error {
	mounts, err := mountsBelow(h.space(id))
	if err != nil || len(mounts) > 0 {
		return err
	}

	if err := os.MkdirAll(h.space(id), 0o755); err != nil {
		return err
	}

	args := []string{
		"mount",
		"--types",
		"ext4",
		"--options",
		"loop,noatime,discard",
		h.spaceFile(id),
		h.space(id),
	}

	if _, err := command.Run(context.Background(), command.Command{Args: args}); err != nil {
		return err
	}

	return h.goDirect(id)
}

// goDirect keeps what the guest has in memory from being there a second time for the disk's file, where this
// computer's file system can do that.
func (h *Host) goDirect(id int) error {
	device, err := h.spaceDevice(id)
	if err != nil {
		return err
	}

	loop, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer loop.Close()

	// EINVAL: the file system that holds the sparse file has no direct I/O.
	err = unix.IoctlSetInt(int(loop.Fd()), unix.LOOP_SET_DIRECT_IO, 1)
	if err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("write past the cache: %w", err)
	}

	return nil
}

// spaceDevice is the loop device that a mounted disk is on.
func (h *Host) spaceDevice(id int) (string, error) {
	var folder unix.Stat_t

	if err := unix.Stat(h.space(id), &folder); err != nil {
		return "", fmt.Errorf("find the loop device: %w", err)
	}
	if unix.Major(folder.Dev) != loopMajor {
		return "", fmt.Errorf("find the loop device: %s is not on one", h.space(id))
	}

	return fmt.Sprintf("/dev/loop%d", unix.Minor(folder.Dev)), nil
}

// makeSpace makes the disk's file. It appears by rename, when mkfs has synced it, so that it is whole or not there.
func (h *Host) makeSpace(droplet Droplet) error {
	path := h.spaceFile(droplet.ID)

	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	// nobody else's: mkfs may outlive a lab
	temporary, err := os.CreateTemp(h.folder(droplet.ID), diskFile+".part")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())

	if err := errors.Join(temporary.Truncate(droplet.diskBytes()), temporary.Close()); err != nil {
		return err
	}

	// Nothing is reserved for root: a full disk is full for everybody.
	args := []string{
		"mkfs.ext4",
		"-q",
		"-F",
		"-m",
		"0",
		"-E",
		"lazy_itable_init=1,lazy_journal_init=1,nodiscard",
		temporary.Name(),
	}

	if _, err := command.Run(context.Background(), command.Command{Args: args}); err != nil {
		return err
	}

	return os.Rename(temporary.Name(), path)
}

func (d Droplet) diskBytes() int64 {
	if d.Disk == 0 {
		return defaultDisk << 30
	}

	return int64(d.Disk) << 30
}

// grower grows a disk's file under a lock that outlives the lab: a lab that starts meanwhile waits for it, and
// does it again. File systems are not grown while they are mounted because that takes a right that root does
// not have in every container.
const grower = `truncate --size "$2" "$1" && { e2fsck -f -y "$1" || [ $? -eq 1 ]; } && resize2fs "$1"`

// loopTimeout is how long a loop device may take to be gone after its last mount is.
const loopTimeout = 10 * time.Second

func (h *Host) growMark(id int) string {
	return h.spaceFile(id) + ".grows"
}

// growSpace makes the disk of a Droplet that is off as large as it says. A mark, which stays until the disk is
// mounted again, lets the next one who looks end what was cut short.
func (h *Host) growSpace(droplet Droplet) error {
	path, mark := h.spaceFile(droplet.ID), h.growMark(droplet.ID)

	// A disk that is large enough may still be half grown: then the mark is there.
	info, err := os.Stat(path)
	if err != nil || info.Size() >= droplet.diskBytes() && !exists(mark) {
		return err
	}

	// The mark is the file that flock takes, too: a process that still grows the disk holds it.
	if _, err := file.Write(mark, nil, file.Options{}); err != nil {
		return err
	}

	if err := unmountBelow(h.space(droplet.ID)); err != nil {
		return err
	}

	// Other Droplets' mount namespaces may still see the disk for a moment after the unmount.
	if err := h.awaitUnused(path); err != nil {
		return err
	}

	// A disk never shrinks: after an interrupted growth the file may be larger than the Droplet says.
	size := max(info.Size(), droplet.diskBytes())
	_, err = command.Run(
		context.Background(),
		command.Command{Args: []string{
			"flock",
			mark,
			"sh",
			"-c",
			grower,
			"sh",
			path,
			fmt.Sprint(size),
		}},
	)

	return err
}

// awaitUnused waits until a file is on no loop device: nobody sees it mounted any more then.
func (h *Host) awaitUnused(path string) error {
	ctx, cancel := context.WithTimeoutCause(
		context.Background(),
		loopTimeout,
		fmt.Errorf("%s is still in use", path),
	)
	defer cancel()

	var problem error

	return errors.Join(until(ctx, func() bool {
		var devices string
		devices, problem = command.Run(ctx,
			command.Command{Args: []string{
				"losetup", "--noheadings", "--output", "NAME", "--associated", path,
			}},
		)

		return problem == nil && strings.TrimSpace(devices) == ""
	}), problem)
}

// endGrowth fills what a filled disk has got more of, and takes the mark away.
func (h *Host) endGrowth(id int) error {
	if !exists(h.growMark(id)) {
		return nil
	}

	return errors.Join(
		h.fillAgain(id),
		os.Remove(h.growMark(id)),
	)
}
