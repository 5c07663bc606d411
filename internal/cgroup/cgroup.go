// Package cgroup owns how processes are held together by a cgroup: listed, made to stand still, ended, however
// they fork. It does not know what runs in one, nor where in the hierarchy it is to be.
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

	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[2] == "cgroup2" {
			return fields[1], nil
		}
	}

	return "", nil
}

// Make makes the group, and those above it.
func (g Group) Make() error {
	if err := os.MkdirAll(string(g), 0o755); err != nil {
		return fmt.Errorf("make cgroup: %w", err)
	}

	return nil
}

// Set writes one of the group's files.
func (g Group) Set(file, value string) error {
	if err := os.WriteFile(
		filepath.Join(string(g), file),
		[]byte(value),
		0,
	); err != nil {
		return fmt.Errorf("set cgroup: %w", err)
	}

	return nil
}

// Populated tells whether a live process is in the group or beneath it.
func (g Group) Populated() bool { return g.says("populated 1") }

// Frozen tells whether the group is to stand still.
func (g Group) Frozen() bool {
	state, err := os.ReadFile(filepath.Join(string(g), "cgroup.freeze"))
	return err == nil && strings.TrimSpace(string(state)) == "1"
}

// Processes lists the processes in the group and beneath it.
func (g Group) Processes() []int {
	var found []int
	for _, folder := range g.folders() {
		text, _ := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
		for field := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				found = append(found, pid)
			}
		}
	}

	return found
}

// Init finds the PID 1 of the container in the group: the process whose number in the innermost of so many more
// PID namespaces than this process is in is 1.
func (g Group) Init(namespaces int) (int, bool) {
	depth := len(nestedPIDs(os.Getpid())) + namespaces
	for _, pid := range g.Processes() {
		if pids := nestedPIDs(pid); len(pids) == depth && pids[depth-1] == "1" {
			return pid, true
		}
	}

	return 0, false
}

// Kill ends all processes in the group, frozen ones too, and waits until they are gone. A kernel that ends no
// groups (before Linux 5.14) leaves that to the caller, and to its wait.
func (g Group) Kill(ctx context.Context) error {
	if err := g.Set("cgroup.kill", "1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	return g.await(ctx, "populated 0", "wait for the end of")
}

// Freeze makes the group's processes stand still or go on, and waits until they do.
func (g Group) Freeze(ctx context.Context, frozen bool) error {
	value := "0"
	if frozen {
		value = "1"
	}
	if err := g.Set("cgroup.freeze", value); err != nil {
		return err
	}

	return g.await(ctx, "frozen "+value, "freeze")
}

// Remove removes the group and what is beneath it, the deepest first. It must be empty of processes.
func (g Group) Remove() error {
	for _, folder := range slices.Backward(g.folders()) {
		if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove cgroup: %w", err)
		}
	}

	return nil
}

// folders lists the group and what is beneath it, each after what it is in. One that goes away meanwhile is left out.
func (g Group) folders() []string {
	var found []string
	_ = filepath.WalkDir(string(g), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			found = append(found, path)
		}

		return nil
	})

	return found
}

func (g Group) says(event string) bool {
	events, err := os.ReadFile(filepath.Join(string(g), "cgroup.events"))
	return err == nil && strings.Contains(string(events), event)
}

// await waits until the group says so, or is gone; the error has the context's cause.
func (g Group) await(ctx context.Context, event, doing string) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()

	for {
		if _, err := os.Stat(filepath.Join(
			string(g),
			"cgroup.events",
		)); err != nil || g.says(event) {
			return nil
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf(
				"%s %s: %w",
				doing,
				filepath.Base(string(g)),
				context.Cause(ctx),
			)

		case <-ticker.C:
		}
	}
}

// nestedPIDs are a process' numbers, from this namespace to the innermost (proc(5), NSpid).
func nestedPIDs(pid int) []string {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if pids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			return strings.Fields(pids)
		}
	}

	return nil
}
