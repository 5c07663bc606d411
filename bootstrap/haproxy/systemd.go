package haproxy

import (
	"context"

	"github.com/hornero/hornero/internal/systemd"
)

// Systemd drives HAProxy's unit.
type Systemd struct{ Name string }

// Reload asks the unit to reload and waits until its master has the new process.
func (s Systemd) Reload(ctx context.Context) error {
	return systemd.Ctl(systemd.Systemctl).Apply(ctx, "reload", s.Name)
}

// Start forgets the unit's failures and asks for a start.
func (s Systemd) Start(ctx context.Context) error {
	// After too many failures systemd refuses to start a unit.
	if _, err := systemd.Systemctl(ctx, "reset-failed", s.Name); err != nil {
		return err
	}

	_, err := systemd.Systemctl(ctx, "start", "--no-block", s.Name)

	return err
}

// Kill ends every process of the unit at once; nothing where none runs.
func (s Systemd) Kill(ctx context.Context) error {
	state, err := systemd.Ctl(systemd.Systemctl).State(ctx, s.Name)
	if err != nil || state == "inactive" || state == "failed" {
		return err
	}

	_, err = systemd.Systemctl(ctx, "kill", "--signal=SIGKILL", s.Name)

	return err
}
