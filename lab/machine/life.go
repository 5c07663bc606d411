package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Up makes the lab's fabric. What is there stays as it is, Droplets that run included.
func (h *Host) Up(ctx context.Context) error {
	// The range is claimed first: if something else uses it nothing must have been made.
	if err := h.Claim(ctx); err != nil {
		return fmt.Errorf("lab %s: %w", h.Name, err)
	}

	if err := os.MkdirAll(h.State, 0o755); err != nil {
		return fmt.Errorf("lab %s: %w", h.Name, err)
	}

	if err := h.raiseLimits(ctx); err != nil {
		return fmt.Errorf("lab %s: %w", h.Name, err)
	}

	h.net.Lock()
	defer h.net.Unlock()

	// Cables that a killed lab left loose can be put back only once the fabric is there.
	if err := errors.Join(
		h.makeFabric(),
		h.restoreDelays(),
		h.sweep(),
		os.RemoveAll(h.imports()),
		h.releaseAll(),
	); err != nil {
		return fmt.Errorf("lab %s: %w", h.Name, err)
	}

	return nil
}

// sweep removes the folders of Droplets whose making or removing was cut short.
func (h *Host) sweep() error {
	entries, err := os.ReadDir(filepath.Join(h.State, "droplets"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list Droplets: %w", err)
	}

	for _, entry := range entries {
		folder := filepath.Join(h.State, "droplets", entry.Name())

		// The document is written first and removed first: without it nothing else counts.
		_, err := os.Stat(filepath.Join(folder, "droplet.json"))
		if !errors.Is(err, fs.ErrNotExist) {
			continue
		}

		if err := errors.Join(unmountBelow(folder), os.RemoveAll(folder)); err != nil {
			return fmt.Errorf("remove %s: %w", folder, err)
		}
	}

	return nil
}

// releaseAll lets the Droplets go on that were being copied when the lab was killed.
func (h *Host) releaseAll() error {
	ids, err := h.Droplets()
	if err != nil {
		return err
	}

	for _, id := range ids {
		if err := h.release(id); err != nil {
			return err
		}
	}

	return nil
}

// Down ends all that the lab runs and removes every process, namespace, route and cgroup of it. Files stay: Start
// boots the Droplets again after the next Up.
func (h *Host) Down(ctx context.Context) error {
	stations, err := h.stations()
	if err != nil {
		return err
	}

	for _, station := range stations {
		if err := h.clear(ctx, station); err != nil {
			return fmt.Errorf("lab %s: %w", h.Name, err)
		}
	}

	h.net.Lock()
	defer h.net.Unlock()

	// The lab's own cgroup catches what no station's namespace told of.
	if err := h.end(ctx, ""); err != nil {
		return fmt.Errorf("lab %s: %w", h.Name, err)
	}

	// Mounts first, then their loop devices; the fabric and the groups are empty by now.
	return errors.Join(
		unmountBelow(h.State),
		h.freeLoops(ctx),
		h.removeFabric(),
		h.removeGroups(),
		h.restoreLimits(ctx),
	)
}

// clear ends what a station runs and takes it out of the networks.
func (h *Host) clear(ctx context.Context, station string) error {
	defer h.lock(station)()
	if err := h.end(ctx, station); err != nil {
		return err
	}

	// The VPC is not named: removeFabric removes all bridges at once.
	return h.detach(station, Attachment{})
}

// Reset is Down, and then removes the lab's folder with all Droplets and snapshots. The cache stays.
func (h *Host) Reset(ctx context.Context) error {
	if err := h.Down(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(h.State); err != nil {
		return fmt.Errorf("lab %s: %w", h.Name, err)
	}

	return nil
}

// Attach makes a place in the networks for something that is not a Droplet, such as a load balancer. It can be
// called again.
func (h *Host) Attach(name string, at Attachment) error {
	if err := checkStation(name); err != nil {
		return err
	}
	defer h.lock(name)()

	return h.attach(name, at)
}

// Detach ends what runs in such a place and removes it. Nil when there is none.
func (h *Host) Detach(ctx context.Context, name string, at Attachment) error {
	defer h.lock(name)()
	if err := h.end(ctx, name); err != nil {
		return fmt.Errorf("detach %s: %w", name, err)
	}

	return h.detach(name, at)
}

// Run starts a program in such a place, which outlives the lab; its output is appended to log. What ran there
// before must have ended.
func (h *Host) Run(name string, args []string, log string) error {
	defer h.lock(name)()

	inside := append(
		[]string{
			"nsenter",
			"--net=" + namespacePath(h.Namespace(name)),
			"--",
		},
		args...,
	)

	return h.spawn(name, inside, log)
}

// Processes lists what runs in such a place.
func (h *Host) Processes(name string) []int {
	group, err := h.group(name)
	if err != nil {
		return nil
	}

	return group.Processes()
}
