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

// manager is a systemd that records what it is asked, and fails what it is told to.
type manager struct {
	asked []string
	state string
	fail  bool
}

func (m *manager) systemctl(_ context.Context, args ...string) (string, error) {
	line := strings.Join(args, " ")
	if strings.HasPrefix(line, "show ") {
		return m.state + "\n", nil
	}
	if m.fail {
		return "", errors.New("unit is starting")
	}

	m.asked = append(m.asked, line)

	return "", nil
}

func TestAUnitIsOwedItsReloadUntilItHasHadIt(t *testing.T) {
	m := &manager{fail: true}
	config := bootstrap.Config{
		State:     t.TempDir(),
		Systemctl: m.systemctl,
	}

	require.NoError(t,
		bootstrap.New(config).Owe(roles.Template{
			Reload:  []string{"a.service", "b.service"},
			Restart: []string{"b.service"},
		}),
	)

	require.Error(t,
		bootstrap.New(config).Settle(t.Context()),
		"the agent of before is gone, the debt is not",
	)

	m.fail = false
	agent := bootstrap.New(config)
	require.NoError(t, agent.Settle(t.Context()))
	require.NoError(t, agent.Settle(t.Context()), "once")
	require.Equal(t, []string{"reload-or-restart a.service", "restart b.service"}, m.asked)
}

func TestAUnitThatIsStartingIsPaidWhenItRuns(t *testing.T) {
	m := &manager{state: "activating"}
	agent := bootstrap.New(bootstrap.Config{
		State:     t.TempDir(),
		Systemctl: m.systemctl,
	})
	require.NoError(t, agent.Owe(roles.Template{Reload: []string{"a.service"}}))
	require.ErrorIs(t, agent.Settle(t.Context()), systemd.ErrStarting)
	require.Empty(t, m.asked)

	m.state = "active"
	require.NoError(t, agent.Settle(t.Context()))
	require.Equal(t, []string{"reload-or-restart a.service"}, m.asked)
}

func TestReloadsHaveAPauseBetweenThem(t *testing.T) {
	m := &manager{}
	agent := bootstrap.New(bootstrap.Config{
		State:       t.TempDir(),
		Systemctl:   m.systemctl,
		ReloadPause: 200 * time.Millisecond,
	})

	begun := time.Now()

	for range 3 {
		require.NoError(t, agent.Owe(roles.Template{Reload: []string{"haproxy.service"}}))
		require.NoError(t, agent.Settle(t.Context()))
		require.NoError(t, agent.Settle(t.Context()), "who is owed nothing waits for nothing")
	}

	require.Len(t, m.asked, 3)
	require.GreaterOrEqual(t, time.Since(begun), 400*time.Millisecond)
	require.Less(t, time.Since(begun), 600*time.Millisecond)
}

func TestAUnitThatWasNotRunningIsOwedNothing(t *testing.T) {
	for state, want := range map[string][]string{
		"inactive": {"--no-block start a.service"},
		"active":   {"--no-block start a.service", "reload-or-restart a.service"},
	} {
		m := &manager{state: state}
		folder := t.TempDir()
		agent := bootstrap.New(bootstrap.Config{State: folder, Systemctl: m.systemctl})
		require.NoError(t, agent.Owe(roles.Template{Reload: []string{"a.service"}}))

		require.NoError(t, agent.StartServices(
			t.Context(),
			roles.Service{Unit: "a.service"},
			roles.Service{Unit: "driven.service", Managed: true},
		))

		require.NoError(t, agent.Settle(t.Context()))
		require.Equal(t, want, m.asked, state)

		info, err := os.Stat(filepath.Join(folder, "owed.json"))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}

func TestWhatACheckerSaysShowsNoSecret(t *testing.T) {
	agent := bootstrap.New(bootstrap.Config{
		State: t.TempDir(),
		Trial: t.TempDir(),
	})

	err := agent.Check(
		t.Context(),
		"it's",
		[]string{"sh", "-c", `cat "$1"; exit 1`, "sh", "{file}"},
		`plain it's, in PHP 'it\'s'`,
	)
	require.ErrorContains(t, err, "plain [hidden], in PHP '[hidden]'")
}
