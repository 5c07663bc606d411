package main

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/stack"
)

func TestReadingCommandsGiveUpSoon(t *testing.T) {
	for use, changes := range map[string]bool{
		"up":        true,
		"replace":   true,
		"plan":      false,
		"status":    false,
		"exec NODE": false,
	} {
		retries := retriesOf(&cobra.Command{Use: use})
		require.Equal(t, changes, retries.Patience == 0, use)
		require.Less(t, retries.Patience, 20*time.Second)
	}
}

func TestADownAPIIsExplained(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()

	client, err := do.Retries{}.NewClient(server.URL, "token", "test")
	require.NoError(t, err)

	_, err = do.Droplets(t.Context(), client)
	explained := explainDown(err)
	require.ErrorIs(t, explained, err)
	require.ErrorContains(t, explained, "/v2/droplets?page=1&per_page=200: 503")
	require.ErrorContains(t, explained, "`exec`")

	other := errors.New("no such node")
	require.Equal(t, other, explainDown(other))
}

func TestStatusSaysFirstThatTheAPIIsDown(t *testing.T) {
	report := fleet.Report{
		Stack: "blog",
		API:   &fleet.APILine{Line: "the API does not answer"},
		Nodes: []fleet.NodeLine{{Healthy: true}},
	}

	var out bytes.Buffer
	require.NoError(t, printReport(&out, report, false))
	require.Regexp(t, "^the API does not answer\nstack blog", out.String())
	require.Equal(t, exit(1), statusExit(report))

	report.Nodes[0].Healthy = false
	require.Equal(t, exitUnhealthy, statusExit(report))

	report.API = nil
	report.Nodes[0].Healthy = true
	require.NoError(t, statusExit(report))
}

func TestWhatWasSeenIsKeptInTheUsersCache(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())

	cache := nodeCache(&stack.Stack{
		Name:  "blog",
		Cloud: "lab",
	})

	none, err := cache.Read()
	require.NoError(t, err)
	require.Empty(t, none.Nodes)

	seen := fleet.Seen{
		At:    time.Now().UTC().Round(0),
		Nodes: []fleet.SeenNode{{Node: "web-1"}},
	}
	require.NoError(t, cache.Write(seen))

	kept, err := cache.Read()
	require.NoError(t, err)
	require.Equal(t, seen, kept)

	info, err := os.Stat(os.Getenv("XDG_CACHE_HOME") + "/hornero/blog-lab/nodes.json")
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
}
