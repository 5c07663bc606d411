package code

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/hornero/hornero/roles"
)

// What an archive may unpack to: a shop with everything is a quarter of either.
const maxFiles = 50_000

// maxBytes is a variable for the sake of its test.
var maxBytes int64 = 512 << 20

// encrypted is the bit of a zip entry's flags that says that a password is needed (PKWARE's APPNOTE, 4.4.4).
const encrypted = 0x1

var (
	errNoFiles     = errors.New("it has no files to bake")
	errSeveralTops = errors.New("it has several files or folders at its top: say with name what their folder is called")
)

// unzip reads an archive: its files by their names in the folder of their kind. A zip is somebody else's: what would be
// written outside of that folder, or could be read two ways, is refused.
func unzip(data []byte, archive roles.Archive, kind roles.CodeFolder) (map[string][]byte, error) {
	reader, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))

	// The reader warns of such names and goes on; they are told of below, by name.
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, fmt.Errorf("read the archive: %w", err)
	}

	if len(reader.File) > maxFiles {
		return nil, fmt.Errorf("it has %d files, more than %d", len(reader.File), maxFiles)
	}

	entries, err := plainFiles(reader.File)
	if err != nil {
		return nil, err
	}

	inside, prefix, err := placing(entries, archive, kind.Flat)
	if err != nil {
		return nil, err
	}

	files := map[string][]byte{}
	left := maxBytes

	for _, entry := range entries {
		name := strings.TrimPrefix(entry.Name, inside)

		if omitted(name, archive.Omit) || kind.Flat && omitted(name, kind.Keep) {
			continue
		}

		read, err := contents(entry, left)
		if err != nil {
			return nil, err
		}

		left -= int64(len(read))
		files[path.Join(prefix, name)] = read
	}

	if len(files) == 0 {
		return nil, errNoFiles
	}

	return files, nil
}

// plainFiles are the archive's files, without hidden ones. Anything else than files and folders is refused.
func plainFiles(all []*zip.File) ([]*zip.File, error) {
	var kept []*zip.File

	seen := map[string]bool{}
	folders := map[string]bool{}

	for _, entry := range all {
		folder := strings.HasSuffix(entry.Name, "/")
		name := strings.TrimSuffix(entry.Name, "/")

		if err := checkEntry(entry, name, folder); err != nil {
			return nil, fmt.Errorf("%q %w", entry.Name, err)
		}

		if folder || hidden(name) {
			continue
		}

		if seen[name] {
			return nil, fmt.Errorf("%q is in it twice", name)
		}

		seen[name] = true
		kept = append(kept, entry)

		for parent := path.Dir(name); parent != "."; parent = path.Dir(parent) {
			folders[parent] = true
		}
	}

	for name := range seen {
		if folders[name] {
			return nil, fmt.Errorf("%q is a file and a folder in it", name)
		}
	}

	return kept, nil
}

func checkEntry(entry *zip.File, name string, folder bool) error {
	if !fs.ValidPath(name) || name == "." {
		return errors.New("would be written outside of its folder, or is no clean path")
	}

	for part := range strings.SplitSeq(name, "/") {
		if !roles.CodeName(part) {
			return roles.ErrCodeName
		}
	}

	// A folder of which the mode says something else is as suspicious as a link.
	kind := entry.Mode().Type()
	if folder && kind != fs.ModeDir || !folder && kind != 0 {
		return roles.ErrCodeLink
	}

	if entry.Flags&encrypted != 0 {
		return errors.New("is encrypted")
	}

	return nil
}

// hidden tells whether a file is none of the code's: version control, what a Mac adds.
func hidden(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool {
		return strings.HasPrefix(part, ".") || part == "__MACOSX"
	})
}

// placing says what the files' names begin with in the archive, and what they are to begin with in the image.
func placing(entries []*zip.File, archive roles.Archive, flat bool) (inside, prefix string, err error) {
	if len(entries) == 0 {
		return "", "", errNoFiles
	}

	top := commonTop(entries)
	if top != "" {
		inside = top + "/"
	}

	switch {
	case flat && archive.Name != "":
		return "", "", errors.New("has a name, and code of this kind has no folder of its own: leave the name out")

	case flat:
		return inside, "", nil

	case archive.Name != "":
		return inside, archive.Name, nil

	case top == "":
		return "", "", errSeveralTops
	}

	return inside, top, nil
}

// commonTop is the one folder that all files are in, or nothing.
func commonTop(entries []*zip.File) string {
	common := ""

	for _, entry := range entries {
		top, _, deeper := strings.Cut(entry.Name, "/")

		if !deeper || common != "" && common != top {
			return ""
		}

		common = top
	}

	return common
}

func omitted(name string, list []string) bool {
	return slices.ContainsFunc(list, func(omit string) bool {
		return name == omit || strings.HasPrefix(name, omit+"/")
	})
}

// contents reads a file, and no more than what is left: the size that a zip tells may be a lie.
func contents(entry *zip.File, left int64) ([]byte, error) {
	packed, err := entry.Open()
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", entry.Name, err)
	}
	defer packed.Close()

	data, err := io.ReadAll(io.LimitReader(packed, left+1))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", entry.Name, err)
	}

	if int64(len(data)) > left {
		return nil, fmt.Errorf("it unpacks to more than %d MB", maxBytes>>20)
	}

	return data, nil
}
