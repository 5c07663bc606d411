package roles

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Overlay is the built-in roles with a user's own folder over them: a file of the user's takes the place of the
// built-in one at the same path, and a folder of his own is a role more.
func Overlay(own fs.FS) fs.FS {
	return overlay{own: own, base: Embedded()}
}

type overlay struct{ own, base fs.FS }

// Open finds the user's file, or the built-in one.
func (o overlay) Open(name string) (fs.File, error) {
	file, err := o.own.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return o.base.Open(name)
	}

	if err != nil {
		return nil, err
	}

	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, err
	}

	if info.IsDir() {
		return &mergedDir{File: file, whole: o, name: name}, nil
	}

	return file, nil
}

// mergedDir is an open folder of the user's that lists the built-in files, too.
type mergedDir struct {
	fs.File
	whole  overlay
	name   string
	listed bool
	left   []fs.DirEntry
}

// ReadDir lists the next n entries, or all that are left (fs.ReadDirFile).
func (d *mergedDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if !d.listed {
		all, err := d.whole.ReadDir(d.name)
		if err != nil {
			return nil, err
		}

		d.left, d.listed = all, true
	}

	if n > 0 && len(d.left) == 0 {
		return nil, io.EOF
	}

	count := len(d.left)
	if n > 0 {
		count = min(n, count)
	}

	next := d.left[:count]
	d.left = d.left[count:]

	return slices.Clone(next), nil
}

// ReadDir lists what either has, once each.
func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	mine, err := fs.ReadDir(o.own, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}

	theirs, baseErr := fs.ReadDir(o.base, name)
	if err != nil && baseErr != nil {
		return nil, baseErr
	}

	taken := map[string]bool{}
	for _, entry := range mine {
		taken[entry.Name()] = true
	}

	all := slices.Clone(mine)

	for _, entry := range theirs {
		if !taken[entry.Name()] {
			all = append(all, entry)
		}
	}

	slices.SortFunc(all, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })

	return all, nil
}

// Sub is a folder of both.
func (o overlay) Sub(name string) (fs.FS, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "sub", Path: name, Err: fs.ErrInvalid}
	}

	return folderOf{o, name}, nil
}

// folderOf is a folder of an overlay.
type folderOf struct {
	whole overlay
	name  string
}

func (f folderOf) Open(name string) (fs.File, error) {
	// Joined to the folder's name, a path that leads out of it would be one inside of the whole.
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}

	return f.whole.Open(path.Join(f.name, name))
}

func (f folderOf) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}

	return f.whole.ReadDir(path.Join(f.name, name))
}
