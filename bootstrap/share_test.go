package bootstrap_test

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/peerset"
)

func TestANodeReportsTheShareThatItWasGiven(t *testing.T) {
	config := bootstrap.Config{
		State: t.TempDir(),
		Log:   slog.New(slog.DiscardHandler),
	}
	agent := bootstrap.New(config)

	give := func(percent string) int {
		return askLocally(agent, http.MethodPost, "/share?percent="+percent).Code
	}

	require.NotContains(t, agent.ReportedFacts(), peerset.FactShare)
	require.Equal(t, http.StatusOK, give("10"))
	require.Equal(t, "10", agent.ReportedFacts()[peerset.FactShare])

	// Also after its start.
	require.Equal(t, "10", bootstrap.New(config).ReportedFacts()[peerset.FactShare])

	for _, wrong := range []string{"", "-1", "100", "ten"} {
		require.Equal(t, http.StatusBadRequest, give(wrong), wrong)
	}

	require.Equal(t, "10", agent.ReportedFacts()[peerset.FactShare])

	for range 2 {
		require.Equal(t, http.StatusOK, give("0"))
		require.NotContains(t, agent.ReportedFacts(), peerset.FactShare)
	}
}
