package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"text/template"
)

// scaffold holds the files that `hornero init` and `hornero roles new` write, with places to fill in between << and >>:
// {{ and }} are the roles' own.
//
//go:embed scaffold
var scaffold embed.FS

// fillIn is a file of the scaffold with its places filled in.
func fillIn(name string, values any) ([]byte, error) {
	text, err := fs.ReadFile(scaffold, path.Join("scaffold", name))
	if err != nil {
		return nil, err
	}

	parsed, err := template.New(name).Delims("<<", ">>").Option("missingkey=error").Parse(string(text))
	if err != nil {
		return nil, err
	}

	var filled bytes.Buffer
	err = parsed.Execute(&filled, values)

	return filled.Bytes(), err
}

// writeScaffold writes a file of the scaffold where none is; os.ErrExist says that one is there.
func writeScaffold(name, to string, mode fs.FileMode, values any) error {
	text, err := fillIn(name, values)
	if err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}

	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}

	// O_EXCL: what is there is somebody's work.
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}

	_, err = out.Write(text)

	// Half a file would be in the way of the next try, as on a full disk.
	if err := errors.Join(err, out.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", to, err), os.Remove(to))
	}

	return nil
}
