package immutable

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// shortages are errors of the one who looks: it has too many files open, no memory, or its disk fails. They say nothing
// of the file that was looked at.
var shortages = []syscall.Errno{
	syscall.EMFILE,
	syscall.ENFILE,
	syscall.ENOMEM,
	syscall.EIO,
	syscall.EAGAIN,
	syscall.EINTR,
	syscall.ENOBUFS,
}

// IsShortage tells an error of the node's own from what is wrong with a file: then nobody knows how the file is, and it
// is no drift.
func IsShortage(err error) bool {
	for _, errno := range shortages {
		if errors.Is(err, errno) {
			return true
		}
	}

	return false
}

// saysShortage tells the same of what a program said before it ended.
func saysShortage(text string) bool {
	for _, errno := range shortages {
		if strings.Contains(strings.ToLower(text), errno.Error()) {
			return true
		}
	}

	return false
}

// Faults is asked before each look at the disk, and fails it where it returns an error: a test's. Nil lets all pass.
type Faults func(operation, name string) error

// The operations that Faults knows.
const (
	opStat     = "stat"
	opReadlink = "readlink"
	opOpen     = "open"
	opRead     = "read"
	opReadDir  = "readdir"
	opStatfs   = "statfs"
	opExec     = "exec"
)

func (f Faults) at(operation, name string) error {
	if f == nil {
		return nil
	}

	return f(operation, name)
}

func (f Faults) lstat(name string) (os.FileInfo, error) {
	if err := f.at(opStat, name); err != nil {
		return nil, err
	}

	return os.Lstat(name)
}

func (f Faults) stat(name string) (os.FileInfo, error) {
	if err := f.at(opStat, name); err != nil {
		return nil, err
	}

	return os.Stat(name)
}

// Readlink tells where a link leads to.
func (f Faults) Readlink(name string) (string, error) {
	if err := f.at(opReadlink, name); err != nil {
		return "", err
	}

	return os.Readlink(name)
}

// open opens a file for reading. A pipe in its place is not waited for.
func (f Faults) open(name string) (*os.File, error) {
	if err := f.at(opOpen, name); err != nil {
		return nil, err
	}

	return os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
}

// copyAll reads an open file to its end.
func (f Faults) copyAll(to io.Writer, from *os.File) error {
	if err := f.at(opRead, from.Name()); err != nil {
		return err
	}

	_, err := io.Copy(to, from)

	return err
}

func (f Faults) readFile(name string) ([]byte, error) {
	for _, operation := range []string{opOpen, opRead} {
		if err := f.at(operation, name); err != nil {
			return nil, err
		}
	}

	return os.ReadFile(name)
}

func (f Faults) readDir(name string) ([]os.DirEntry, error) {
	if err := f.at(opReadDir, name); err != nil {
		return nil, err
	}

	return os.ReadDir(name)
}

func (f Faults) statfs(name string) (unix.Statfs_t, error) {
	var stat unix.Statfs_t

	if err := f.at(opStatfs, name); err != nil {
		return stat, err
	}

	return stat, unix.Statfs(name, &stat)
}

// unseen counts what could not be looked at.
type unseen struct {
	count int
	first error
}

func (u *unseen) add(path string, err error) {
	if u.count++; u.count == 1 {
		u.first = fmt.Errorf("look at %s: %w", path, err)
	}
}

// String says it in a line; "" when everything was seen.
func (u unseen) String() string {
	switch u.count {
	case 0:
		return ""
	case 1:
		return u.first.Error()
	}

	return fmt.Sprintf("%v, and %d more", u.first, u.count-1)
}
