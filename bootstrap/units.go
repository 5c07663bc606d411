package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/roles"
)

const (
	owedFile = "owed.json"
	// DefaultReloadPause is between two rounds of reloads.
	DefaultReloadPause = time.Second
	// unitTimeout bounds one unit's reload or restart, the request to start all, and a check of a new text; the
	// next one has its turn then.
	unitTimeout = 30 * time.Second
)

// What a unit is owed after a file of its was written. A unit that is not running reads the file when it starts.
const (
	owedReload  = "reload-or-restart"
	owedRestart = "restart"
)

// owe notes, before a template's file is written, which units must then read it: on disk, so that an agent that ends
// between the two pays when it is back.
func (a *Agent) owe(template roles.Template) error {
	if len(template.Reload)+len(template.Restart) == 0 {
		return nil
	}

	owed := a.owed()

	for _, unit := range template.Reload {
		if owed[unit] == "" {
			owed[unit] = owedReload
		}
	}

	for _, unit := range template.Restart {
		owed[unit] = owedRestart
	}

	return a.saveOwed(owed)
}

// settle pays every unit, and waits. What fails, or cannot be asked for while the unit starts, stays owed.
func (a *Agent) settle(ctx context.Context) error {
	owed := a.owed()
	if len(owed) == 0 {
		return nil
	}

	// A reload leaves a process behind in some servers: however fast peers come and go, there are not many.
	pause.For(ctx, time.Until(a.paid.Add(a.ReloadPause)))

	a.paid = time.Now()
	var errs []error

	for _, unit := range slices.Sorted(maps.Keys(owed)) {
		patient, cancel := context.WithTimeout(ctx, unitTimeout)
		err := a.Systemctl.Apply(patient, owed[unit], unit)
		cancel()

		if err != nil {
			errs = append(errs, err)
			continue
		}

		delete(owed, unit)

		errs = append(errs, a.saveOwed(owed))
	}

	return errors.Join(errs...)
}

// startServices starts the role's units without waiting for slow ones. One that was not running owes nothing to
// what was written before.
func (a *Agent) startServices(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, unitTimeout, errors.New("systemd did not answer"))
	defer cancel()

	owed := a.owed()
	var names []string

	for _, service := range a.manifest.Services {
		if service.Managed {
			continue
		}

		names = append(names, service.Unit)

		if owed[service.Unit] != "" {
			state, err := a.Systemctl.State(ctx, service.Unit)
			if err != nil {
				return err
			}
			if state == "inactive" || state == "failed" {
				delete(owed, service.Unit)
			}
		}
	}

	if len(names) == 0 {
		return nil
	}

	if _, err := a.Systemctl(ctx, append(
		[]string{"--no-block", "start"},
		names...,
	)...); err != nil {
		return err
	}

	return a.saveOwed(owed)
}

func (a *Agent) owed() map[string]string {
	owed := map[string]string{}
	data, err := os.ReadFile(filepath.Join(a.State, owedFile))
	if err != nil || json.Unmarshal(data, &owed) != nil {
		return map[string]string{} // nothing was ever owed
	}

	return owed
}

func (a *Agent) saveOwed(owed map[string]string) error {
	data, err := json.Marshal(owed)
	if err != nil {
		return err
	}

	_, err = file.Write(filepath.Join(a.State, owedFile), data, file.Options{Mode: 0o600})

	return err
}
