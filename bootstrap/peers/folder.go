package peers

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"

	"github.com/hornero/hornero/internal/file"
)

// Known tells whether a folder holds a member that once joined or founded, or is to be given one that was rebuilt.
func Known(dir string) bool {
	_, err := os.Stat(dir + rebuilt)
	return err == nil || known(dir)
}

func known(dir string) bool {
	// go-dqlite writes one file after the other, so a crash may leave the first alone.
	for _, name := range []string{"info.yaml", "cluster.yaml"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}

	// go-dqlite's app keeps this file until the member is in.
	_, joining := os.Stat(filepath.Join(dir, "join"))

	return joining != nil && !eraTorn(dir)
}

// prepare removes what a crash between the two identity files left: dqlite's app rejects one without the other.
func prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}

	if known(dir) {
		return nil
	}

	// A founder that lost its whole folder with the power would found again.
	if err := file.Sync(filepath.Dir(dir)); err != nil {
		return err
	}

	if eraTorn(dir) {
		if err := SetAside(dir); err != nil {
			return err
		}

		return os.Mkdir(dir, 0o700)
	}

	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}

	// What is left is of a join that did not come to its end. The member joins anew.
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}

	return nil
}

// SetAside puts a member's folder out of the way, so that it joins anew. Only the last one is kept.
func SetAside(dir string) error {
	if err := os.RemoveAll(dir + lost); err != nil {
		return err
	}

	return errors.Join(os.Rename(dir, dir+lost), file.Sync(filepath.Dir(dir)))
}

func readYAML(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}

	if err := yaml.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}

	return nil
}

// copyFolder copies the files of a flat folder.
func copyFolder(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}

	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}

		name := entry.Name()

		// A running member removes segments of its log that newer ones replace.
		err := copyFile(filepath.Join(from, name), filepath.Join(to, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}

	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()

	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}

	_, err = io.Copy(out, in)

	return errors.Join(err, out.Close())
}

func syncFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}

	var errs []error

	for _, entry := range entries {
		errs = append(errs, file.Sync(filepath.Join(dir, entry.Name())))
	}

	return errors.Join(append(errs, file.Sync(dir))...)
}
