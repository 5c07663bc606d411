package bootstrap_test

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/roles"
)

func TestTheHealthPortTellsNoDetails(t *testing.T) {
	agent := bootstrap.New(bootstrap.Config{
		State: t.TempDir(),
		Log:   slog.New(slog.DiscardHandler),
	})
	agent.Served(&fixedSet{snapshot: twoDatabases()}, "db-1")
	agent.ServedBy(&roles.Manifest{Serves: []roles.Serve{{
		Name:   "http",
		Port:   8081,
		Health: &roles.Health{Path: "/?token=swordfish"},
	}}})

	healthy, reason := agent.Health()
	require.False(t, healthy)
	require.Contains(t, reason, "swordfish", "who may log in is told")

	for _, path := range []string{"/healthz", "/readyz"} {
		code, says := get(t, agent, path)
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.Equal(t, "not checked yet\n", says)
	}
}
