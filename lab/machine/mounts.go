package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// mountsBelow lists where something is mounted at a folder or below it, the last first.
func mountsBelow(folder string) ([]string, error) {
	folder, err := asMounted(folder)
	if err != nil {
		return nil, err
	}

	mounts, err := allMounts()
	found := []string{}

	for _, mount := range mounts {
		if mount == folder || strings.HasPrefix(mount, folder+"/") {
			// The last mounted is unmounted first: others may lie beneath it.
			found = append([]string{mount}, found...)
		}
	}

	return found, err
}

// asMounted is a path as the kernel names it, without symbolic links.
func asMounted(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) { // nothing is mounted there, then
		return path, nil
	}
	if err != nil {
		return "", fmt.Errorf("list mounts: %w", err)
	}

	return real, nil
}

// allMounts lists where something is mounted, the first mounted first.
func allMounts() ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}

	var mounts []string

	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 {
			mounts = append(mounts, unescapeMount(fields[4]))
		}
	}

	return mounts, nil
}

// unescapeMount reads a path of mountinfo. See proc_pid_mountinfo(5).
func unescapeMount(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// forgetDisks takes the disks of other Droplets, of any lab, out of this process' own mount namespace: one that
// is still mounted here would stay in use.
func forgetDisks(own string) error {
	own, err := asMounted(own)
	if err != nil {
		return err
	}

	mounts, err := allMounts()
	if err != nil {
		return err
	}

	for _, mount := range mounts {
		if mount == own || !isSpace.MatchString(mount) {
			continue
		}

		// EINVAL: it is no mount any more. It went meanwhile, or with one that it was mounted on.
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("forget the disk %s: %w", mount, err)
		}
	}

	return nil
}

var isSpace = regexp.MustCompile(`/droplets/[0-9]+/` + diskFolder + `$`)

// unmountBelow unmounts everything at a folder and below it. What is still used goes when its last user does.
func unmountBelow(folder string) error {
	mounts, err := mountsBelow(folder)
	if err != nil {
		return err
	}

	for _, mount := range mounts {
		// A plain unmount writes everything back before it returns; the lazy one is the last resort.
		if err := unix.Unmount(mount, 0); err == nil {
			continue
		}
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("unmount %s: %w", mount, err)
		}
	}

	return nil
}
