package immutable

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/internal/status"
)

// lockedFile is there since the node was first locked to its image: what cloud-init and the system's first boot
// left in the sealed folders before is the node's own, and what came later is drift.
const lockedFile = "held" // nodes that were baked before have it under this name

// MarkLocked notes, once in a node's life, that it is locked to its image: files that appear later are drift.
func (i *Image) MarkLocked() error {
	// The first time stands: a later one would take files that were added since for the image's own.
	if _, err := i.lockedSince(); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	_, err := file.Write(filepath.Join(i.State, lockedFile), nil, file.Options{Mode: 0o600})

	return err
}

func (i *Image) lockedSince() (time.Time, error) {
	info, err := os.Stat(filepath.Join(i.State, lockedFile))
	if err != nil {
		return time.Time{}, err
	}

	return info.ModTime(), nil
}

// watched are the folders in which a file more is drift: those that are read-only, and what others' installers fill.
func (i *Image) watched() []string {
	return append(i.folders(), "/opt")
}

// added finds what was not in the image when it was sealed, and came after the node was first held to it. An
// image without a list of its files, and a node that was not held yet, have nothing to compare.
func (i *Image) added(ctx context.Context, pace *pace) ([]status.Finding, error) {
	since, err := i.lockedSince()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}

	if err != nil {
		return nil, err
	}

	known, err := i.contents()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}

	if err != nil {
		return nil, err
	}

	var found []status.Finding

	for _, folder := range i.watched() {
		err := i.walk(folder, func(path string, entry fs.DirEntry) error {
			if err := pace.rest(ctx, i.awaited); err != nil {
				return err
			}

			switch {
			case known[path]:
				return nil

			case entry.IsDir():
				// One finding stands for the folder: a package's whole tree would fill the list.
				if count := i.later(path, since); count > 0 {
					found = append(found, status.Finding{
						Path: path,
						What: fmt.Sprintf("is added, files in it: %d", count),
					})
				}

				return fs.SkipDir

			case later(path, entry, since):
				found = append(found, status.Finding{Path: path, What: "is added"})
			}

			return nil
		})
		if err != nil {
			return nil, err
		}
	}

	return found, nil
}

// contents are the paths of the image's own list that are in the watched folders.
func (i *Image) contents() (map[string]bool, error) {
	list, err := os.Open(i.at(record.ContentsPath))
	if err != nil {
		return nil, err
	}
	defer list.Close()

	// The list cannot hold itself.
	known := map[string]bool{record.ContentsPath: true}
	watched := i.watched()

	return known, record.ReadPaths(list, func(path string) {
		for _, folder := range watched {
			if path == folder || strings.HasPrefix(path, folder+"/") {
				known[path] = true
			}
		}
	})
}

// later counts the files in a folder that came after a moment.
func (i *Image) later(folder string, since time.Time) int {
	count := 0

	// What cannot be read is not counted.
	_ = i.walk(folder, func(path string, entry fs.DirEntry) error {
		if !entry.IsDir() && later(path, entry, since) {
			count++
		}

		return nil
	})

	return count
}

// later tells by the time of the last change of a file, its name or its mode, which nobody sets. Python's caches are
// written by whoever imports a module first.
func later(path string, entry fs.DirEntry, since time.Time) bool {
	if filepath.Base(filepath.Dir(path)) == "__pycache__" && strings.HasSuffix(path, ".pyc") {
		return false
	}

	info, err := entry.Info()
	if err != nil {
		// It is gone again.
		return false
	}

	stat, ok := info.Sys().(*syscall.Stat_t)

	return ok && time.Unix(stat.Ctim.Unix()).After(since)
}

// walk visits what is in a folder of the image's own file system.
func (i *Image) walk(folder string, visit func(path string, entry fs.DirEntry) error) error {
	device := deviceOf(i.at(folder))
	return filepath.WalkDir(i.at(folder), func(name string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			// It went while the folder was read.
			return nil
		case err != nil:
			return fmt.Errorf("look for added files: %w", err)
		case entry.IsDir() && deviceOf(name) != device:
			// Another file system is a volume of the node's.
			return fs.SkipDir
		}

		within, err := filepath.Rel(i.Root, name)
		if err != nil {
			return err
		}

		return visit(filepath.Join("/", within), entry)
	})
}

func deviceOf(name string) uint64 {
	var stat syscall.Stat_t
	if syscall.Lstat(name, &stat) != nil {
		return 0
	}

	return uint64(stat.Dev)
}
