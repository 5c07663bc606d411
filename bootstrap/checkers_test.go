package bootstrap_test

import (
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
)

func TestANodeTellsWhoAskedWhetherItServes(t *testing.T) {
	agent := bootstrap.New(bootstrap.Config{
		State: t.TempDir(),
		Log:   slog.New(slog.DiscardHandler),
	})

	ask := func(from string) {
		request := httptest.NewRequest("GET", "/healthz", nil)
		request.RemoteAddr = from + ":4711"
		agent.HealthHandler().ServeHTTP(httptest.NewRecorder(), request)
	}

	ask("10.0.0.250")

	const peer = "10.0.0.2"

	set := &fixedSet{snapshot: twoDatabases()}
	set.snapshot.Peers[0].Address = peer
	agent.Served(set, "db-1")
	require.Equal(t, map[string]int{"10.0.0.250": 0}, agent.Status().Checkers, "it did not serve")

	for _, from := range []string{"10.0.0.250", "10.0.0.251", peer, "10.0.0.250"} {
		ask(from)
	}

	require.Equal(t, map[string]int{
		"10.0.0.250": 2,
		"10.0.0.251": 1,
	}, agent.Status().Checkers, "another node is no load balancer")
}
