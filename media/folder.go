package media

import (
	"crypto/md5" //nolint:gosec // what S3 calls an ETag
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stamp tells a file from the same file after it was written again.
type stamp struct {
	Size   int64  `json:"size"`
	Time   int64  `json:"time"` // nanoseconds, of its last change
	Inode  uint64 `json:"inode"`
	Access int64  `json:"-"` // nanoseconds, of its last reading, as exact as the file system is
}

func (s stamp) isZero() bool { return s.Inode == 0 }

func (s stamp) equal(other stamp) bool {
	return s.Size == other.Size && s.Time == other.Time && s.Inode == other.Inode
}

// Owner is who owns the library's files, by number.
type Owner struct {
	User  int
	Group int
}

// folder is the files themselves. No link in it leads out of it.
type folder struct {
	root  *os.Root
	path  string
	owner Owner
	aside string // a folder of the node's own root, for what lost
}

func openFolder(path string, owner Owner, aside string) (*folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open the library: %w", err)
	}

	return &folder{root: root, path: path, owner: owner, aside: aside}, nil
}

// stat tells of a plain file; false where there is none, as where something else is.
func (f *folder) stat(name string) (stamp, bool) {
	info, err := f.root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return stamp{}, false
	}

	return stampOf(info), true
}

func stampOf(info fs.FileInfo) stamp {
	found := stamp{Size: info.Size(), Time: info.ModTime().UnixNano()}

	if system, ok := info.Sys().(*syscall.Stat_t); ok {
		found.Inode = system.Ino
		found.Access = system.Atim.Nano()
	}

	return found
}

func (f *folder) open(name string) (*os.File, error) {
	// A pipe would never be opened, and a link is no file of its own.
	if _, ok := f.stat(name); !ok {
		return nil, fmt.Errorf("%w: %s", ErrNotThere, name)
	}

	opened, err := f.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotThere, name)
	}

	return opened, err
}

// measure reads a file: its sums, and the stamp that it had meanwhile.
func (f *folder) measure(name string) (Entry, stamp, error) {
	opened, err := f.open(name)
	if err != nil {
		return Entry{}, stamp{}, err
	}
	defer opened.Close()

	info, err := opened.Stat()
	if err != nil {
		return Entry{}, stamp{}, err
	}

	sums := newSums()

	size, err := io.Copy(sums, opened)
	if err != nil {
		return Entry{}, stamp{}, fmt.Errorf("read %s: %w", name, err)
	}

	entry := Entry{Path: name, Size: size}
	sums.fill(&entry)

	return entry, stampOf(info), nil
}

// install puts a file in its place that is known, whole or not at all.
func (f *folder) install(what Entry, body io.Reader, before func(Entry, stamp) error) error {
	return f.put(what.Path, body, func(found Entry, mark stamp) error {
		whole := what
		whole.Size, whole.Sum = found.Size, found.Sum

		// Who unpacked it has compared them.
		if what.packed {
			whole.Size, whole.Tag, whole.packed = what.Size, what.Tag, false
			return before(whole, mark)
		}

		// A Space's own tag of what was put in many pieces is no MD5.
		if len(what.Tag) <= 2*md5.Size {
			whole.Tag = found.Tag
		}

		if !whole.sameContent(what) {
			return fmt.Errorf(
				"%w: %d bytes of %d",
				ErrDamaged,
				found.Size,
				what.Size,
			)
		}

		return before(whole, mark)
	})
}

// What is being written lies beside its place. What nobody writes to for as long as besideLife was left by a program
// that was killed.
const (
	besideHead = ".hornero-"
	besideTail = ".part"
	besideLife = time.Hour
)

// removeLeft removes a file that was being written when its program was killed.
func (f *folder) removeLeft(name string, entry fs.DirEntry) {
	ours := strings.HasPrefix(entry.Name(), besideHead) && strings.HasSuffix(entry.Name(), besideTail)

	info, err := entry.Info()
	if err == nil && ours && time.Since(info.ModTime()) > besideLife {
		_ = f.root.Remove(name) // it is tried again by the next start
	}
}

// put puts a file in its place, whole or not at all. before is asked when all is written, and may refuse.
func (f *folder) put(name string, body io.Reader, before func(Entry, stamp) error) error {
	if err := f.makeFolder(path.Dir(name)); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}

	beside := path.Join(
		path.Dir(name),
		besideHead+rand.Text()+besideTail,
	)

	entry, mark, err := f.write(beside, body)
	if err == nil {
		entry.Path = name
		err = before(entry, mark)
	}

	if err == nil {
		err = f.root.Rename(beside, name)
	}

	if err != nil {
		_ = f.root.Remove(beside) // the disk may be full: as little as possible is left
		return fmt.Errorf("keep %s: %w", name, err)
	}

	return nil
}

func (f *folder) write(name string, body io.Reader) (Entry, stamp, error) {
	opened, err := f.root.OpenFile(
		name,
		os.O_CREATE|os.O_EXCL|os.O_WRONLY,
		0o644,
	)
	if err != nil {
		return Entry{}, stamp{}, err
	}
	defer opened.Close()

	sums := newSums()

	size, err := io.Copy(io.MultiWriter(opened, sums), body)
	if err != nil {
		return Entry{}, stamp{}, err
	}

	entry := Entry{Size: size}
	sums.fill(&entry)

	if err := f.own(opened); err != nil {
		return Entry{}, stamp{}, err
	}

	// What was told to be kept is kept, also when the power goes.
	if err := opened.Sync(); err != nil {
		return Entry{}, stamp{}, err
	}

	info, err := opened.Stat()
	if err != nil {
		return Entry{}, stamp{}, err
	}

	return entry, stampOf(info), nil
}

func (f *folder) own(opened *os.File) error {
	if err := opened.Chmod(0o644); err != nil {
		return err
	}

	if os.Geteuid() != 0 {
		return nil
	}

	return opened.Chown(f.owner.User, f.owner.Group)
}

// makeFolder makes a folder and those above it, each its owner's.
func (f *folder) makeFolder(name string) error {
	if name == "." {
		return nil
	}

	if info, err := f.root.Stat(name); err == nil && info.IsDir() {
		return nil
	}

	if err := f.makeFolder(path.Dir(name)); err != nil {
		return err
	}

	if err := f.root.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}

	if os.Geteuid() != 0 {
		return nil
	}

	return f.root.Lchown(name, f.owner.User, f.owner.Group)
}

// remove takes a file away. One that is not there is gone already.
func (f *folder) remove(name string) error {
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}

	return nil
}

// setAside keeps a file that lost against another version, where only root looks.
func (f *folder) setAside(name string, version Version) error {
	from, err := f.open(name)
	if errors.Is(err, ErrNotThere) {
		return nil
	}

	if err != nil {
		return fmt.Errorf("set %s aside: %w", name, err)
	}
	defer from.Close()

	target := filepath.Join(f.aside, name+"~"+version.String())
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return fmt.Errorf("set %s aside: %w", name, err)
	}

	to, err := os.OpenFile(
		target,
		os.O_CREATE|os.O_TRUNC|os.O_WRONLY,
		0o600,
	)
	if err != nil {
		return fmt.Errorf("set %s aside: %w", name, err)
	}

	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		return fmt.Errorf("set %s aside: %w", name, err)
	}

	return nil
}

// asides counts what was set aside, and forgets what is older than its life.
func (f *folder) asides(life time.Duration) int {
	count := 0

	// A folder that cannot be read is told by what cannot be set aside.
	_ = filepath.WalkDir(f.aside, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // the next one may be read
		}

		info, err := entry.Info()
		if err == nil && time.Since(info.ModTime()) > life && os.Remove(path) == nil {
			return nil
		}

		count++

		return nil
	})

	return count
}

// walk visits all files that are the library's.
func (f *folder) walk(from string, visit func(name string)) error {
	return fs.WalkDir(f.root.FS(), from, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // gone since its folder was read
		case err != nil:
			return err
		case name != "." && isLocal(name) && entry.IsDir():
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		case !isLocal(name) && checkPath(name) == nil:
			visit(name)
		default:
			f.removeLeft(name, entry)
		}

		return nil
	})
}

// sums are the two sums of a file, made as its bytes pass.
type sums struct {
	io.Writer

	fill func(*Entry)
}

func newSums() sums {
	sum, tag := sha256.New(), md5.New() //nolint:gosec // as above

	return sums{
		Writer: io.MultiWriter(sum, tag),
		fill: func(entry *Entry) {
			entry.Sum = hex.EncodeToString(sum.Sum(nil))
			entry.Tag = hex.EncodeToString(tag.Sum(nil))
		},
	}
}

// linksOf counts the names of a file.
func linksOf(info fs.FileInfo) uint64 {
	if system, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(system.Nlink)
	}

	return 1
}

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
