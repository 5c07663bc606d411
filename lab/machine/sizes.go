package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/hornero/hornero/internal/cgroup"
)

// cpuPeriod is over which span a Droplet's share of the CPUs is counted, in microseconds: the kernel's own default.
const cpuPeriod = 100000

// sizeControllers are what holds a Droplet to its size.
func sizeControllers() []string { return []string{"memory", "cpu"} }

// hierarchy finds where a controller of cgroup v1 is mounted; empty when it is not.
func hierarchy(controller string) string {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return ""
	}

	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) > 3 &&
			fields[2] == "cgroup" &&
			slices.Contains(strings.Split(fields[3], ","), controller) {
			return fields[1]
		}
	}

	return ""
}

// oldGroup is a station's group of a v1 controller; empty when this computer has the controller in v2, or not at all.
func (h *Host) oldGroup(controller, station string) cgroup.Group {
	root := hierarchy(controller)
	if root == "" {
		return ""
	}

	return cgroup.Group(filepath.Join(root, "hornero", h.Name, station))
}

// makeOldGroups makes the v1 groups that hold a Droplet to its size, and returns them: the launcher enters them
// first of all.
func (h *Host) makeOldGroups(droplet Droplet) ([]string, error) {
	made := []string{}
	for controller, settings := range map[string][][2]string{
		"memory": {{
			"memory.limit_in_bytes",
			strconv.Itoa(droplet.Memory << 20),
		}},
		"cpu": {
			{"cpu.cfs_period_us", strconv.Itoa(cpuPeriod)},
			{
				"cpu.cfs_quota_us",
				strconv.Itoa(max(droplet.CPUs, 1) * cpuPeriod),
			},
		},
	} {
		// A computer with cgroup v2 has the controller there: limitGroup sets it.
		old := h.oldGroup(controller, number(droplet.ID))
		if old == "" {
			continue
		}

		if err := old.Make(); err != nil {
			return nil, err
		}

		for _, setting := range settings {
			if err := old.Set(setting[0], setting[1]); err != nil {
				return nil, err
			}
		}

		made = append(made, string(old))
	}

	return made, nil
}

// limitGroup holds a Droplet to its size by the v2 controllers that this computer has. Those that it has in v1,
// or not at all, are passed over.
func (h *Host) limitGroup(droplet Droplet) error {
	own, err := h.group(number(droplet.ID))
	if err != nil {
		return err
	}

	// A controller works in a group only if every group above passes it on.
	all := filepath.Dir(filepath.Dir(string(own)))
	for _, above := range []cgroup.Group{
		cgroup.Group(filepath.Dir(all)),
		cgroup.Group(all),
		cgroup.Group(filepath.Dir(string(own))),
	} {
		for _, controller := range sizeControllers() {
			// one that is not there is passed over below
			above.Set("cgroup.subtree_control", "+"+controller)
		}
	}

	for file, value := range map[string]string{
		"memory.max": strconv.Itoa(droplet.Memory << 20),
		"cpu.max":    fmt.Sprintf("%d %d", max(droplet.CPUs, 1)*cpuPeriod, cpuPeriod),
	} {
		// The file is missing where the controller is in v1, or not in this kernel.
		if _, err := os.Stat(filepath.Join(string(own), file)); err != nil {
			continue
		}
		if err := own.Set(file, value); err != nil {
			return err
		}
	}

	return nil
}

// enter puts this process into groups of cgroup v1.
func enter(groups []string) error {
	for _, name := range groups {
		if err := cgroup.Group(name).Set("cgroup.procs", strconv.Itoa(os.Getpid())); err != nil {
			return err
		}
	}

	return nil
}

// removeOldGroups removes a station's v1 groups, or with no station the lab's, and what is above them when it
// is empty.
func (h *Host) removeOldGroups(station string) error {
	var problems []error
	for _, controller := range sizeControllers() {
		old := h.oldGroup(controller, station)
		if old == "" {
			continue
		}

		problems = append(problems, old.Remove())
		if station == "" {
			// EBUSY and ENOTEMPTY: other labs have groups there.
			err := os.Remove(filepath.Dir(string(old)))
			if !errors.Is(err, fs.ErrNotExist) &&
				!errors.Is(err, syscall.EBUSY) &&
				!errors.Is(err, syscall.ENOTEMPTY) {
				problems = append(problems, err)
			}
		}
	}

	return errors.Join(problems...)
}
