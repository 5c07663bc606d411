package builder

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/hornero/hornero/builder/code"
	"github.com/hornero/hornero/roles"
)

// readCode reads the stack's own code. It may fetch archives: only a bake needs it, the digest has their sums.
func (r *Recipe) readCode(ctx context.Context) error {
	cache, err := code.DefaultCache()
	if err != nil {
		return err
	}

	for _, manifest := range r.newManifests() {
		found, err := code.Read(ctx, manifest, cache)
		if err != nil {
			return err
		}

		r.code.Files = append(r.code.Files, found.Files...)
		r.code.Clear = append(r.code.Clear, found.Clear...)
		r.code.Links = append(r.code.Links, found.Links...)
	}

	return nil
}

// wholePayload is the payload with the stack's own code in it.
func (r *Recipe) wholePayload(ctx context.Context) ([]byte, error) {
	if err := r.readCode(ctx); err != nil {
		return nil, err
	}

	return r.payload()
}

// codeLists are the lists that the machine goes by: what is removed, and where programs may write.
func (r Recipe) codeLists() map[string][]byte {
	var links []string

	for _, link := range r.code.Links {
		user, group, _ := strings.Cut(link.Owner, ":")

		links = append(links, fmt.Sprintf(
			"%s %s %s %s",
			user,
			group,
			link.At,
			link.Path,
		))
	}

	return map[string][]byte{
		"code.clear": lines(r.code.Clear),
		"code.links": lines(links),
	}
}

// packCode packs the code as it is unpacked at the root: thousands of files, one program.
func packCode(files []installed) ([]byte, error) {
	parts := map[string][]byte{}

	for _, file := range files {
		parts[strings.TrimPrefix(file.path, "/")] = file.data
	}

	if len(parts) == 0 {
		return nil, nil
	}

	return archive(parts, 0o644)
}

// addRole adds the folders of a role, without the stack's own code in them.
func addRole(parts map[string][]byte, prefix string, manifest *roles.Manifest) error {
	for _, folder := range manifest.Folders() {
		own := withoutCode{
			FS:       folder.FS,
			manifest: manifest,
		}

		if err := addFolder(parts, path.Join(prefix, folder.Name), own); err != nil {
			return fmt.Errorf("read role %s: %w", folder.Name, err)
		}
	}

	return nil
}

// withoutCode is a role's folder that does not list the code in it.
type withoutCode struct {
	fs.FS

	manifest *roles.Manifest
}

// ReadDir lists a folder (fs.ReadDirFS).
func (w withoutCode) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(w.FS, name)
	if err != nil {
		return nil, err
	}

	var listed []fs.DirEntry

	for _, entry := range all {
		if entry.IsDir() || !w.manifest.IsCode(path.Join(name, entry.Name())) {
			listed = append(listed, entry)
		}
	}

	return listed, nil
}

// addCode adds the code of a role to what a digest is over: a sum for each item of it, as for each plugin.
func addCode(parts map[string][]byte, manifest *roles.Manifest) error {
	files, err := manifest.CodeFiles()
	if err != nil {
		return err
	}

	items := map[string]map[string][]byte{}

	for _, file := range files {
		top, _, _ := strings.Cut(file.Name, "/")
		item := path.Join("code", file.Kind, top)

		if items[item] == nil {
			items[item] = map[string][]byte{}
		}

		items[item][file.Name] = file.Data
	}

	for item, files := range items {
		parts[item] = []byte(Digest(files))
	}

	return nil
}
