package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hornero/hornero/internal/file"
)

// Folder is a folder of image records on this computer, two files an image: NAME.ID.json, its record, and
// NAME.ID.contents.gz, the list of all its files; without ".ID" from when the image passed its self-test until
// it has its number. Several computers' files may be put together in one.
type Folder string

// ErrNoRecord is an image whose record is not in the folder.
var ErrNoRecord = errors.New("no record of the image here")

// DefaultFolder is where records are kept when nobody says where (XDG Base Directory Specification).
func DefaultFolder() (Folder, error) {
	if data := os.Getenv("XDG_DATA_HOME"); data != "" {
		return Folder(filepath.Join(data, "hornero", "images")), nil
	}

	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf(
			"find the folder of image records: %w: set XDG_DATA_HOME, or name the folder",
			err,
		)
	}

	return Folder(filepath.Join(home, ".local", "share", "hornero", "images")), nil
}

// ImageName is what the image of a role is called; a digest's first twelve digits are enough.
func ImageName(role, release, digest string) string {
	return fmt.Sprintf("hornero-%s-%s-%s", role, release, digest[:min(12, len(digest))])
}

// The kinds of file. The record is the last to be written, and what tells that there is one.
const (
	recordKind   = ".json"
	contentsKind = ".contents.gz"
	sbomKind     = ".cdx.json"
)

var kinds = []string{sbomKind, contentsKind, recordKind}

func (f Folder) path(name string, id int, kind string) string {
	if id == 0 {
		return filepath.Join(string(f), name+kind)
	}

	return filepath.Join(
		string(f),
		fmt.Sprintf("%s.%d%s", name, id, kind),
	)
}

func (f Folder) write(path string, data []byte) error {
	_, err := file.Write(path, data, file.Options{Mode: 0o644})
	return err
}

// Save writes the record, the list of files and the bill of materials of an image that has no number yet.
func (f Folder) Save(name string, data, contents, bom []byte) error {
	if err := f.write(f.path(name, 0, sbomKind), bom); err != nil {
		return err
	}
	if err := f.write(f.path(name, 0, contentsKind), contents); err != nil {
		return err
	}

	// Last: whoever finds the record finds the rest, too.
	return f.write(f.path(name, 0, recordKind), data)
}

// SaveAs writes the record of an image that is there.
func (f Folder) SaveAs(name string, id int, data []byte) error {
	return f.write(f.path(name, id, recordKind), data)
}

// SaveContentsAs writes the list of files of an image that is there.
func (f Folder) SaveContentsAs(name string, id int, contents []byte) error {
	return f.write(f.path(name, id, contentsKind), contents)
}

// Publish gives what Save wrote its image's number. A bake that saved nothing has nothing to number.
func (f Folder) Publish(name string, id int) error {
	for _, kind := range kinds {
		// In the same order: the record appears under the number when the others have it.
		err := os.Rename(
			f.path(name, 0, kind),
			f.path(name, id, kind),
		)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("keep the record of image %d: %w", id, err)
		}
	}

	return nil
}

// File is where the record of an image lies; empty when there is none.
func (f Folder) File(name string, id int) string {
	path := f.path(name, id, recordKind)
	if _, err := os.Stat(path); err != nil {
		return ""
	}

	return path
}

// Read reads the record of an image.
func (f Folder) Read(name string, id int) (Image, error) {
	data, err := f.read(name, id, recordKind)
	if err != nil {
		return Image{}, err
	}

	return Parse(data)
}

// ReadContents reads the list of an image's files.
func (f Folder) ReadContents(name string, id int) (Contents, error) {
	data, err := f.read(name, id, contentsKind)
	if err != nil {
		return nil, err
	}

	return UnpackContents(data)
}

func (f Folder) read(name string, id int, kind string) ([]byte, error) {
	path := f.path(name, id, kind)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoRecord, path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the record of image %d: %w", id, err)
	}

	return data, nil
}

// Delete removes what the folder has of an image that is deleted.
func (f Folder) Delete(name string, id int) error {
	for _, kind := range kinds {
		// This machine may never have had the record: the image was baked on another.
		if err := os.Remove(f.path(name, id, kind)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the record of image %d: %w", id, err)
		}
	}

	return nil
}

// Parse reads a record.
func Parse(data []byte) (Image, error) {
	var image Image

	if err := json.Unmarshal(data, &image); err != nil {
		return Image{}, fmt.Errorf("read image record: %w", err)
	}

	// Any JSON object would pass so far.
	if image.Version < 1 || image.Digest == "" {
		return Image{}, fmt.Errorf("read image record: it names no version and digest")
	}

	return image, nil
}
