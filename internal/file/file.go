// Package file owns the one way a file is written: beside its target, synced, renamed, and not at all when the
// bytes are already there. It knows nothing of what the files mean.
package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Options says how a file is to stand on disk.
type Options struct {
	Mode  fs.FileMode // 0 means 0600
	Owner string      // "user", "user:group"; empty leaves the writer's own
}

// Write puts data at path by rename, so that a reader or a crash sees the old bytes or the new ones, never a part.
// It reports whether the bytes changed; mode and owner are put right either way. Parent folders are made with
// mode 0755.
func Write(path string, data []byte, options Options) (changed bool, err error) {
	if options.Mode == 0 {
		options.Mode = 0o600
	}

	uid, gid, err := lookup(options.Owner)
	if err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	if Holds(path, data) {
		return false, settle(path, options.Mode, uid, gid)
	}

	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}

	return true, replace(path, data, options.Mode, uid, gid)
}

// Sync makes a file's bytes, or the names in a folder, outlive a loss of power.
func Sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}

	return errors.Join(f.Sync(), f.Close())
}

// Holds tells whether path is a plain file with these bytes. A pipe or a device in its place is not read: the
// one may never have any, the other never come to an end.
func Holds(path string, data []byte) bool {
	current, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer current.Close()

	info, err := current.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(data)) {
		return false
	}

	there, err := io.ReadAll(io.LimitReader(current, info.Size()+1))

	return err == nil && bytes.Equal(there, data)
}

func replace(path string, data []byte, mode fs.FileMode, uid, gid int) (err error) {
	temporary, err := os.CreateTemp(
		filepath.Dir(path),
		"."+filepath.Base(path)+".*",
	)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", path, err), temporary.Close())
			os.Remove(temporary.Name())
		}
	}()

	if _, err := temporary.Write(data); err != nil {
		return err
	}

	if err := settle(temporary.Name(), mode, uid, gid); err != nil {
		return err
	}

	if err := temporary.Sync(); err != nil {
		return err
	}

	if err := os.Rename(temporary.Name(), path); err != nil {
		return err
	}

	return temporary.Close()
}

func settle(path string, mode fs.FileMode, uid, gid int) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}

	if stat, ok := info.Sys().(*syscall.Stat_t); ok &&
		(uid >= 0 && int(stat.Uid) != uid || gid >= 0 && int(stat.Gid) != gid) {
		if err := os.Chown(path, uid, gid); err != nil {
			return err
		}
	}

	if info.Mode().Perm() != mode {
		return os.Chmod(path, mode)
	}

	return nil
}

func lookup(owner string) (uid, gid int, err error) {
	uid, gid = -1, -1
	name, group, hasGroup := strings.Cut(owner, ":")
	if name != "" {
		u, err := user.Lookup(name)
		if err != nil {
			return 0, 0, err
		}
		if uid, err = strconv.Atoi(u.Uid); err != nil {
			return 0, 0, err
		}
	}

	if hasGroup && group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return 0, 0, err
		}
		if gid, err = strconv.Atoi(g.Gid); err != nil {
			return 0, 0, err
		}
	}

	return uid, gid, nil
}
