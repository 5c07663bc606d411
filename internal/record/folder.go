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

// Folder is a folder of image records on this computer, one file an image: NAME.ID.json, and NAME.json from when the image
// passed its self-test until it has its number. Several computers' files may be put together in one.
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
		return "", fmt.Errorf("find the folder of image records: %w: set XDG_DATA_HOME, or name the folder", err)
	}
	return Folder(filepath.Join(home, ".local", "share", "hornero", "images")), nil
}

// ImageName is what the image of a role is called; a digest's first twelve digits are enough.
func ImageName(role, release, digest string) string {
	return fmt.Sprintf("hornero-%s-%s-%s", role, release, digest[:min(12, len(digest))])
}

func (f Folder) path(name string, id int) string {
	if id == 0 {
		return filepath.Join(string(f), name+".json")
	}
	return filepath.Join(string(f), fmt.Sprintf("%s.%d.json", name, id))
}

// Keep writes a record whose image has no number yet.
func (f Folder) Keep(name string, data []byte) error {
	_, err := file.Write(f.path(name, 0), data, file.Options{Mode: 0o644})
	return err
}

// KeepAs writes the record of an image that is there.
func (f Folder) KeepAs(name string, id int, data []byte) error {
	_, err := file.Write(f.path(name, id), data, file.Options{Mode: 0o644})
	return err
}

// Publish gives the record that Keep wrote its image's number. A bake that kept none has none to number.
func (f Folder) Publish(name string, id int) error {
	err := os.Rename(f.path(name, 0), f.path(name, id))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep the record of image %d: %w", id, err)
	}
	return nil
}

// File is where the record of an image lies; empty when there is none.
func (f Folder) File(name string, id int) string {
	if _, err := os.Stat(f.path(name, id)); err != nil {
		return ""
	}
	return f.path(name, id)
}

// Read reads the record of an image.
func (f Folder) Read(name string, id int) (Image, error) {
	data, err := os.ReadFile(f.path(name, id))
	if errors.Is(err, fs.ErrNotExist) {
		return Image{}, fmt.Errorf("%w: %s", ErrNoRecord, f.path(name, id))
	}
	if err != nil {
		return Image{}, fmt.Errorf("read the record of image %d: %w", id, err)
	}
	return Parse(data)
}

// Forget removes the record of an image that is deleted.
func (f Folder) Forget(name string, id int) error {
	if err := os.Remove(f.path(name, id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the record of image %d: %w", id, err)
	}
	return nil
}

// Parse reads a record.
func Parse(data []byte) (Image, error) {
	var image Image
	if err := json.Unmarshal(data, &image); err != nil {
		return Image{}, fmt.Errorf("read image record: %w", err)
	}
	if image.Version < 1 || image.Digest == "" {
		return Image{}, fmt.Errorf("read image record: it names no version and digest")
	}
	return image, nil
}
