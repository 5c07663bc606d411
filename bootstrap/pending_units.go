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
	"github.com/hornero/hornero/internal/systemd"
	"github.com/hornero/hornero/roles"
)

const (
	pendingFile = "owed.json" // nodes that were baked before have it under this name
	// DefaultReloadPause is between two rounds of reloads.
	DefaultReloadPause = time.Second
	// unitTimeout bounds one unit's reload or restart, the request to start all, and a check of a new text; the
	// next one has its turn then.
	unitTimeout = 30 * time.Second
)

// What a unit must do after a file of its was written. A unit that is not running reads the file when it starts.
const (
	pendingReload  = "reload-or-restart"
	pendingRestart = "restart"
)

// pendingUnits are the units that have yet to read a file that was written. They are kept on disk, so that an agent
// that ends before a reload does it when it is back. Only the loop that applies templates uses them.
type pendingUnits struct {
	path      string
	pause     time.Duration // between two rounds, at least
	systemctl systemd.Ctl
	last      time.Time // when the last round began
}

func newPendingUnits(config Config) *pendingUnits {
	return &pendingUnits{
		path:      filepath.Join(config.State, pendingFile),
		pause:     config.ReloadPause,
		systemctl: config.Systemctl,
	}
}

// add notes, before a template's file is written, which units must then read it.
func (p *pendingUnits) add(template roles.Template) error {
	if len(template.Reload)+len(template.Restart) == 0 {
		return nil
	}

	pending := p.load()

	for _, unit := range template.Reload {
		// A pending restart makes the unit read its files as well.
		if pending[unit] == "" {
			pending[unit] = pendingReload
		}
	}

	for _, unit := range template.Restart {
		pending[unit] = pendingRestart
	}

	return p.save(pending)
}

// apply reloads or restarts every pending unit, and waits. What fails, or cannot be asked for while the unit
// starts, stays pending.
func (p *pendingUnits) apply(ctx context.Context) error {
	pending := p.load()
	if len(pending) == 0 {
		return nil
	}

	// Some servers leave an old process behind at each reload. The pause bounds how many there are, however fast
	// peers come and go.
	pause.For(ctx, time.Until(p.last.Add(p.pause)))

	p.last = time.Now()
	var errs []error

	for _, unit := range slices.Sorted(maps.Keys(pending)) {
		// A unit that hangs must not keep the next one from its reload.
		bounded, cancel := context.WithTimeout(ctx, unitTimeout)
		err := p.systemctl.Apply(bounded, pending[unit], unit)
		cancel()

		if err != nil {
			errs = append(errs, err)
			continue
		}

		// This is kept after each unit: an agent that ends here does not restart it again.
		delete(pending, unit)

		errs = append(errs, p.save(pending))
	}

	return errors.Join(errs...)
}

// start starts these services' units without waiting for slow ones. One that was not running reads its files as it
// starts, so nothing is pending for it.
func (p *pendingUnits) start(ctx context.Context, services []roles.Service) error {
	ctx, cancel := context.WithTimeoutCause(ctx, unitTimeout, errors.New("systemd did not answer"))
	defer cancel()

	pending := p.load()
	var names []string

	for _, service := range services {
		// Its driver starts it.
		if service.Managed {
			continue
		}

		names = append(names, service.Unit)

		if pending[service.Unit] != "" {
			state, err := p.systemctl.State(ctx, service.Unit)
			if err != nil {
				return err
			}

			if state == "inactive" || state == "failed" {
				delete(pending, service.Unit)
			}
		}
	}

	if len(names) == 0 {
		return nil
	}

	args := append([]string{"--no-block", "start"}, names...)
	if _, err := p.systemctl(ctx, args...); err != nil {
		return err
	}

	return p.save(pending)
}

// load reads what is pending, by unit.
func (p *pendingUnits) load() map[string]string {
	pending := map[string]string{}

	data, err := os.ReadFile(p.path)
	if err != nil || json.Unmarshal(data, &pending) != nil {
		// No unit was ever pending.
		return map[string]string{}
	}

	return pending
}

func (p *pendingUnits) save(pending map[string]string) error {
	data, err := json.Marshal(pending)
	if err != nil {
		return err
	}

	_, err = file.Write(p.path, data, file.Options{Mode: 0o600})

	return err
}
