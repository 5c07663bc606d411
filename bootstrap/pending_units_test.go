package bootstrap_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/internal/systemd"
	"github.com/hornero/hornero/roles"
)

// reloadPause is between two rounds of reloads.
const reloadPause = 200 * time.Millisecond

// fakeSystemd records what it is asked, and fails when told to.
type fakeSystemd struct {
	asked []string
	state string
	fail  bool
}

func (s *fakeSystemd) systemctl(_ context.Context, args ...string) (string, error) {
	line := strings.Join(args, " ")
	if strings.HasPrefix(line, "show ") {
		return s.state + "\n", nil
	}

	if s.fail {
		return "", errors.New("unit is starting")
	}

	s.asked = append(s.asked, line)

	return "", nil
}

// agent is one that asks this systemd, with its state in this folder.
func (s *fakeSystemd) agent(folder string) *bootstrap.Agent {
	return bootstrap.New(bootstrap.Config{
		State:       folder,
		Systemctl:   s.systemctl,
		ReloadPause: reloadPause,
	})
}

func TestAPendingReloadIsTriedUntilItSucceeds(t *testing.T) {
	systemd := &fakeSystemd{fail: true}
	folder := t.TempDir()

	require.NoError(t, systemd.agent(folder).AddPending(roles.Template{
		Reload:  []string{"a.service", "b.service"},
		Restart: []string{"b.service"},
	}))
	require.Error(t,
		systemd.agent(folder).ApplyPending(t.Context()),
		"what one agent left pending the next one applies",
	)

	systemd.fail = false
	agent := systemd.agent(folder)
	require.NoError(t, agent.ApplyPending(t.Context()))
	require.NoError(t, agent.ApplyPending(t.Context()), "once")
	require.Equal(t, []string{"reload-or-restart a.service", "restart b.service"}, systemd.asked)
}

func TestAUnitThatIsStartingIsReloadedWhenItRuns(t *testing.T) {
	fake := &fakeSystemd{state: "activating"}
	agent := fake.agent(t.TempDir())

	require.NoError(t, agent.AddPending(roles.Template{Reload: []string{"a.service"}}))
	require.ErrorIs(t, agent.ApplyPending(t.Context()), systemd.ErrStarting)
	require.Empty(t, fake.asked)

	fake.state = "active"
	require.NoError(t, agent.ApplyPending(t.Context()))
	require.Equal(t, []string{"reload-or-restart a.service"}, fake.asked)
}

func TestReloadsHaveAPauseBetweenThem(t *testing.T) {
	systemd := &fakeSystemd{}
	agent := systemd.agent(t.TempDir())
	begun := time.Now()

	for range 3 {
		require.NoError(t, agent.AddPending(roles.Template{Reload: []string{"haproxy.service"}}))
		require.NoError(t, agent.ApplyPending(t.Context()))

		idle := time.Now()
		require.NoError(t, agent.ApplyPending(t.Context()))
		require.Less(t, time.Since(idle), reloadPause, "without a pending unit there is no pause")
	}

	require.Len(t, systemd.asked, 3)
	require.GreaterOrEqual(t, time.Since(begun), 2*reloadPause)
}

func TestForAUnitThatWasNotRunningNothingIsPending(t *testing.T) {
	for state, want := range map[string][]string{
		"inactive": {"--no-block start a.service"},
		"active":   {"--no-block start a.service", "reload-or-restart a.service"},
	} {
		systemd := &fakeSystemd{state: state}
		folder := t.TempDir()
		agent := systemd.agent(folder)
		require.NoError(t, agent.AddPending(roles.Template{Reload: []string{"a.service"}}))

		require.NoError(t, agent.StartServices(
			t.Context(),
			roles.Service{Unit: "a.service"},
			roles.Service{Unit: "driven.service", Managed: true},
		))

		require.NoError(t, agent.ApplyPending(t.Context()))
		require.Equal(t, want, systemd.asked, state)

		info, err := os.Stat(filepath.Join(folder, "owed.json"))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}

func TestWhatACheckerPrintsShowsNoSecret(t *testing.T) {
	agent := bootstrap.New(bootstrap.Config{
		State: t.TempDir(),
		Trial: t.TempDir(),
	})

	checker := []string{"sh", "-c", `cat "$1"; exit 1`, "sh", "{file}"}
	err := agent.Check(t.Context(), "it's", checker, `plain it's, in PHP 'it\'s'`)
	require.ErrorContains(t, err, "plain [hidden], in PHP '[hidden]'")
}
