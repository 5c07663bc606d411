package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// group is a cgroup of the v2 hierarchy: what a machine runs.
type group string

// groups is the cgroup above all machines.
const groups = "hornero-rootfs"

// groupsOf is where they are on this machine; empty when it has the v2 hierarchy nowhere.
func groupsOf() string {
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[2] == "cgroup2" {
			return filepath.Join(fields[1], groups)
		}
	}
	return ""
}

func newGroup(name string) (group, error) {
	above := groupsOf()
	if above == "" {
		return "", errors.New("no cgroup v2 on this machine: mount -t cgroup2 none /sys/fs/cgroup/unified")
	}
	g := group(filepath.Join(above, name))
	return g, os.MkdirAll(string(g), 0o755)
}

// processes lists the processes in the group and beneath it.
func (g group) processes() []int {
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

// folders lists the group and what is beneath it, each after what it is in. One that goes away meanwhile is left out.
func (g group) folders() []string {
	var found []string
	_ = filepath.WalkDir(string(g), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// emptyTimeout is how long the kernel may take to end what was killed.
const emptyTimeout = 20 * time.Second

// remove ends what is left in the group, and removes it. The group above goes with the last.
func (g group) remove() error {
	deadline := time.Now().Add(emptyTimeout)
	for _, folder := range slices.Backward(g.folders()) {
		_ = os.WriteFile(filepath.Join(folder, "cgroup.kill"), []byte("1"), 0) // older kernels have it not; all are killed by then
		for {
			err := os.Remove(folder)
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				break
			}
			if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
				return fmt.Errorf("remove cgroup: %w", err)
			}
			time.Sleep(pollInterval)
		}
	}
	_ = os.Remove(filepath.Dir(string(g))) // another machine may be in it
	return nil
}
