package roles

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"

	"github.com/hornero/hornero/internal/report"
)

// Common is the abstract role that is part of every image.
const Common = "common"

//go:embed arbitrator cache common database-client db edge galera-certificate haproxy media nginx node-certificate php-fpm proxy web
var embedded embed.FS

// Embedded returns the role folders that come with Hornero.
func Embedded() fs.FS { return embedded }

// LoadDir reads every role.yaml one folder deep. All problems of all manifests come back together, as
// report.Problems.
func LoadDir(fsys fs.FS) (map[string]*Manifest, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}

	all := directory{manifests: map[string]*Manifest{}}

	for _, entry := range entries {
		// A socket or a pipe is nobody's role, and is not opened.
		if !entry.IsDir() && entry.Type()&fs.ModeSymlink == 0 {
			continue
		}

		// Asked of the folder and not of its entry: a link to a folder is one.
		info, err := fs.Stat(fsys, entry.Name())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read roles: %w", err)
		}

		if err != nil || !info.IsDir() {
			continue
		}

		if err := all.load(fsys, entry.Name()); err != nil {
			return nil, err
		}
	}

	all.check()

	return all.manifests, all.problems.Err()
}

// Load reads the manifest of one role's folder, with all that it includes.
func Load(fsys fs.FS, folder string) (*Manifest, error) {
	manifest, err := load(fsys, folder, nil)
	manifest.forget()

	return manifest, err
}

// load reads a manifest; including names the folders that include it, the outermost first.
func load(fsys fs.FS, folder string, including []string) (*Manifest, error) {
	name := path.Join(folder, "role.yaml")
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("read role %s: %w", folder, err)
	}

	doc, err := report.Parse(name, data)
	if err != nil {
		return nil, err
	}

	manifest := &Manifest{}
	doc.Decode(manifest)

	// The folder is needed first: the check looks for the files that the manifest names.
	if err := manifest.open(fsys, folder); err != nil {
		return nil, err
	}

	// What it includes comes before its check: a file may be in a piece's folder.
	pieces, err := manifest.loadPieces(doc, fsys, including)
	if problems, ok := report.Of(err); ok {
		own, _ := report.Of(doc.Problems())
		return nil, append(own, problems...)
	}

	if err != nil {
		return nil, err
	}

	manifest.check(doc, folder)
	manifest.checkValues(doc)
	manifest.place()

	// Half a manifest would be told of what its missing half declares.
	if err := doc.Problems(); err != nil {
		return nil, err
	}

	if err := manifest.addMore(fsys); err != nil {
		return nil, err
	}

	own := *manifest
	own.doc = doc

	for _, piece := range slices.Backward(pieces) {
		manifest.include(piece)
	}

	manifest.parts = append(pieces, &own)
	manifest.complete()

	if err := manifest.checkWhole(doc, &own); err != nil {
		return nil, err
	}

	// Not in a piece: a role that includes it watches itself, not the piece.
	if len(including) == 0 {
		manifest.watchItself()
	}

	return manifest, nil
}

// watchItself puts the role's name in the place of "self".
func (m *Manifest) watchItself() {
	for word, role := range m.Watches {
		if role == FromSelf {
			m.Watches = mergeMaps(m.Watches, map[string]string{word: m.Name})
		}
	}
}

// forget lets go of the files that the manifest was read from.
func (m *Manifest) forget() {
	if m == nil {
		return
	}

	for _, part := range m.parts {
		part.doc = nil
	}
}

// open gives the manifest its folder.
func (m *Manifest) open(fsys fs.FS, name string) error {
	sub, err := fs.Sub(fsys, name)
	if err != nil {
		return fmt.Errorf("read role %s: %w", name, err)
	}

	m.folders = []Folder{{Name: name, FS: sub}}

	return nil
}

// place gives each of the manifest's own files the folder that it is in: the role's own, or a piece's.
func (m *Manifest) place() {
	for i, file := range m.Files {
		m.Files[i].folder = m.holder(file.Source)
	}

	for i, template := range m.Templates {
		m.Templates[i].folder = m.holder(template.Source)
	}
}

// holder is the first folder that has a file: the role's own when none has.
func (m *Manifest) holder(source string) Folder {
	for _, folder := range m.folders {
		if info, err := fs.Stat(folder.FS, source); err == nil && !info.IsDir() {
			return folder
		}
	}

	return m.folders[0]
}

// complete fills in what was left to the defaults.
func (m *Manifest) complete() {
	for i := range m.Databases {
		m.Databases[i].complete()
	}
}

// Folders are the role's own folder and those of its pieces.
func (m *Manifest) Folders() []Folder { return slices.Clone(m.folders) }

// Data reads the file in the folder of its role.
func (f File) Data() ([]byte, error) { return fs.ReadFile(f.folder.FS, f.Source) }

// File names the file in the folder of roles.
func (f File) File() string { return path.Join(f.folder.Name, f.Source) }

// Text reads the template in the folder of its role.
func (t Template) Text() ([]byte, error) { return fs.ReadFile(t.folder.FS, t.Source) }

// File names the template's file in the folder of roles.
func (t Template) File() string { return path.Join(t.folder.Name, t.Source) }

// ParseMode reads an octal file mode; an empty one is fallback.
func ParseMode(mode string, fallback fs.FileMode) (fs.FileMode, error) {
	if mode == "" {
		return fallback, nil
	}

	// Twelve bits: permissions, setuid, setgid and sticky.
	bits, err := strconv.ParseUint(mode, 8, 12)
	if err != nil {
		return 0, fmt.Errorf("read mode %q: %w", mode, err)
	}

	return fs.FileMode(bits), nil
}

// Deployable returns the roles that a Droplet can have, by name.
func Deployable(manifests map[string]*Manifest) []*Manifest {
	list := slices.Collect(maps.Values(manifests))
	list = slices.DeleteFunc(list, func(m *Manifest) bool { return m.Abstract })
	slices.SortFunc(list, func(a, b *Manifest) int {
		return cmp.Compare(a.Name, b.Name)
	})

	return list
}
