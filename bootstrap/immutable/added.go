package immutable

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	info, err := i.Faults.stat(filepath.Join(i.State, lockedFile))
	if err != nil {
		return time.Time{}, err
	}

	return info.ModTime(), nil
}

// watched are the folders in which a file more is drift: those that are read-only, and what others' installers fill.
func (i *Image) watched() ([]string, error) {
	folders, err := i.folders()
	return append(folders, "/opt"), err
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

	watched, err := i.watched()
	if err != nil {
		return nil, err
	}

	known, err := i.contents(watched)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}

	if err != nil {
		return nil, err
	}

	var found []status.Finding

	for _, folder := range watched {
		err := i.walk(folder, func(path string, entry fs.DirEntry) error {
			if err := pace.rest(ctx, i.awaited); err != nil {
				return err
			}

			if known[path] {
				return nil
			}

			what, err := i.addition(path, entry, since)
			if what != "" {
				found = append(found, status.Finding{Path: path, What: what})
			}

			if err == nil && entry.IsDir() {
				return fs.SkipDir
			}

			return err
		})
		if err != nil {
			return nil, err
		}
	}

	return found, nil
}

// addition tells of something that is not in the image's list whether it came later; "" when it did not. One finding
// stands for a folder: a package's whole tree would fill the list.
func (i *Image) addition(path string, entry fs.DirEntry, since time.Time) (string, error) {
	if entry.IsDir() {
		count, err := i.countLater(path, since)
		if count == 0 {
			return "", err
		}

		return fmt.Sprintf("is added, files in it: %d", count), err
	}

	after, err := i.later(path, entry, since)
	if !after {
		return "", err
	}

	return "is added", err
}

// contents are the paths of the image's own list that are in the watched folders.
func (i *Image) contents(watched []string) (map[string]bool, error) {
	list, err := i.Faults.open(i.at(record.ContentsPath))
	if err != nil {
		return nil, err
	}
	defer list.Close()

	// The list cannot hold itself.
	known := map[string]bool{record.ContentsPath: true}

	return known, record.ReadPaths(list, func(path string) {
		for _, folder := range watched {
			if path == folder || strings.HasPrefix(path, folder+"/") {
				known[path] = true
			}
		}
	})
}

// countLater counts the files in a folder that came after a moment. What cannot be read is not counted.
func (i *Image) countLater(folder string, since time.Time) (int, error) {
	count := 0

	err := i.walk(folder, func(path string, entry fs.DirEntry) error {
		if entry.IsDir() {
			return nil
		}

		after, err := i.later(path, entry, since)
		if after {
			count++
		}

		return err
	})

	if !IsShortage(err) {
		err = nil
	}

	return count, err
}

// later tells by the time of the last change of a file, its name or its mode, which nobody sets. Python's caches are
// written by whoever imports a module first.
func (i *Image) later(path string, entry fs.DirEntry, since time.Time) (bool, error) {
	if filepath.Base(filepath.Dir(path)) == "__pycache__" && strings.HasSuffix(path, ".pyc") {
		return false, nil
	}

	err := i.Faults.at(opStat, i.at(path))

	var info fs.FileInfo
	if err == nil {
		info, err = entry.Info()
	}

	switch {
	case IsShortage(err):
		return false, err
	case err != nil:
		// It is gone again.
		return false, nil
	}

	stat, ok := info.Sys().(*syscall.Stat_t)

	return ok && time.Unix(stat.Ctim.Unix()).After(since), nil
}

// walk visits what is in a folder of the image's own file system.
func (i *Image) walk(folder string, visit func(path string, entry fs.DirEntry) error) error {
	device, err := i.deviceOf(i.at(folder))
	if IsShortage(err) {
		return err
	}

	return filepath.WalkDir(i.at(folder), func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			err = i.Faults.at(opReadDir, name)
		}

		switch {
		case errors.Is(err, fs.ErrNotExist):
			// It went while the folder was read.
			return nil
		case err != nil:
			return fmt.Errorf("look for added files: %w", err)
		}

		if entry.IsDir() {
			on, err := i.deviceOf(name)

			switch {
			case IsShortage(err):
				return err
			case err != nil || on != device:
				// Another file system is a volume of the node's.
				return fs.SkipDir
			}
		}

		within, err := filepath.Rel(i.Root, name)
		if err != nil {
			return err
		}

		return visit(filepath.Join("/", within), entry)
	})
}

func (i *Image) deviceOf(name string) (uint64, error) {
	info, err := i.Faults.lstat(name)
	if err != nil {
		return 0, err
	}

	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("look at %s: this system does not tell devices", name)
	}

	return uint64(stat.Dev), nil
}
