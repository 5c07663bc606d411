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

// permissions are a file's mode and owner; a number of -1 leaves that part of the owner as it is.
type permissions struct {
	mode fs.FileMode
	uid  int
	gid  int
}

// Write puts data at path by rename, so that a reader or a crash sees the old bytes or the new ones, never a part.
// It reports whether the bytes changed; mode and owner are put right either way. Parent folders are made with
// mode 0755.
func Write(path string, data []byte, options Options) (changed bool, err error) {

	wanted, err := lookup(options)
	if err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}

	// Nothing is to be reloaded, and nobody who watches the file is to be woken, for the same bytes.
	if Holds(path, data) {
		return false, wanted.set(path)
	}

	err = os.MkdirAll(filepath.Dir(path), 0o755)
	if err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}

	err = replace(path, data, wanted)
	if err != nil {
		return true, fmt.Errorf("write %s: %w", path, err)
	}

	return true, nil
}

// Sync makes a file's bytes, or the names in a folder, outlive a loss of power.
func Sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}

	return errors.Join(f.Sync(), f.Close())
}

// Holds tells whether path is a plain file with these bytes. A pipe or a device in its place is not read: a pipe may
// never have any, and a device may never come to an end.
func Holds(path string, data []byte) bool {
	current, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer current.Close()

	info, err := current.Stat()
	if err != nil {
		return false
	}

	sameSize := info.Size() == int64(len(data))
	if !info.Mode().IsRegular() || !sameSize {
		return false
	}

	// The file may grow while it is read: one byte more than expected is enough to see that.
	limited := io.LimitReader(current, info.Size()+1)
	found, err := io.ReadAll(limited)
	if err != nil {
		return false
	}

	return bytes.Equal(found, data)
}

// replace writes a new file beside path and renames it over path.
func replace(path string, data []byte, wanted permissions) error {
	folder := filepath.Dir(path)
	pattern := "." + filepath.Base(path) + ".*"

	// In the same folder: a rename is atomic only within one file system.
	temporary, err := os.CreateTemp(folder, pattern)
	if err != nil {
		return err
	}

	err = fill(temporary, data, wanted)
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}

	// After the rename: the file's bytes are synced, so that a close can lose nothing.
	closed := temporary.Close()
	if err != nil {
		os.Remove(temporary.Name())
	}

	return errors.Join(err, closed)
}

// fill makes a new file complete and durable before it takes the old one's place.
func fill(f *os.File, data []byte, wanted permissions) error {
	_, err := f.Write(data)
	if err != nil {
		return err
	}

	// Before the rename, so that no reader sees the file with another owner or mode.
	err = wanted.set(f.Name())
	if err != nil {
		return err
	}

	return f.Sync()
}

// set changes mode and owner where they differ: not every writer may change them.
func (p permissions) set(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}

	if !p.owns(info) {
		err := os.Chown(path, p.uid, p.gid)
		if err != nil {
			return err
		}
	}

	// After chown, which may take bits off the mode (chown(2)).
	if info.Mode().Perm() != p.mode {
		return os.Chmod(path, p.mode)
	}

	return nil
}

// owns tells whether a file belongs to the owner already.
func (p permissions) owns(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}

	uid := int(stat.Uid)
	gid := int(stat.Gid)
	sameUser := p.uid < 0 || p.uid == uid
	sameGroup := p.gid < 0 || p.gid == gid

	return sameUser && sameGroup
}

// lookup finds the numbers of the names in the options.
func lookup(options Options) (permissions, error) {
	found := permissions{
		mode: options.Mode,
		uid:  -1,
		gid:  -1,
	}
	if found.mode == 0 {
		found.mode = 0o600
	}

	name, group, _ := strings.Cut(options.Owner, ":")

	if name != "" {
		u, err := user.Lookup(name)
		if err != nil {
			return found, err
		}

		found.uid, err = strconv.Atoi(u.Uid)
		if err != nil {
			return found, err
		}
	}

	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return found, err
		}

		found.gid, err = strconv.Atoi(g.Gid)
		if err != nil {
			return found, err
		}
	}

	return found, nil
}
