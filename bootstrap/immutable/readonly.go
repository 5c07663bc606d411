package immutable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// sealed are the folders that hold programs. Where /usr is merged the others are links into it.
var sealed = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}

// folders lists those of the sealed ones that are folders here and not links.
func (i *Image) folders() ([]string, error) {
	into, err := i.merged()
	if err != nil {
		return nil, err
	}

	var found []string

	for _, path := range sealed {
		if into[path] == path {
			found = append(found, path)
		}
	}

	return found, nil
}

// Writable lists the sealed folders that can be written to.
func (i *Image) Writable() ([]string, error) {
	folders, err := i.folders()
	if err != nil {
		return nil, err
	}

	var writable []string

	for _, path := range folders {
		stat, err := i.Faults.statfs(i.at(path))
		if err != nil {
			return nil, fmt.Errorf("look at the mount of %s: %w", path, err)
		}

		if stat.Flags&unix.ST_RDONLY == 0 {
			writable = append(writable, path)
		}
	}

	return writable, nil
}

// ReadOnly mounts what is writable of /usr read-only, in every mount namespace that takes mounts from this one, until
// the next boot. What is read-only already is left alone.
func (i *Image) ReadOnly() error {
	writable, err := i.Writable()
	if err != nil {
		return err
	}

	var errs []error

	for _, path := range writable {
		if err := i.readOnly(i.at(path)); err != nil {
			errs = append(errs, fmt.Errorf("mount %s read-only: %w", path, err))
		}
	}

	return errors.Join(errs...)
}

// readOnly mounts a read-only copy of a folder's mount over it. The copy is made aside, because the flag of a
// mount that is shared already would reach no other namespace: systemd gives services such ones
// (mount_namespaces(7)). Whoever has a file open for writing goes on writing it.
func (i *Image) readOnly(path string) error {
	aside := filepath.Join(i.Run, "read-only")

	if err := os.MkdirAll(aside, 0o700); err != nil {
		return err
	}
	defer os.Remove(aside)

	if err := unix.Mount(path, aside, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	defer unix.Unmount(aside, unix.MNT_DETACH)

	if err := unix.Mount("", aside, "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return err
	}

	// A remount drops every flag that it does not name.
	readOnly := unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | kept(path)
	if err := unix.Mount("", aside, "", readOnly, ""); err != nil {
		return err
	}

	// A new mount, unlike a changed flag, reaches the namespaces that take mounts from this one.
	return unix.Mount(aside, path, "", unix.MS_BIND|unix.MS_REC, "")
}

// kept are the flags that a mount has and a remount must name again.
func kept(path string) uintptr {
	var stat unix.Statfs_t
	if unix.Statfs(path, &stat) != nil {
		return 0
	}

	var flags uintptr

	for _, flag := range []struct {
		has int64
		set uintptr
	}{{
		has: unix.ST_NOSUID,
		set: unix.MS_NOSUID,
	}, {
		has: unix.ST_NODEV,
		set: unix.MS_NODEV,
	}, {
		has: unix.ST_NOEXEC,
		set: unix.MS_NOEXEC,
	}, {
		has: unix.ST_NOATIME,
		set: unix.MS_NOATIME,
	}, {
		has: unix.ST_NODIRATIME,
		set: unix.MS_NODIRATIME,
	}, {
		has: unix.ST_RELATIME,
		set: unix.MS_RELATIME,
	}} {
		if stat.Flags&flag.has != 0 {
			flags |= flag.set
		}
	}

	return flags
}
