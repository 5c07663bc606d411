package seal

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/record"
)

// WriteContents leaves the list of all the sealed image's files in the image.
func (i *Image) WriteContents() error {
	contents := record.Contents{}
	var failed error
	i.walk("/", func(path string, info fs.FileInfo) {
		// The list cannot hold its own sum.
		if path == record.ContentsPath {
			return
		}

		entry, err := i.entry(path, info)

		// The walk goes on to its end: the first error is told.
		if err != nil && failed == nil {
			failed = fmt.Errorf("list the image's files: %w", err)
		}

		contents[path] = entry
	})

	if failed != nil {
		return failed
	}

	data, err := contents.Pack()
	if err != nil {
		return err
	}

	_, err = file.Write(i.at(record.ContentsPath), data, file.Options{Mode: 0o644})

	return err
}

// entry is what the list says of one path: what it is, its permissions and the numbers of owner and group.
func (i *Image) entry(path string, info fs.FileInfo) (string, error) {
	kind := info.Mode().Type().String()[:1]
	switch {
	case info.Mode().IsRegular():
		digest, err := sum(i.at(path))
		if err != nil {
			return "", err
		}

		kind = digest

	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(i.at(path))
		if err != nil {
			return "", err
		}

		kind = "-> " + target

	case info.IsDir():
		kind = "folder"
	}

	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("%s: its owner is not known", path)
	}

	return fmt.Sprintf("%s %04o %d:%d", kind, stat.Mode&0o7777, stat.Uid, stat.Gid), nil
}
