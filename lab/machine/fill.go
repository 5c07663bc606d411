package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrDisk says that a Droplet has no disk of its own that could be full.
var ErrDisk = errors.New("the Droplet was made by a lab that gave it no disk of its own: it can't be filled")

// fillFile lies on a Droplet's disk, beside what the Droplet sees, and takes what is free. It takes next to
// nothing of this computer's disk: its blocks are never written.
const fillFile = "fill"

// fillMark is kept of a disk that is filled, so that what was cut short is found again without a look into the
// disk. It is there before the file is, and longer.
type fillMark struct {
	Leave int64 `json:"leave"` // bytes that were left free
	Done  bool  `json:"done"`
}

func (h *Host) fillMark(id int) string {
	return filepath.Join(h.folder(id), "fill.json")
}

// fillOf reads what is kept of a Droplet's disk; false when it is not filled.
func (h *Host) fillOf(id int) (mark fillMark, filled bool, err error) {
	err = readJSON(h.fillMark(id), &mark)
	if errors.Is(err, fs.ErrNotExist) {
		return mark, false, nil
	}

	return mark, err == nil, err
}

// SetFills takes all but that many bytes of what is free on Droplets' disks, and gives back what it took on all
// others. What a guest frees later is its own. ErrDisk when one has no disk of its own.
func (h *Host) SetFills(leaves map[int]int64) error {
	ids, err := h.Droplets()
	for _, id := range ids {
		leave, wanted := leaves[id]
		if problem := h.reconcileFill(id, leave, wanted); problem != nil {
			err = errors.Join(err, fmt.Errorf("fill the disk of Droplet %d: %w", id, problem))
		}
	}

	return err
}

// reconcileFill brings one Droplet's disk to what it is to be.
func (h *Host) reconcileFill(id int, leave int64, wanted bool) error {
	defer h.lock(number(id))()

	// The list of Droplets was read before their locks were taken.
	droplet, err := h.Droplet(id)
	if errors.Is(err, ErrNoDroplet) {
		return nil // it was destroyed meanwhile
	}

	mark, filled, problem := h.fillOf(id)

	if err := errors.Join(err, problem); err != nil {
		return err
	}

	// Only a mark that is done counts: one that is not belongs to a fill that was cut short.
	if wanted == filled && (!wanted || mark == fillMark{leave, true}) {
		return nil
	}

	if !h.hasSpace(id) {
		return ErrDisk
	}

	// The file lies on the Droplet's disk, which Down unmounts.
	if err := h.ensureSpace(droplet); err != nil {
		return err
	}

	if wanted {
		return h.fill(id, leave)
	}

	if err := ignoreMissing(os.Remove(filepath.Join(h.space(id), fillFile))); err != nil {
		return err
	}

	// The mark goes last: after a crash the next call removes the file again.
	return os.Remove(h.fillMark(id))
}

// fillAgain takes what a mounted disk has got free for another reason than the guest's: it grew, or is empty again.
func (h *Host) fillAgain(id int) error {
	mark, filled, err := h.fillOf(id)
	if err != nil || !filled {
		return err
	}

	return h.fill(id, mark.Leave)
}

func (h *Host) fill(id int, leave int64) error {
	// The mark comes before the file: a crash between the two leaves something to find.
	if err := writeJSON(h.fillMark(id), fillMark{leave, false}); err != nil {
		return err
	}

	file, err := os.OpenFile(filepath.Join(h.space(id), fillFile), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()

	if err := errors.Join(takeFree(file, leave), file.Sync()); err != nil {
		return err
	}

	return writeJSON(h.fillMark(id), fillMark{leave, true})
}

// takeFree makes a file of blocks that are all there larger or smaller until that much is free: larger by ever
// smaller parts, for the file system needs some of them to keep books.
func takeFree(file *os.File, leave int64) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}

	size, step := info.Size(), int64(1)<<62

	for {
		var stat unix.Statfs_t

		if err := unix.Fstatfs(int(file.Fd()), &stat); err != nil {
			return fmt.Errorf("ask what is free: %w", err)
		}

		// Too little is free already, and nothing was added yet: the file gives the difference back.
		free := int64(stat.Bavail)*stat.Bsize - leave
		if free < 0 && step == 1<<62 {
			return file.Truncate(max(0, size+free))
		}

		if step = min(step, free/stat.Bsize*stat.Bsize); step < stat.Bsize {
			return nil
		}

		// Allocated and never written: the guest's disk is full, and this computer's hardly used.
		switch err := unix.Fallocate(int(file.Fd()), 0, size, step); {
		case err == nil:
			size += step
		case errors.Is(err, unix.ENOSPC):
			step /= 2
		default:
			return fmt.Errorf("take what is free: %w", err)
		}
	}
}
