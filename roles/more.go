package roles

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/hornero/hornero/internal/report"
)

// MoreFile is what a folder of a role says beside its manifest: so a stack adds to a built-in role, whose manifest it
// has no copy of.
const MoreFile = "more.yaml"

// More is a role's more.yaml.
type More struct {
	Packages map[string][]string   `yaml:"packages"` // more of them, by release or "all"
	Secrets  map[string]SecretRule `yaml:"secrets"`  // more of them, for templates that the stack replaces
	// Code are archives by the kind of code that is in them.
	Code map[string][]Archive `yaml:"code"`
	// Writable are folders that the role's programs may write to, below code.writable.path of the manifest.
	Writable []string `yaml:"writable"`

	folder Folder
	doc    *report.Document
}

// Archive is a zip of code: a file in the role's folder, or an address.
type Archive struct {
	File   string `yaml:"file"`   // in the role's folder
	URL    string `yaml:"url"`    // where the machine that bakes gets it from
	SHA256 string `yaml:"sha256"` // of the archive, in hex
	// Name is what its folder is called in the image; default as in the archive.
	Name string `yaml:"name"`
	// Omit names files and folders of it that are not baked.
	Omit []string `yaml:"omit"`

	// Kind is the kind of code that it is, and Place where it stands in more.yaml.
	Kind  string `yaml:"-"`
	Place string `yaml:"-"`
	// folder is that of the more.yaml that names it.
	folder Folder
}

// Data reads the archive in its role's folder.
func (a Archive) Data() ([]byte, error) { return fs.ReadFile(a.folder.FS, a.File) }

// loadMore reads a folder's more.yaml, if there is one.
func loadMore(fsys fs.FS, folder Folder) (*More, error) {
	name := path.Join(folder.Name, MoreFile)

	data, err := fs.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}

	if err != nil {
		return nil, fmt.Errorf("read role %s: %w", folder.Name, err)
	}

	doc, err := report.Parse(name, data)
	if err != nil {
		return nil, err
	}

	more := &More{folder: folder, doc: doc}
	doc.Decode(more)
	more.check()

	return more, doc.Problems()
}

// check looks at what the file itself says.
func (m *More) check() {
	(&Manifest{Secrets: m.Secrets}).checkSecrets(m.doc)

	for _, kind := range slices.Sorted(maps.Keys(m.Code)) {
		for i := range m.Code[kind] {
			archive := &m.Code[kind][i]
			at := fmt.Sprintf("code.%s[%d]", kind, i)

			archive.Kind = kind
			archive.Place = path.Join(m.folder.Name, MoreFile) + ": " + at
			archive.folder = m.folder
			archive.check(m.doc, at)
		}
	}

	for i, name := range m.Writable {
		if !fs.ValidPath(name) || !imagePath.MatchString("/"+name) {
			m.doc.Add(fmt.Sprintf("writable[%d]", i), "must be a folder's name, as in cache, got %q", name)
		}
	}
}

func (a Archive) check(doc *report.Document, at string) {
	a.checkOrigin(doc, at)

	if sum, err := hex.DecodeString(a.SHA256); err != nil || len(sum) != 32 {
		doc.Add(at+".sha256", "must be the archive's SHA-256 in hex, as sha256sum prints it, got %q", a.SHA256)
	}

	if a.Name != "" && (!CodeName(a.Name) || strings.HasPrefix(a.Name, ".")) {
		doc.Add(at+".name", "must be a folder's name, got %q", a.Name)
	}

	for i, name := range a.Omit {
		if !fs.ValidPath(name) || name == "." {
			doc.Add(fmt.Sprintf("%s.omit[%d]", at, i), "must be a path in the archive's folder, got %q", name)
		}
	}
}

func (a Archive) checkOrigin(doc *report.Document, at string) {
	if (a.File == "") == (a.URL == "") {
		doc.Add(at, "must have file or url, and not both")
	}

	if a.File != "" && (!fs.ValidPath(a.File) || a.File == ".") {
		doc.Add(at+".file", "must be a path inside of the role's folder, got %q", a.File)
	}

	if address, err := url.Parse(a.URL); a.URL != "" && (err != nil || !onTheWeb(address)) {
		doc.Add(at+".url", "must be an address, as in https://downloads.example.org/shop-1.2.zip, got %q", a.URL)
	}
}

func onTheWeb(address *url.URL) bool {
	return address.Host != "" && (address.Scheme == "http" || address.Scheme == "https")
}

// addMore makes what the file beside the manifest says part of the manifest.
func (m *Manifest) addMore(fsys fs.FS) error {
	more, err := loadMore(fsys, m.folders[0])
	if err != nil || more == nil {
		return err
	}

	m.more = []*More{more}
	m.Packages = mergeLists(m.Packages, more.Packages)
	m.Secrets = mergeMaps(m.Secrets, more.Secrets)

	return nil
}

// checkMore holds what the files say to the whole manifest: a kind of code may be a piece's.
func (m *Manifest) checkMore() report.Problems {
	var problems report.Problems

	for _, more := range m.more {
		for _, kind := range slices.Sorted(maps.Keys(more.Code)) {
			if !slices.Contains(m.kinds(), kind) {
				more.doc.AddKey("code."+kind, "%s", m.noSuchKind(kind))
			}
		}

		if len(more.Writable) > 0 && (m.Code == nil || m.Code.Writable == nil) {
			more.doc.AddKey("writable", "the role has no place for folders that may be written to")
		} else {
			m.checkWritable(more)
		}

		found, _ := report.Of(more.doc.Problems())
		problems = append(problems, found...)
	}

	return problems
}

// checkWritable keeps programs from writing to the whole of what is code.
func (m *Manifest) checkWritable(more *More) {
	for i, name := range more.Writable {
		link := path.Join(m.Code.Writable.Path, name)

		for _, kind := range m.kinds() {
			folder := m.Code.Folders[kind].Path

			if folder != m.Code.Writable.Path && strings.HasPrefix(folder+"/", link+"/") {
				more.doc.Add(fmt.Sprintf("writable[%d]", i), "holds the %s, which are code: name a folder in it", kind)
			}
		}
	}
}

func (m *Manifest) noSuchKind(kind string) string {
	kinds := m.kinds()
	if len(kinds) == 0 {
		return "the role takes no code of a stack's own"
	}

	if near := report.Nearest(kind, kinds); near != "" {
		return fmt.Sprintf("there is no code of this kind; did you mean %q?", near)
	}

	return "must be one of " + strings.Join(kinds, ", ")
}

// Archives are the archives that the role's more.yaml names, and those of its pieces before them.
func (m *Manifest) Archives() []Archive {
	var all []Archive

	for _, more := range m.more {
		for _, kind := range slices.Sorted(maps.Keys(more.Code)) {
			all = append(all, more.Code[kind]...)
		}
	}

	return all
}

// WritableNames are the folders that the role's programs may write to, below code.writable.path.
func (m *Manifest) WritableNames() []string {
	var names []string

	for _, more := range m.more {
		for _, name := range more.Writable {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}

	return names
}
