// Package systemd owns how a program asks systemd about units. It knows no unit by name.
package systemd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hornero/hornero/internal/command"
)

// ErrStarting is a unit that is between two states: what is asked of it now may be dropped.
var ErrStarting = errors.New("the unit is starting or stopping; ask again")

// Ctl runs systemctl with arguments and returns what it prints. A test has its own.
type Ctl func(ctx context.Context, args ...string) (string, error)

// Systemctl is the real one.
func Systemctl(ctx context.Context, args ...string) (string, error) {
	words := append([]string{"systemctl"}, args...)
	return command.Run(ctx, command.Command{Args: words})
}

// State reads a unit's ActiveState (systemctl(1)).
func (ctl Ctl) State(ctx context.Context, unit string) (string, error) {
	out, err := ctl(ctx, "show", "--property=ActiveState", "--value", unit)
	return strings.TrimSpace(out), err
}

// Apply makes a unit read its files anew, by a verb such as reload, and waits until it has. While the unit
// starts it is ErrStarting: systemd merges a reload into the start under way and reports success, although the
// process may have read the old file already (measured with HAProxy on Debian 13).
func (ctl Ctl) Apply(ctx context.Context, verb, unit string) error {
	state, err := ctl.State(ctx, unit)
	if err != nil {
		return err
	}

	// A unit that is stopped, too, is given the verb: systemctl's own error tells why not.
	switch state {
	case "activating", "deactivating":
		return fmt.Errorf("%s %s: %w", verb, unit, ErrStarting)
	}

	_, err = ctl(ctx, verb, unit)

	return err
}
