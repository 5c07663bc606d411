package record

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// ContentsPath is where every image has the list of all its files.
const ContentsPath = "/usr/lib/hornero/contents.gz"

// Contents is all that is on an image's root file system: by path, what is there. Of a file that is the
// SHA-256, mode and owner; of a link its target. Times are not in it.
type Contents map[string]string

// Pack writes the list as it lies in an image: JSON, its names in order, in gzip. The same list gives the same bytes.
func (c Contents) Pack() ([]byte, error) {
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)

	if err := json.NewEncoder(packed).Encode(c); err != nil {
		return nil, fmt.Errorf("pack the list of files: %w", err)
	}

	if err := packed.Close(); err != nil {
		return nil, fmt.Errorf("pack the list of files: %w", err)
	}

	return out.Bytes(), nil
}

// maxContents bounds what a list may unpack to, in bytes: a Debian with everything is some ten of them.
const maxContents = 256 << 20

// UnpackContents reads what Pack wrote.
func UnpackContents(data []byte) (Contents, error) {
	packed, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read the list of files: %w", err)
	}

	var contents Contents

	// The list comes from a machine: a few bytes of gzip can unpack to any size.
	if err := json.NewDecoder(io.LimitReader(packed, maxContents)).Decode(&contents); err != nil {
		return nil, fmt.Errorf("read the list of files: %w", err)
	}

	return contents, nil
}

// ReadPaths reads the paths of a packed list, one after another: a whole list takes megabytes of memory.
func ReadPaths(list io.Reader, visit func(path string)) error {
	packed, err := gzip.NewReader(list)
	if err != nil {
		return fmt.Errorf("read the list of files: %w", err)
	}

	// Token by token: nodes read this list beside their daemons.
	tokens := json.NewDecoder(io.LimitReader(packed, maxContents))

	if _, err := tokens.Token(); err != nil {
		return fmt.Errorf("read the list of files: %w", err)
	}

	for tokens.More() {
		path, err := tokens.Token()
		if err != nil {
			return fmt.Errorf("read the list of files: %w", err)
		}

		if _, err := tokens.Token(); err != nil { // what is there
			return fmt.Errorf("read the list of files: %w", err)
		}

		if text, ok := path.(string); ok {
			visit(text)
		}
	}

	if _, err := tokens.Token(); err != nil { // the closing brace: a list that ends before it is torn
		return fmt.Errorf("read the list of files: %w", err)
	}

	return nil
}

// Varying are the paths that no two bakes have alike, and why. The record names them; a pattern is
// path.Match's, and one that ends in "/" is for all below.
func Varying() map[string]string {
	return map[string]string{
		Path:         "built_at is the moment of the bake",
		SBOMPath:     "its timestamp and serial number are of the moment of the bake",
		ContentsPath: "it holds the digests of the others",
	}
}

// DiffContents tells what differs between two images' files, and which of that both records name as varying.
func DiffContents(from, to Image, fromAll, toAll Contents) (differ, expected []Change) {
	differ = []Change{}
	expected = []Change{}

	for _, change := range changes(fromAll, toAll) {
		if varies(from.Varies, change.Name) && varies(to.Varies, change.Name) {
			expected = append(expected, change)
			continue
		}

		differ = append(differ, change)
	}

	return differ, expected
}

func varies(named map[string]string, file string) bool {
	_, exact := named[file]
	if exact {
		return true
	}

	// Names are compared first: a path may itself have a pattern's characters.
	patterns := make([]string, 0, len(named))

	for pattern := range named {
		patterns = append(patterns, pattern)
	}

	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if strings.HasSuffix(pattern, "/") {
			return strings.HasPrefix(file, pattern)
		}

		matches, err := path.Match(pattern, file)

		return err == nil && matches
	})
}
