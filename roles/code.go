package roles

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hornero/hornero/internal/report"
)

// Code is where code of a stack's own goes in the image.
type Code struct {
	// Folders are the kinds of it, by name. What is in a folder of that name beside the manifest is baked, and the
	// archives that more.yaml names under code.
	Folders map[string]CodeFolder `yaml:"folders"`
	// Writable is where the folders stand that more.yaml names under writable; nil: it may name none.
	Writable *WritableFolders `yaml:"writable"`
	// Inventory prints what there is in the image, as a list in JSON: kind, name, version, license. It says on
	// standard error what is wrong with it, and exits 1: the bake ends then.
	Inventory []string `yaml:"inventory"`
}

// CodeFolder is where one kind of code goes.
type CodeFolder struct {
	Path string `yaml:"path"` // in the image
	Help string `yaml:"help"` // what it is, a line
	// Flat says that files stand in the folder itself; otherwise each item is a folder in it.
	Flat bool `yaml:"flat"`
	// Clear names what is removed of the folder before, where the stack brings any: it takes the place of that.
	Clear []string `yaml:"clear"`
	// Keep names what stays as the image has it, whatever an archive has of it.
	Keep []string `yaml:"keep"`
}

// WritableFolders is where the programs of a role may write, though their code stands in a read-only folder: links lead
// out of it.
type WritableFolders struct {
	Path  string `yaml:"path"`  // below it stand the links
	At    string `yaml:"at"`    // below it are the folders, outside of /usr
	Owner string `yaml:"owner"` // user:group of the folders
}

// Sentinels of code that is not baked.
var (
	ErrCodeLink = errors.New("is a link or no plain file; code is baked as plain files: put the files themselves there")
	ErrCodeName = errors.New("has a name that is not baked: no backslash and no control character")
)

// CodeName tells whether a file or a folder of code may be called so: in UTF-8, without control characters and
// backslashes, at most 255 bytes (what file systems take).
func CodeName(name string) bool {
	const forbidden = "/\\\x7f"

	fits := name != "" && name != "." && name != ".." && len(name) <= 255
	control := func(r rune) bool { return r < ' ' }

	return fits && utf8.ValidString(name) &&
		!strings.ContainsAny(name, forbidden) && !strings.ContainsFunc(name, control)
}

// imagePath is a path that a line of a list and a shell read alike.
var imagePath = regexp.MustCompile(`^(/[A-Za-z0-9_][A-Za-z0-9._+-]*)+$`)

// ownerForm is a file's user and group.
var ownerForm = regexp.MustCompile(`^[a-z_][a-z0-9_-]*:[a-z_][a-z0-9_-]*$`)

func (m *Manifest) checkCode(doc *report.Document) {
	if m.Code == nil {
		return
	}

	for _, kind := range slices.Sorted(maps.Keys(m.Code.Folders)) {
		at := "code.folders." + kind

		if !limitName.MatchString(kind) {
			doc.Add(at, "must be lower-case words and hyphens, got %q", kind)
		}

		m.Code.Folders[kind].check(doc, at)
	}

	if m.Code.Writable != nil {
		m.Code.Writable.check(doc, "code.writable")
	}
}

func (f CodeFolder) check(doc *report.Document, at string) {
	checkImagePath(doc, at+".path", f.Path)

	for key, names := range map[string][]string{"clear": f.Clear, "keep": f.Keep} {
		for i, name := range names {
			if !CodeName(name) {
				doc.Add(fmt.Sprintf("%s.%s[%d]", at, key, i), "must be a name in the folder, got %q", name)
			}
		}
	}
}

func (w WritableFolders) check(doc *report.Document, at string) {
	checkImagePath(doc, at+".path", w.Path)
	checkImagePath(doc, at+".at", w.At)

	if strings.HasPrefix(w.At, "/usr/") {
		doc.Add(at+".at", "must be outside of /usr, which is read-only on a node, got %q", w.At)
	}

	if !ownerForm.MatchString(w.Owner) {
		doc.Add(at+".owner", "must be user:group, got %q", w.Owner)
	}
}

func checkImagePath(doc *report.Document, at, name string) {
	if path.Clean(name) != name || !imagePath.MatchString(name) {
		doc.Add(at, "must be a clean absolute path of letters, digits and ._+-, got %q", name)
	}
}

// includeCode makes a piece's code part of the manifest: a kind of the same name stays as the manifest has it.
func (m *Manifest) includeCode(piece *Manifest) {
	m.more = slices.Concat(piece.more, m.more)

	if m.Code == nil {
		m.Code = piece.Code
		return
	}

	if piece.Code == nil {
		return
	}

	whole := *m.Code
	whole.Folders = mergeMaps(piece.Code.Folders, whole.Folders)

	if whole.Writable == nil {
		whole.Writable = piece.Code.Writable
	}

	if whole.Inventory == nil {
		whole.Inventory = piece.Code.Inventory
	}

	m.Code = &whole
}

// kinds are the names of the code's folders.
func (m *Manifest) kinds() []string {
	if m.Code == nil {
		return nil
	}

	return slices.Sorted(maps.Keys(m.Code.Folders))
}

// IsCode tells whether a file in a folder of the role is of the stack's own code: that is baked where its kind says,
// and not with the role. What the manifest names as a file or a template is the role's, wherever it lies.
func (m *Manifest) IsCode(name string) bool {
	top, _, inside := strings.Cut(name, "/")
	ofKind := inside && slices.Contains(m.kinds(), top)
	isArchive := func(a Archive) bool { return a.File == name }

	return (ofKind || slices.ContainsFunc(m.Archives(), isArchive)) && !m.names(name)
}

// names tells whether the manifest, or one of its pieces, names a file.
func (m *Manifest) names(source string) bool {
	file := func(f File) bool { return f.Source == source }
	template := func(t Template) bool { return t.Source == source }

	return slices.ContainsFunc(m.parts, func(part *Manifest) bool {
		return slices.ContainsFunc(part.Files, file) || slices.ContainsFunc(part.Templates, template)
	})
}

// CodeFile is a file of the stack's own code that lies in a folder beside the manifest.
type CodeFile struct {
	Kind string
	Name string // in the kind's folder
	Data []byte
}

// CodeFiles reads the code in the role's folders, sorted. Where two folders have a file of one name, the role's own
// goes before a piece's. Hidden files are left out. What is no plain file, or has a name that is not baked, is an
// error.
func (m *Manifest) CodeFiles() ([]CodeFile, error) {
	var files []CodeFile

	for _, kind := range m.kinds() {
		taken := map[string]bool{}

		for _, folder := range m.folders {
			found, err := m.codeIn(folder, kind)
			if err != nil {
				return nil, err
			}

			for _, file := range found {
				if !taken[file.Name] {
					files = append(files, file)
				}

				taken[file.Name] = true
			}
		}
	}

	slices.SortFunc(files, func(a, b CodeFile) int {
		return strings.Compare(a.Kind+"/"+a.Name, b.Kind+"/"+b.Name)
	})

	return files, nil
}

// codeIn reads one folder's code of a kind.
func (m *Manifest) codeIn(folder Folder, kind string) ([]CodeFile, error) {
	// Not every role's folder has one.
	if _, err := fs.Stat(folder.FS, kind); err != nil {
		return nil, nil
	}

	var files []CodeFile

	err := fs.WalkDir(folder.FS, kind, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read code of role %s: %w", folder.Name, err)
		}

		whole := path.Join(folder.Name, name)

		switch {
		case strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}

			return nil

		case !CodeName(entry.Name()):
			return fmt.Errorf("%s: %w", whole, ErrCodeName)
		case entry.IsDir() || m.names(name):
			return nil
		case !entry.Type().IsRegular():
			return fmt.Errorf("%s: %w", whole, ErrCodeLink)
		}

		data, err := fs.ReadFile(folder.FS, name)
		if err != nil {
			return fmt.Errorf("read code of role %s: %w", folder.Name, err)
		}

		files = append(files, CodeFile{
			Kind: kind,
			Name: strings.TrimPrefix(name, kind+"/"),
			Data: data,
		})

		return nil
	})

	return files, err
}
