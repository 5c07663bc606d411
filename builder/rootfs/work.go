package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hornero/hornero/internal/cgroup"
)

// Remove removes a folder in which a system was made. What is mounted in it was not mounted by this package,
// and is left with everything else.
func Remove(folder string) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("remove %s: %w", folder, err)
	}

	// RemoveAll would empty what is mounted, which may be a folder of this machine's.
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line) // the fifth is the mount point (proc(5))
		if len(fields) > 4 && strings.HasPrefix(fields[4], folder+"/") {
			return fmt.Errorf("remove %s: %s is mounted: unmount it", folder, fields[4])
		}
	}

	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("remove %s: %w", folder, err)
	}

	return nil
}

// Sweep ends what is left of machines that nobody runs any more, told by the names that Boot was given.
func Sweep(dead func(name string) bool) error {
	above, err := groupsOf()
	if err != nil {
		return fmt.Errorf("look for machines: %w", err)
	}

	// The group above is there only while a machine is in it.
	entries, err := os.ReadDir(above)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for machines: %w", err)
	}

	var wrong error

	for _, entry := range entries {
		if entry.IsDir() && dead(entry.Name()) {
			wrong = errors.Join(wrong, endGroup(cgroup.Group(filepath.Join(above, entry.Name()))))
		}
	}

	return wrong
}
