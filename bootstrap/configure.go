package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/roles"
)

// defaultMode is a template's file's, where the manifest says none.
const defaultMode = 0o640

// configure renders everything once and starts what the role runs. A watched role without a peer yet is no obstacle:
// templates are rendered again when it comes.
func (a *Agent) configure(ctx context.Context) error {
	err := retry(ctx, a, "configure", func(ctx context.Context) error {
		return a.apply(ctx, false)
	})
	if err != nil {
		return err
	}

	// Services start only when every template has its file: none starts with a package's own configuration.
	return retry(ctx, a, "start services", func(ctx context.Context) error {
		return a.pending.start(ctx, a.manifest.Services)
	})
}

// apply brings every template's file up to date, each on its own: one that cannot be rendered does not hold the
// others up. The units that must read what is new do so once they run.
func (a *Agent) apply(ctx context.Context, running bool) error {
	// All files of a round come from one snapshot, so that no two of them disagree.
	facts := a.facts()
	var errs []error

	for _, template := range a.manifest.Templates {
		errs = append(errs, a.install(ctx, template, facts))
	}

	if running {
		errs = append(errs, a.pending.apply(ctx))
	}

	err := errors.Join(errs...)
	a.counted.applies.Add(1, resultOf(err))

	// Readiness reports the last round's error.
	a.mu.Lock()
	a.applied = err
	a.mu.Unlock()

	return err
}

func (a *Agent) install(ctx context.Context, template roles.Template, facts roles.Facts) error {
	text, err := a.manifest.Render(template, facts)
	if err != nil {
		return err
	}

	mode, err := roles.ParseMode(template.Mode, defaultMode)
	if err != nil {
		return err
	}

	// What is there was checked before, and its units have read it. Its mode and owner may differ.
	if a.files.holds(template, text) {
		return a.files.write(template, text, mode)
	}

	if err := a.checkText(ctx, template, text, mode); err != nil {
		return err
	}

	// The units are noted before the file is written. After a crash in between one is reloaded once too often; in the
	// other order it would never read the file.
	if err := a.pending.add(template); err != nil {
		return err
	}

	return a.files.write(template, text, mode)
}

// checkText runs a template's checker over the new text before it takes the file's place.
func (a *Agent) checkText(ctx context.Context, template roles.Template, text []byte, mode fs.FileMode) error {
	if len(template.Check) == 0 {
		return nil
	}

	// The trial file is on a tmpfs, with the real file's mode and owner: the text may hold secrets.
	trial := filepath.Join(a.Trial, filepath.Base(template.Path))

	if _, err := file.Write(trial, text, file.Options{Mode: mode, Owner: template.Owner}); err != nil {
		return err
	}
	defer os.Remove(trial)

	ctx, cancel := context.WithTimeoutCause(ctx, unitTimeout, errors.New("the checker did not end"))
	defer cancel()

	_, err := command.Run(ctx, command.Command{
		Args:   roles.Checker(template.Check, trial),
		Hidden: a.hidden(),
	})
	if err != nil {
		return fmt.Errorf("check new %s: %w", template.Path, err)
	}

	return nil
}

// hidden are the document's secrets as a program may have been given them. What it says of its failure goes
// into the journal and the node's status.
func (a *Agent) hidden() []string {
	var hidden []string
	for _, secret := range a.node.Secrets {
		hidden = append(hidden, roles.Spellings(secret)...)
	}

	return hidden
}
