package bootstrap

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/hornero/hornero/bootstrap/immutable"
	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/roles"
)

// templateFiles are the files that the agent writes from templates. It knows where each lies and how the agent
// left it, and so what somebody else did to it since.
type templateFiles struct {
	volatile string // the folder of files that are to be on no disk
	changed  func() // called after each file that changed
	log      *slog.Logger
	faults   immutable.Faults // a test's

	mu    sync.Mutex                 // held while a file is written and noted, and while all are compared
	notes map[string]*immutable.Note // by template's path
}

func newTemplateFiles(config Config, changed func()) *templateFiles {
	return &templateFiles{
		volatile: config.Volatile,
		changed:  changed,
		log:      config.Log,
		notes:    map[string]*immutable.Note{},
	}
}

// holds tells whether a template's file has this text already.
func (f *templateFiles) holds(template roles.Template, text []byte) bool {
	return file.Holds(f.place(template), text)
}

// write writes a template's file and notes how it leaves it.
func (f *templateFiles) write(template roles.Template, text []byte, mode fs.FileMode) error {
	f.mu.Lock()
	defer f.mu.Unlock()

	// The agent's text takes the file's place. This line is all that is left of what somebody did.
	// An error means that nobody could look.
	if what, _ := f.touched(template, f.notes[template.Path]); what != "" {
		f.log.Warn("a file that somebody touched is written anew",
			"path", template.Path,
			"what", what,
		)
	}

	place := f.place(template)

	changed, err := file.Write(place, text, file.Options{Mode: mode, Owner: template.Owner})
	if err != nil {
		return err
	}

	if changed {
		f.changed()
		f.log.Info("file written", "path", template.Path)
	}

	if err := f.link(template); err != nil {
		return err
	}

	note, err := f.faults.NoteOf(place)
	if err != nil {
		// Half a note would differ from the file for ever.
		delete(f.notes, template.Path)
		return err
	}

	f.notes[template.Path] = &note

	return nil
}

// drift tells what somebody did to these templates' files since the agent wrote them. The error is of the files that
// could not be looked at: those that this node lacked memory, files or a disk for.
func (f *templateFiles) drift(templates []roles.Template) ([]status.Finding, error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	var found []status.Finding
	var unseen error

	for _, template := range templates {
		what, err := f.touched(template, f.notes[template.Path])

		// One stands for all: they have the same cause.
		if err != nil && unseen == nil {
			unseen = fmt.Errorf("look at %s: %w", template.Path, err)
		}

		if what != "" {
			found = append(found, status.Finding{
				Path: template.Path,
				What: what + " since the agent wrote it",
			})
		}
	}

	return found, unseen
}

// touched tells what somebody did to a file since it was noted; "" when nothing, or when there is no note yet. An error
// means that nobody could look.
func (f *templateFiles) touched(template roles.Template, note *immutable.Note) (string, error) {
	if note == nil {
		return "", nil
	}

	now, err := f.faults.NoteOf(f.place(template))

	switch {
	case immutable.IsShortage(err):
		return "", err
	case err != nil:
		return "cannot be read: " + strings.TrimSpace(err.Error()), nil
	}

	if what := note.Since(now); what != "" {
		return what, nil
	}

	// The daemon reads a volatile file through its link: a link elsewhere is drift as well.
	err = f.checkLink(template)

	switch {
	case err == nil:
		return "", nil
	case immutable.IsShortage(err):
		return "", err
	}

	return "is no link to " + f.place(template), nil
}

// place is where a template's file lies: at its path, or on a tmpfs with a link at its path.
func (f *templateFiles) place(template roles.Template) string {
	if template.Volatile {
		return filepath.Join(f.volatile, template.Path)
	}

	return template.Path
}

// checkLink tells what is wrong with the link at a volatile file's path.
func (f *templateFiles) checkLink(template roles.Template) error {
	if !template.Volatile {
		return nil
	}

	target, err := f.faults.Readlink(template.Path)
	if err == nil && target != f.place(template) {
		err = fmt.Errorf("%s leads to %s", template.Path, target)
	}

	return err
}

// link puts the link to a volatile file at its path, in place of what a package or a disk's earlier life has there.
func (f *templateFiles) link(template roles.Template) error {
	if f.checkLink(template) == nil {
		return nil
	}

	if err := replaceByLink(template.Path, f.place(template)); err != nil {
		return fmt.Errorf("link %s: %w", template.Path, err)
	}

	return nil
}

// replaceByLink takes a path over by a rename: whoever opens it meanwhile finds the old file or the new one.
func replaceByLink(path, target string) error {
	folder, name := filepath.Dir(path), filepath.Base(path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}

	beside := filepath.Join(folder, "."+name+".hornero")

	// An agent that ended before the rename left one behind.
	if err := os.Remove(beside); err != nil && !os.IsNotExist(err) {
		return err
	}

	if err := os.Symlink(target, beside); err != nil {
		return err
	}

	return os.Rename(beside, path)
}
