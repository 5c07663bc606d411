// Package cgroup owns what is done to all processes of a cgroup at once, however they fork: they are listed, frozen
// and killed. It does not know what runs in a group, nor where in the hierarchy it is to be.
package cgroup

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
	"time"
)

// pollInterval is how often the kernel is asked how far it is.
const pollInterval = 20 * time.Millisecond

// Group is the folder of a cgroup.
type Group string

// Hierarchy is where this machine has the v2 hierarchy; "" when it has it nowhere.
func Hierarchy() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", fmt.Errorf("find cgroup v2: %w", err)
	}

	// Beside cgroup v1 the v2 hierarchy has no fixed place: the mount table tells.
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) > 2 && fields[2] == "cgroup2" {
			return fields[1], nil
		}
	}

	return "", nil
}

// Make makes the group, and those above it.
func (g Group) Make() error {
	err := os.MkdirAll(string(g), 0o755)
	if err != nil {
		return fmt.Errorf("make cgroup: %w", err)
	}

	return nil
}

// Set writes one of the group's files.
func (g Group) Set(file, value string) error {
	err := os.WriteFile(g.file(file), []byte(value), 0)
	if err != nil {
		return fmt.Errorf("set cgroup: %w", err)
	}

	return nil
}

func (g Group) file(name string) string {
	return filepath.Join(string(g), name)
}

// Populated tells whether a live process is in the group or beneath it.
func (g Group) Populated() bool {
	return g.reports("populated 1")
}

// Frozen tells whether the group is to be frozen.
func (g Group) Frozen() bool {
	state, err := os.ReadFile(g.file("cgroup.freeze"))
	if err != nil {
		return false
	}

	return strings.TrimSpace(string(state)) == "1"
}

// Processes lists the processes in the group and beneath it.
func (g Group) Processes() []int {
	var found []int

	for _, folder := range g.folders() {
		path := filepath.Join(folder, "cgroup.procs")
		text, _ := os.ReadFile(path) // a folder may go away meanwhile, and its processes with it

		for _, field := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil || pid <= 0 {
				continue
			}

			found = append(found, pid)
		}
	}

	return found
}

// Init finds the PID 1 of the container in the group. It is the process whose innermost number is 1 and that is in
// so many more PID namespaces than this process.
func (g Group) Init(namespaces int) (int, bool) {
	// The lab itself may run in a PID namespace, so that its own depth is counted in.
	own := nestedPIDs(os.Getpid())
	depth := len(own) + namespaces

	for _, pid := range g.Processes() {
		pids := nestedPIDs(pid)
		if len(pids) == depth && pids[depth-1] == "1" {
			return pid, true
		}
	}

	return 0, false
}

// Kill ends all processes in the group, frozen ones too, and waits until they are gone. A kernel that ends no
// groups (before Linux 5.14) leaves that to the caller, and to its wait.
func (g Group) Kill(ctx context.Context) error {
	// One write kills processes that are only just forked as well, which signals one by one would miss.
	err := g.Set("cgroup.kill", "1")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	return g.await(ctx, "populated 0", "wait for the end of")
}

// Freeze freezes or thaws the group's processes, and waits until they are.
func (g Group) Freeze(ctx context.Context, frozen bool) error {
	value := "0"
	if frozen {
		value = "1"
	}

	// The kernel only begins to freeze with this write; processes in a system call take a moment.
	err := g.Set("cgroup.freeze", value)
	if err != nil {
		return err
	}

	return g.await(ctx, "frozen "+value, "freeze")
}

// Remove removes the group and what is beneath it, the deepest first. It must be empty of processes.
func (g Group) Remove() error {
	folders := g.folders()

	// The kernel removes a group only when no other is beneath it.
	for _, folder := range slices.Backward(folders) {
		err := os.Remove(folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}

		if err != nil {
			return fmt.Errorf("remove cgroup: %w", err)
		}
	}

	return nil
}

// folders lists the group and what is beneath it, each after what it is in. One that goes away meanwhile is left out.
func (g Group) folders() []string {
	var found []string
	collect := func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			found = append(found, path)
		}

		return nil
	}

	_ = filepath.WalkDir(string(g), collect)

	return found
}

// reports tells whether the group's events have a line.
func (g Group) reports(event string) bool {
	events, err := os.ReadFile(g.file("cgroup.events"))
	if err != nil {
		return false
	}

	return strings.Contains(string(events), event)
}

// await waits until the group reports an event, or is gone; the error has the context's cause.
func (g Group) await(ctx context.Context, event, doing string) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()

	for {
		// A group that is gone has no processes: whoever waits for an event has it.
		_, gone := os.Stat(g.file("cgroup.events"))
		if gone != nil || g.reports(event) {
			return nil
		}

		select {
		case <-ctx.Done():
			name := filepath.Base(string(g))
			return fmt.Errorf("%s %s: %w", doing, name, context.Cause(ctx))

		case <-ticker.C:
		}
	}
}

// nestedPIDs are a process' numbers, from this namespace to the innermost (proc(5), NSpid).
func nestedPIDs(pid int) []string {
	path := fmt.Sprintf("/proc/%d/status", pid)
	status, _ := os.ReadFile(path) // a process may end meanwhile; then it has no numbers

	for line := range strings.Lines(string(status)) {
		pids, found := strings.CutPrefix(line, "NSpid:")
		if found {
			return strings.Fields(pids)
		}
	}

	return nil
}
