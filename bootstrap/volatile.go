package bootstrap

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/hornero/hornero/roles"
)

// place is where a template's file lies: at its path, or on a tmpfs with a link at its path.
func (a *Agent) place(template roles.Template) string {
	if template.Volatile {
		return filepath.Join(a.Volatile, template.Path)
	}

	return template.Path
}

// linked tells what is wrong with the link at a volatile file's path.
func (a *Agent) linked(template roles.Template) error {
	if !template.Volatile {
		return nil
	}

	target, err := os.Readlink(template.Path)
	if err == nil && target != a.place(template) {
		err = fmt.Errorf("%s leads to %s", template.Path, target)
	}

	return err
}

// link puts the link to a volatile file at its path, in place of what a package or a disk's earlier life has there.
func (a *Agent) link(template roles.Template) error {
	if a.linked(template) == nil {
		return nil
	}

	if err := os.MkdirAll(filepath.Dir(template.Path), 0o755); err != nil {
		return fmt.Errorf("link %s: %w", template.Path, err)
	}

	beside := filepath.Join(
		filepath.Dir(template.Path),
		"."+filepath.Base(template.Path)+".hornero",
	)

	if err := os.Remove(beside); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("link %s: %w", template.Path, err)
	}

	if err := os.Symlink(a.place(template), beside); err != nil {
		return fmt.Errorf("link %s: %w", template.Path, err)
	}

	if err := os.Rename(beside, template.Path); err != nil {
		return fmt.Errorf("link %s: %w", template.Path, err)
	}

	return nil
}
