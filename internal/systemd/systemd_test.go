package systemd_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/systemd"
)

func TestAUnitThatIsStartingIsNotAskedToReload(t *testing.T) {
	for state, want := range map[string]error{
		"active":       nil,
		"reloading":    nil,
		"inactive":     nil,
		"failed":       nil,
		"activating":   systemd.ErrStarting,
		"deactivating": systemd.ErrStarting,
	} {
		var asked []string
		var ctl systemd.Ctl = func(_ context.Context, args ...string) (string, error) {
			if args[0] == "show" {
				return state + "\n", nil
			}

			asked = append(asked, strings.Join(args, " "))

			return "", nil
		}

		err := ctl.Apply(t.Context(), "reload", "a.service")
		require.ErrorIs(t, err, want, state)

		reloaded := len(asked) == 1
		require.Equal(t, want == nil, reloaded, state)
	}
}

func TestWhatSystemdSaysIsPassedOn(t *testing.T) {
	broken := errors.New("no bus")

	var ctl systemd.Ctl = func(context.Context, ...string) (string, error) {
		return "", broken
	}

	err := ctl.Apply(t.Context(), "reload", "a.service")
	require.ErrorIs(t, err, broken)

	_, err = ctl.State(t.Context(), "a.service")
	require.ErrorIs(t, err, broken)
}
