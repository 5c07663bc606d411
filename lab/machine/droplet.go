package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

const (
	// bootTimeout is how long a Droplet may take until its PID 1 runs.
	bootTimeout = 30 * time.Second
	// killTimeout is how long killed processes may take to be gone.
	killTimeout = 30 * time.Second
	// askInterval is how often PID 1 is asked again to power off: it ignores the signal while it starts.
	askInterval = 2 * time.Second
)

// Droplet is a machine as it is made.
type Droplet struct {
	ID         int    `json:"id"`
	Hostname   string `json:"hostname"`
	Attachment `json:"attachment"`
	Memory     int      `json:"memory"` // MB
	CPUs       int      `json:"cpus"`
	Disk       int      `json:"disk"`   // GB; 0 means 25
	Layers     []string `json:"layers"` // of its image, the lowest first
	Seed       Seed     `json:"seed"`
}

// Place is where a Droplet is to be found on this computer.
type Place struct {
	Namespace string // for ip netns exec
	PID       int    // the Droplet's PID 1; 0 when it does not run
	Console   string // file
	Root      string // the file system as this computer sees it, through PID 1; empty when it does not run
}

func (h *Host) folder(id int) string {
	return filepath.Join(h.State, "droplets", number(id))
}

// upper is where what a Droplet changes of its image lies: on its own disk, or in the folder itself when a lab
// made it that had no disks.
func (h *Host) upper(id int) string {
	if h.hasSpace(id) {
		return filepath.Join(h.space(id), "upper")
	}

	return filepath.Join(h.folder(id), "upper")
}

func (h *Host) console(id int) string {
	return filepath.Join(h.folder(id), "console.log")
}

// Create makes the Droplet's disk, seed and network. Nothing boots. A Droplet of that number must not exist.
func (h *Host) Create(ctx context.Context, droplet Droplet) error {
	defer h.lock(number(droplet.ID))()

	h.disk.RLock()
	defer h.disk.RUnlock()

	if err := checkDroplet(droplet); err != nil {
		return fmt.Errorf("create Droplet %d: %w", droplet.ID, err)
	}

	if _, err := h.Droplet(droplet.ID); err == nil {
		return fmt.Errorf("create Droplet %d: %w", droplet.ID, fs.ErrExist)
	}

	// droplet.json is what makes it a Droplet: from here on Start completes what a crash leaves out.
	if err := h.saveDroplet(droplet); err != nil {
		return err
	}

	if err := h.freshUpper(droplet); err != nil {
		return err
	}

	return h.attach(number(droplet.ID), droplet.Attachment)
}

// Rebuild gives a Droplet that is off an empty disk above the layers of another image. A crash in its middle
// leaves the old layers or the new ones, and a disk that is either the old one or empty.
func (h *Host) Rebuild(droplet Droplet) error {
	defer h.lock(number(droplet.ID))()

	// Exclusive, because deleteUnused must not see a layer that somebody is about to use.
	h.disk.Lock()
	defer h.disk.Unlock()

	if err := h.changeOff(droplet.ID, func(old *Droplet) { *old = droplet }); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}

	if err := h.freshUpper(droplet); err != nil {
		return err
	}

	// The old image's layers may have had their last user.
	return h.deleteUnused()
}

// Resize gives a Droplet that is off another memory (MB), number of CPUs and disk (GB), which never shrinks.
func (h *Host) Resize(id, memory, cpus, disk int) error {
	defer h.lock(number(id))()

	err := h.changeOff(id, func(droplet *Droplet) {
		droplet.Memory, droplet.CPUs, droplet.Disk = memory, cpus, max(droplet.Disk, disk)
	})
	if err != nil {
		return fmt.Errorf("resize: %w", err)
	}

	droplet, err := h.Droplet(id)
	if err != nil {
		return fmt.Errorf("resize: %w", err)
	}

	return h.ensureSpace(droplet)
}

// changeOff changes what is kept of a Droplet that does not run. Its lock is held.
func (h *Host) changeOff(id int, change func(*Droplet)) error {
	droplet, err := h.Droplet(id)
	if err != nil {
		return err
	}
	if h.Running(id) {
		return fmt.Errorf("Droplet %d: %w", id, ErrRunning)
	}

	change(&droplet)

	if err := checkDroplet(droplet); err != nil {
		return fmt.Errorf("Droplet %d: %w", id, err)
	}

	return h.saveDroplet(droplet)
}

func checkDroplet(droplet Droplet) error {
	if droplet.ID <= 0 || droplet.Hostname == "" || droplet.Memory <= 0 || len(droplet.Layers) == 0 {
		return errors.New("number, host name, memory and image are needed")
	}

	for _, layer := range droplet.Layers {
		if _, err := os.Stat(layer); err != nil {
			return fmt.Errorf("find layer: %w", err)
		}
	}

	return nil
}

func (h *Host) saveDroplet(droplet Droplet) error {
	return writeJSON(filepath.Join(h.folder(droplet.ID), "droplet.json"), droplet)
}

// freshUpper gives the Droplet an empty folder above its layers, with its seed in it. It appears by rename, so that
// it is there in full or not at all.
func (h *Host) freshUpper(droplet Droplet) error {
	if err := h.ensureSpace(droplet); err != nil {
		return err
	}

	upper := h.upper(droplet.ID)
	temporary := upper + ".part"

	if err := errors.Join(
		os.RemoveAll(temporary),
		os.RemoveAll(upper),
		os.Mkdir(temporary, 0o755),
	); err != nil {
		return fmt.Errorf("make the disk of Droplet %d: %w", droplet.ID, err)
	}

	if err := errors.Join(
		writeSeed(temporary, droplet),
		h.writeResolver(temporary, droplet),
	); err != nil {
		return fmt.Errorf("make the disk of Droplet %d: %w", droplet.ID, err)
	}

	if err := os.Rename(temporary, upper); err != nil {
		return fmt.Errorf("make the disk of Droplet %d: %w", droplet.ID, err)
	}

	// The old files gave space back, which a filled disk must not have.
	return h.fillAgain(droplet.ID)
}

// restore brings a Droplet's disk and network to what Create left, after a crash or a Down.
func (h *Host) restore(droplet Droplet) error {
	// Earlier labs listed a layer before they made it: after a crash in between it is not there.
	droplet.Layers = slices.DeleteFunc(slices.Clone(droplet.Layers), func(layer string) bool {
		_, err := os.Stat(layer)
		return errors.Is(err, fs.ErrNotExist) && filepath.Dir(layer) == h.layers()
	})

	if err := h.saveDroplet(droplet); err != nil {
		return err
	}

	if err := h.ensureSpace(droplet); err != nil {
		return err
	}

	// A crash in freshUpper leaves no folder at all: the old one is removed, the new one not yet renamed.
	if _, err := os.Stat(h.upper(droplet.ID)); errors.Is(err, fs.ErrNotExist) {
		if err := h.freshUpper(droplet); err != nil {
			return err
		}
	}

	// of a fault that was lifted while the disk was out of reach
	if err := unlinkClock(h.upper(droplet.ID)); err != nil {
		return err
	}

	return h.attach(number(droplet.ID), droplet.Attachment)
}

// Destroy ends a Droplet and removes its network and disk. Nil when there is none.
func (h *Host) Destroy(ctx context.Context, id int) error {
	if err := h.destroy(ctx, id); err != nil {
		return fmt.Errorf("destroy Droplet %d: %w", id, err)
	}

	h.disk.Lock()
	defer h.disk.Unlock()

	return h.deleteUnused()
}

func (h *Host) destroy(ctx context.Context, id int) error {
	defer h.lock(number(id))()

	// A Droplet without its document is half destroyed: what is left of it is removed below.
	droplet, err := h.Droplet(id)
	if err != nil && !errors.Is(err, ErrNoDroplet) {
		return err
	}

	// Processes end first: they use the network and the disk that are removed next.
	if err := h.powerOff(ctx, id); err != nil {
		return err
	}

	if err := h.detach(number(id), droplet.Attachment); err != nil {
		return err
	}

	// From here on it is no Droplet any more, and the next Up ends what is cut short.
	if err := ignoreMissing(os.Remove(filepath.Join(h.folder(id), "droplet.json"))); err != nil {
		return err
	}

	return errors.Join(
		unmountBelow(h.folder(id)),
		os.RemoveAll(h.folder(id)),
	)
}

// Running tells whether anything of the Droplet runs.
func (h *Host) Running(id int) bool {
	group, err := h.group(number(id))
	return err == nil && group.Populated()
}

// PID returns the number that the Droplet's PID 1 has on this computer. It changes when the guest reboots.
func (h *Host) PID(id int) (int, error) {
	group, err := h.group(number(id))
	if err != nil {
		return 0, err
	}
	if pid, ok := group.Init(1); ok {
		return pid, nil
	}

	return 0, fmt.Errorf("find PID 1 of Droplet %d: %w", id, ErrNotRunning)
}

// Droplet finds a Droplet as it was made; ErrNoDroplet when there is none.
func (h *Host) Droplet(id int) (Droplet, error) {
	var droplet Droplet
	err := readJSON(filepath.Join(h.folder(id), "droplet.json"), &droplet)
	if errors.Is(err, fs.ErrNotExist) {
		return droplet, fmt.Errorf("Droplet %d: %w", id, ErrNoDroplet)
	}

	return droplet, err
}

// Droplets lists the numbers of all Droplets, running or not, in order.
func (h *Host) Droplets() ([]int, error) {
	entries, err := os.ReadDir(filepath.Join(h.State, "droplets"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list Droplets: %w", err)
	}

	var ids []int

	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}

		// A folder without its document is being made or removed.
		if _, err := os.Stat(filepath.Join(h.folder(id), "droplet.json")); err == nil {
			ids = append(ids, id)
		}
	}

	slices.Sort(ids)

	return ids, nil
}

// Place says where a Droplet is to be found on this computer.
func (h *Host) Place(id int) (Place, error) {
	if _, err := h.Droplet(id); err != nil {
		return Place{}, err
	}

	place := Place{
		Namespace: h.Namespace(number(id)),
		Console:   h.console(id),
	}

	if pid, err := h.PID(id); err == nil {
		place.PID, place.Root = pid, fmt.Sprintf("/proc/%d/root", pid)
	}

	return place, nil
}

// Watch calls stopped for each Droplet that ran and does not any more, whoever ended it, until ctx ends.
func (h *Host) Watch(ctx context.Context, stopped func(id int)) {
	ticker := time.NewTicker(10 * pollInterval)
	defer ticker.Stop()

	ran := map[int]bool{}

	for {
		ids, err := h.Droplets()
		if err != nil {
			h.Logger.Warn("Droplets not watched", "err", err)
		}

		for _, id := range ids {
			running := h.Running(id)
			if ran[id] && !running {
				stopped(id)
			}

			ran[id] = running
		}

		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
