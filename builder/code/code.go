// Package code owns how code of a stack's own comes into an image: folders beside a role's manifest, and archives,
// which it fetches, holds to their sums and unpacks. It runs on the machine that bakes, and writes nothing but its
// cache. It must not know Packer, nor what is in the code: the role's inventory judges that, inside the image.
package code

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hornero/hornero/roles"
)

// ErrCode is code that is not baked.
var ErrCode = errors.New("the code cannot be baked")

// Code is what a role's image gets of a stack's own.
type Code struct {
	Files []File   // by path
	Clear []string // paths that are removed before
	Links []Link
}

// File is a file of the image: root's, and for all to read.
type File struct {
	Path string
	Data []byte
}

// Link is a folder that programs of the role may write to, and the link that leads to it.
type Link struct {
	Path  string // where the link stands
	At    string // the folder
	Owner string // user:group of the folder
}

// Read collects the code of a role.
func Read(ctx context.Context, manifest *roles.Manifest, cache Cache) (Code, error) {
	c := collection{
		manifest: manifest,
		files:    map[string][]byte{},
		from:     map[string]string{},
		brought:  map[string]bool{},
	}

	if err := c.addFolders(); err != nil {
		return Code{}, err
	}

	for _, archive := range manifest.Archives() {
		if err := c.addArchive(ctx, archive, cache); err != nil {
			return Code{}, fmt.Errorf("%w: %s: %w", ErrCode, archive.Place, err)
		}
	}

	links := c.links()
	c.leaveOut(links)

	return Code{
		Files: c.sorted(),
		Clear: c.clear(),
		Links: links,
	}, nil
}

// collection is the code of a role that is being read.
type collection struct {
	manifest *roles.Manifest
	files    map[string][]byte // by path in the image
	from     map[string]string // where an item of code came from, by its path in the image
	brought  map[string]bool   // kinds of code that there is any of
}

// addFolders takes what lies in folders beside the manifest.
func (c *collection) addFolders() error {
	files, err := c.manifest.CodeFiles()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCode, err)
	}

	for _, file := range files {
		if err := c.add(file.Kind, file.Name, "the folder "+file.Kind, file.Data); err != nil {
			return fmt.Errorf("%w: %w", ErrCode, err)
		}
	}

	return nil
}

func (c *collection) addArchive(ctx context.Context, archive roles.Archive, cache Cache) error {
	data, err := cache.archive(ctx, archive)
	if err != nil {
		return err
	}

	files, err := unzip(data, archive, c.manifest.Code.Folders[archive.Kind])
	if err != nil {
		return err
	}

	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := c.add(archive.Kind, name, archive.Place, files[name]); err != nil {
			return err
		}
	}

	return nil
}

// add takes one file. An item of code, which is a folder or a file at the top of its kind, comes from one place.
func (c *collection) add(kind, name, from string, data []byte) error {
	folder := c.manifest.Code.Folders[kind]
	target := path.Join(folder.Path, name)
	item := target

	if !folder.Flat {
		top, _, _ := strings.Cut(name, "/")
		item = path.Join(folder.Path, top)
	}

	if other := c.from[item]; other != "" && other != from {
		return fmt.Errorf("%s comes from %s already: keep one", item, other)
	}

	c.from[item] = from
	c.brought[kind] = true
	c.files[target] = data

	return nil
}

// links are the folders that the role's programs may write to.
func (c *collection) links() []Link {
	var links []Link

	for _, name := range c.manifest.WritableNames() {
		where := c.manifest.Code.Writable

		links = append(links, Link{
			Path:  path.Join(where.Path, name),
			At:    path.Join(where.At, name),
			Owner: where.Owner,
		})
	}

	return links
}

// leaveOut drops what code has in folders that programs write to: it would not stay as it was baked.
func (c *collection) leaveOut(links []Link) {
	for _, link := range links {
		maps.DeleteFunc(c.files, func(name string, _ []byte) bool {
			return name == link.Path || strings.HasPrefix(name, link.Path+"/")
		})
	}
}

func (c *collection) sorted() []File {
	var files []File

	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		files = append(files, File{
			Path: name,
			Data: c.files[name],
		})
	}

	return files
}

// clear lists what is removed from the image's own, where the stack brings what takes its place.
func (c *collection) clear() []string {
	var paths []string

	for _, kind := range slices.Sorted(maps.Keys(c.brought)) {
		folder := c.manifest.Code.Folders[kind]

		for _, name := range folder.Clear {
			paths = append(paths, path.Join(folder.Path, name))
		}
	}

	return paths
}
