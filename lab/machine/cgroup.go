package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/internal/cgroup"
)

// privateCgroups is where the cgroup v2 hierarchy is mounted on a computer that has it nowhere.
const privateCgroups = sharedFolder + "/cgroup"

// pollInterval is how often a condition is polled that nothing reports.
const pollInterval = 20 * time.Millisecond

// cgroups finds the v2 hierarchy; it is mounted when this computer has not done so.
func cgroups() (string, error) {
	if found, err := cgroup.Hierarchy(); err != nil || found != "" {
		return found, err
	}

	if err := os.MkdirAll(privateCgroups, 0o755); err != nil {
		return "", fmt.Errorf("mount cgroup v2: %w", err)
	}

	if err := unix.Mount("none", privateCgroups, "cgroup2", 0, ""); err != nil {
		return "", fmt.Errorf("mount cgroup v2: %w", err)
	}

	return privateCgroups, nil
}

// labGroup is the cgroup above all of the lab's.
func (h *Host) labGroup() (cgroup.Group, error) {
	root, err := cgroups()
	return cgroup.Group(filepath.Join(root, "hornero", h.Name)), err
}

// group is the cgroup of everything that one station runs, however it forks.
func (h *Host) group(station string) (cgroup.Group, error) {
	lab, err := h.labGroup()
	return cgroup.Group(filepath.Join(string(lab), station)), err
}

// removeGroups removes the lab's cgroup, and what was made for all labs when this was the last.
func (h *Host) removeGroups() error {
	lab, err := h.labGroup()
	if err != nil {
		return err
	}

	if err := errors.Join(lab.Remove(), h.removeOldGroups("")); err != nil {
		return err
	}

	// The folder above is shared by all labs: ENOTEMPTY and EBUSY mean that another lab still runs.
	all := filepath.Dir(string(lab))

	if err := os.Remove(all); err != nil {
		if errors.Is(err, fs.ErrNotExist) ||
			errors.Is(err, syscall.ENOTEMPTY) ||
			errors.Is(err, syscall.EBUSY) {
			return nil
		}

		return fmt.Errorf("remove cgroup: %w", err)
	}

	// A hierarchy that this computer mounted itself is not ours to unmount.
	if filepath.Dir(all) != privateCgroups {
		return nil
	}

	if err := unix.Unmount(privateCgroups, 0); err != nil {
		return fmt.Errorf("unmount cgroup v2: %w", err)
	}

	return errors.Join(
		os.Remove(privateCgroups),
		ignore(os.Remove(filepath.Dir(privateCgroups)), syscall.ENOTEMPTY),
	)
}

// until polls a condition that nothing reports; the error is the context's cause.
func until(ctx context.Context, met func() bool) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()

	for !met() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}

	return nil
}
