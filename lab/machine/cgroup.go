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
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// privateCgroups is where the cgroup v2 hierarchy is mounted on a computer that has it nowhere.
const privateCgroups = sharedFolder + "/cgroup"

// pollInterval is how often something that ends outside our sight is looked at.
const pollInterval = 20 * time.Millisecond

// group is a cgroup of the v2 hierarchy: everything that one station runs, however it forks.
type group string

// cgroups finds the v2 hierarchy; it is mounted when this computer has not done so.
func cgroups() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", fmt.Errorf("find cgroup v2: %w", err)
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[2] == "cgroup2" {
			return fields[1], nil
		}
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
func (h *Host) labGroup() (group, error) {
	root, err := cgroups()
	return group(filepath.Join(root, "hornero", h.Name)), err
}

func (h *Host) group(station string) (group, error) {
	lab, err := h.labGroup()
	return group(filepath.Join(string(lab), station)), err
}

func (g group) make() error {
	if err := os.MkdirAll(string(g), 0o755); err != nil {
		return fmt.Errorf("make cgroup: %w", err)
	}
	return nil
}

// populated tells whether a live process is in the group or beneath it.
func (g group) populated() bool {
	events, err := os.ReadFile(filepath.Join(string(g), "cgroup.events"))
	return err == nil && strings.Contains(string(events), "populated 1")
}

func (g group) set(file, value string) error {
	if err := os.WriteFile(filepath.Join(string(g), file), []byte(value), 0); err != nil {
		return fmt.Errorf("set cgroup: %w", err)
	}
	return nil
}

// processes lists the processes in the group and beneath it.
func (g group) processes() []int {
	var found []int
	filepath.WalkDir(string(g), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return nil // a group that went away meanwhile
		}
		text, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		for field := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				found = append(found, pid)
			}
		}
		return nil
	})
	return found
}

// kill ends all processes in the group, frozen ones too, and waits until they are gone.
func (g group) kill(ctx context.Context) error {
	err := g.set("cgroup.kill", "1")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := until(ctx, func() bool { return !g.populated() }); err != nil {
		return fmt.Errorf("wait for the end of %s: %w", filepath.Base(string(g)), err)
	}
	return nil
}

// remove removes the group and what is beneath it, the deepest first. It must be empty of processes.
func (g group) remove() error {
	var folders []string
	filepath.WalkDir(string(g), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return nil
	})
	for _, folder := range slices.Backward(folders) {
		if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove cgroup: %w", err)
		}
	}
	return nil
}

// removeGroups removes the lab's cgroup, and what was made for all labs when this was the last.
func (h *Host) removeGroups() error {
	lab, err := h.labGroup()
	if err != nil {
		return err
	}
	if err := errors.Join(lab.remove(), h.removeOldGroups("")); err != nil {
		return err
	}
	all := filepath.Dir(string(lab))
	if err := os.Remove(all); err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EBUSY) {
			return nil
		}
		return fmt.Errorf("remove cgroup: %w", err)
	}
	if filepath.Dir(all) != privateCgroups {
		return nil
	}
	if err := unix.Unmount(privateCgroups, 0); err != nil {
		return fmt.Errorf("unmount cgroup v2: %w", err)
	}
	return errors.Join(os.Remove(privateCgroups), ignore(os.Remove(filepath.Dir(privateCgroups)), syscall.ENOTEMPTY))
}

// initOf finds the PID 1 of the container that a group holds: the process whose number in the innermost of exactly
// one more PID namespace than ours is 1.
func (g group) initOf() (int, bool) {
	depth := len(nestedPIDs(os.Getpid())) + 1
	for _, pid := range g.processes() {
		if pids := nestedPIDs(pid); len(pids) == depth && pids[depth-1] == "1" {
			return pid, true
		}
	}
	return 0, false
}

func nestedPIDs(pid int) []string {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if pids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			return strings.Fields(pids)
		}
	}
	return nil
}

// until waits for a condition outside our sight; the error is the context's cause.
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

func (g group) frozen() bool {
	state, err := os.ReadFile(filepath.Join(string(g), "cgroup.freeze"))
	return err == nil && strings.TrimSpace(string(state)) == "1"
}

// freeze makes the group's processes stand still or go on, and waits until they do.
func (g group) freeze(frozen bool) error {
	value := "0"
	if frozen {
		value = "1"
	}
	if err := g.set("cgroup.freeze", value); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), killTimeout, errors.New("its processes do not stand still"))
	defer cancel()
	err := until(ctx, func() bool {
		events, err := os.ReadFile(filepath.Join(string(g), "cgroup.events"))
		return err != nil || strings.Contains(string(events), "frozen "+value)
	})
	if err != nil {
		return fmt.Errorf("freeze %s: %w", filepath.Base(string(g)), err)
	}
	return nil
}
