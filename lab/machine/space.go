package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/internal/command"
)

// A Droplet's own disk is a sparse file with ext4 in it, as large as its size says. It is mounted here, where the lab can
// reach it while the Droplet is off, and in the Droplet's mount namespace; what a Droplet changes of its image lies in it.
const (
	diskFile   = "disk.ext4"
	diskFolder = "disk"
	fillFile   = "fill" // beside what the Droplet sees; takes what is free while a fault wants the disk full
)

// defaultDisk is the disk of a Droplet that says nothing of it, in GB.
const defaultDisk = 25

func (h *Host) space(id int) string { return filepath.Join(h.folder(id), diskFolder) }

// ensureSpace makes a Droplet's disk, or finds it, and mounts it. The file appears by rename, so that it is whole or not there.
func (h *Host) ensureSpace(droplet Droplet) error {
	if _, err := os.Stat(filepath.Join(h.folder(droplet.ID), "upper")); err == nil {
		return nil // of a lab that had no disks: its changes lie in the folder itself
	}
	if err := h.makeSpace(droplet); err != nil {
		return fmt.Errorf("make the disk of Droplet %d: %w", droplet.ID, err)
	}
	mounts, err := mountsBelow(h.space(droplet.ID))
	if err != nil || len(mounts) > 0 {
		return err
	}
	if err := os.MkdirAll(h.space(droplet.ID), 0o755); err != nil {
		return fmt.Errorf("mount the disk of Droplet %d: %w", droplet.ID, err)
	}
	args := []string{"mount", "--types", "ext4", "--options", "loop,noatime", filepath.Join(h.folder(droplet.ID), diskFile), h.space(droplet.ID)}
	if _, err := command.Run(context.Background(), command.Command{Args: args}); err != nil {
		return fmt.Errorf("mount the disk of Droplet %d: %w", droplet.ID, err)
	}
	return nil
}

func (h *Host) makeSpace(droplet Droplet) error {
	path := filepath.Join(h.folder(droplet.ID), diskFile)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	temporary := path + ".part"
	if err := os.WriteFile(temporary, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(temporary, droplet.diskBytes()); err != nil {
		return err
	}
	// Nothing is reserved for root: a full disk is full for everybody.
	args := []string{"mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", temporary}
	if _, err := command.Run(context.Background(), command.Command{Args: args}); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

func (d Droplet) diskBytes() int64 {
	if d.Disk == 0 {
		return defaultDisk << 30
	}
	return int64(d.Disk) << 30
}

// releaseSpace takes a Droplet's disk off this computer's mounts; its loop device goes with it.
func (h *Host) releaseSpace(id int) error { return unmountBelow(h.space(id)) }

// growSpace makes the disk of a Droplet that is off as large as it now is.
func (h *Host) growSpace(ctx context.Context, droplet Droplet) error {
	path := filepath.Join(h.folder(droplet.ID), diskFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() >= droplet.diskBytes() {
		return nil
	}
	if err := errors.Join(err, h.releaseSpace(droplet.ID)); err != nil {
		return err
	}
	for _, step := range [][]string{{"e2fsck", "-f", "-p", path}, {"truncate", "--size", fmt.Sprint(droplet.diskBytes()), path}, {"resize2fs", path}} {
		var failed *command.Error
		if _, err := command.Run(ctx, command.Command{Args: step}); err != nil && (!errors.As(err, &failed) || step[0] != "e2fsck" || failed.ExitCode > 1) {
			return fmt.Errorf("grow the disk of Droplet %d: %w", droplet.ID, err)
		}
	}
	return nil
}

// Fill takes all that is free on a Droplet's disk. It takes next to nothing of this computer's: the blocks are never written.
func (h *Host) Fill(id int) error {
	defer h.lock(number(id))()
	droplet, err := h.Droplet(id)
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	if err := h.ensureSpace(droplet); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(h.space(id), fillFile), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("fill the disk of Droplet %d: %w", id, err)
	}
	defer file.Close()
	if err := fill(file); err != nil {
		return fmt.Errorf("fill the disk of Droplet %d: %w", id, err)
	}
	return nil
}

// fill makes a file larger by what is free, and by ever smaller parts of it: the file system needs some of it to keep books.
func fill(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	size, step := info.Size(), int64(1)<<62
	for {
		var stat unix.Statfs_t
		if err := unix.Fstatfs(int(file.Fd()), &stat); err != nil {
			return err
		}
		step = min(step, int64(stat.Bavail)*stat.Bsize)
		if step < stat.Bsize {
			return nil
		}
		switch err := unix.Fallocate(int(file.Fd()), 0, size, step); {
		case err == nil:
			size += step
		case errors.Is(err, unix.ENOSPC):
			step /= 2
		default:
			return err
		}
	}
}

// Empty gives back what Fill took; nil when it took nothing.
func (h *Host) Empty(id int) error {
	defer h.lock(number(id))()
	droplet, err := h.Droplet(id)
	if err != nil {
		return fmt.Errorf("empty the disk: %w", err)
	}
	if err := h.ensureSpace(droplet); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(h.space(id), fillFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("empty the disk of Droplet %d: %w", id, err)
	}
	return nil
}

// mountsBelow lists where something is mounted at a folder or below it, the last first.
func mountsBelow(folder string) ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	found := []string{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) > 4 && (fields[4] == folder || strings.HasPrefix(fields[4], folder+"/")) {
			found = append([]string{fields[4]}, found...)
		}
	}
	return found, nil
}

// forgetDisks takes the disks of other Droplets, of any lab, out of this process' own mount namespace: one that is still seen
// from here could not be let go of.
func forgetDisks(own string) error {
	mounts, err := mountsBelow("")
	if err != nil {
		return err
	}
	for _, mount := range mounts {
		if mount == own || !isSpace.MatchString(mount) {
			continue
		}
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("forget the disk %s: %w", mount, err)
		}
	}
	return nil
}

var isSpace = regexp.MustCompile(`/droplets/[0-9]+/` + diskFolder + `$`)

// unmountBelow unmounts everything at a folder and below it. What is still used goes when its last user does.
func unmountBelow(folder string) error {
	mounts, err := mountsBelow(folder)
	if err != nil {
		return err
	}
	for _, mount := range mounts {
		if err := unix.Unmount(mount, 0); err == nil {
			continue
		}
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("unmount %s: %w", mount, err)
		}
	}
	return nil
}
