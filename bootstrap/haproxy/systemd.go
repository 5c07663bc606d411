package haproxy

import (
	"context"

	"github.com/hornero/hornero/internal/command"
)

// Systemd drives HAProxy's unit.
type Systemd struct{ Name string }

// Reload asks the unit to reload and waits until its master has the new process.
func (s Systemd) Reload(ctx context.Context) error {
	_, err := command.Run(ctx, command.Command{Args: []string{"systemctl", "reload", s.Name}})
	return err
}

// Start forgets the unit's failures and asks for a start.
func (s Systemd) Start(ctx context.Context) error {
	if _, err := command.Run(ctx, command.Command{Args: []string{"systemctl", "reset-failed", s.Name}}); err != nil {
		return err
	}
	_, err := command.Run(ctx, command.Command{Args: []string{"systemctl", "start", "--no-block", s.Name}})
	return err
}
