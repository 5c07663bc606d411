package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// rolesFolder lies beside the stack's file: roles of the user's own, over the built-in ones.
const rolesFolder = "roles"

// Kinds of a role.
const (
	kindBuiltIn = "built-in"
	kindOwn     = "own"
	kindOver    = "own over built-in"
)

// roleFolders are the roles that a stack may have.
type roleFolders struct {
	path string // of the user's folder; empty where there is none
	own  fs.FS  // what is in it; nil where there is none
	all  fs.FS  // the built-in ones, with the user's over them
}

// openRoles opens the folder of roles beside a stack's file. Nothing outside of it is read, whatever a link in it says.
func openRoles(file string) (roleFolders, error) {
	folders := roleFolders{all: roles.Embedded()}
	folder := filepath.Join(filepath.Dir(file), rolesFolder)

	info, err := os.Stat(folder)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return folders, nil
	}

	if err != nil {
		return folders, fmt.Errorf("read roles: %w", err)
	}

	// Open for as long as the program runs: manifests read their files when they are asked for.
	root, err := os.OpenRoot(folder)
	if err != nil {
		return folders, fmt.Errorf("read roles: %w", err)
	}

	return roleFolders{
		path: folder,
		own:  regularFiles{root.FS()},
		all:  roles.Overlay(regularFiles{root.FS()}),
	}, nil
}

// errIrregular is a pipe, a socket or a device: to read one may wait forever, and nobody bakes one.
var errIrregular = errors.New("it is neither a file nor a folder")

// regularFiles are the files and folders of a file system, and nothing else.
type regularFiles struct{ fs.FS }

// Open asks what it is before it opens: to open a pipe waits for somebody who writes to it.
func (f regularFiles) Open(name string) (fs.File, error) {
	info, err := fs.Stat(f.FS, name)
	if err != nil {
		return nil, err
	}

	if !info.IsDir() && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errIrregular}
	}

	return f.FS.Open(name)
}

// Lstat tells of a link what it is itself (fs.ReadLinkFS).
func (f regularFiles) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(f.FS, name) }

// ReadLink tells where a link leads (fs.ReadLinkFS).
func (f regularFiles) ReadLink(name string) (string, error) { return fs.ReadLink(f.FS, name) }

// load reads all manifests.
func (r roleFolders) load() (map[string]*roles.Manifest, error) {
	manifests, err := roles.LoadDir(r.all)
	return manifests, r.located(err)
}

// located names the files of problems as the user would: an editor jumps there.
func (r roleFolders) located(err error) error {
	problems, ok := report.Of(err)
	if !ok {
		return err
	}

	var located report.Problems

	// A file is looked at once, however much is wrong with it.
	places := map[string]string{}

	for _, problem := range problems {
		place, known := places[problem.File]
		if !known {
			place = r.place(problem.File)
			places[problem.File] = place
		}

		problem.File = place
		located = append(located, problem)
	}

	return located.Err()
}

// place is where a file of the roles lies: the path of the user's own, and "built-in" before what came with Hornero.
func (r roleFolders) place(file string) string {
	if r.differs(file) {
		return filepath.Join(r.path, filepath.FromSlash(file))
	}

	return path.Join(kindBuiltIn, file)
}

// differs tells whether the user's folder has a file that is not the built-in one.
func (r roleFolders) differs(file string) bool {
	if r.own == nil {
		return false
	}

	// A link that leads out of the folder is a file of the user's, too, though nobody reads it.
	if info, err := fs.Lstat(r.own, file); err != nil || info.IsDir() {
		return false
	}

	mine, err := fs.ReadFile(r.own, file)
	if err != nil {
		return true
	}

	builtIn, err := fs.ReadFile(roles.Embedded(), file)

	return err != nil || !bytes.Equal(mine, builtIn)
}

// kind tells whose a role is. A copy of a built-in role without a change is the built-in role.
func (r roleFolders) kind(role string) string {
	if _, err := fs.Stat(roles.Embedded(), path.Join(role, manifestFile)); err != nil {
		return kindOwn
	}

	changed := false

	if r.own != nil {
		_ = fs.WalkDir(r.own, role, func(file string, entry fs.DirEntry, err error) error {
			changed = changed || err == nil && !entry.IsDir() && r.differs(file)
			return nil
		})
	}

	if changed {
		return kindOver
	}

	return kindBuiltIn
}

// manifestFile is a role's manifest in its folder.
const manifestFile = "role.yaml"
