package bootstrap_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/roles"
)

// shopServer is a program whose pages and whose cheap check fail or pass as a test says.
type shopServer struct {
	pages, cheap           atomic.Bool
	askedPages, askedCheap atomic.Int64
}

func (s *shopServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	well, asked := &s.cheap, &s.askedCheap
	if r.URL.Path == "/first" {
		well, asked = &s.pages, &s.askedPages
	}

	asked.Add(1)

	if !well.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// port is where a test's server listens.
func port(t *testing.T, server *httptest.Server) int {
	t.Helper()

	_, text, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)

	number, err := strconv.Atoi(text)
	require.NoError(t, err)

	return number
}

func TestTheFirstCheckIsAskedUntilItPassedOnce(t *testing.T) {
	shop := &shopServer{}
	shop.cheap.Store(true)

	server := httptest.NewServer(shop)
	t.Cleanup(server.Close)

	manifest := &roles.Manifest{Serves: []roles.Serve{{
		Name: "http",
		Port: port(t, server),
		Health: &roles.Health{
			First:    "/first",
			Interval: time.Millisecond,
		},
	}}}

	agent := bootstrap.New(bootstrap.Config{
		State: t.TempDir(),
		Log:   testLog(t),
	})
	agent.ServedBy(manifest)
	background(t, agent.KeepChecking)

	eventually(t, func() bool { return shop.askedPages.Load() > 2 })

	healthy, reason := agent.Health()
	require.False(t, healthy)
	require.Contains(t, reason, "/first")
	require.Zero(t, shop.askedCheap.Load(), "the cheap check says nothing of pages")

	shop.pages.Store(true)
	eventually(t, func() bool { return shop.askedCheap.Load() > 2 })

	healthy, _ = agent.Health()
	require.True(t, healthy)

	// What breaks everywhere later, as a plugin does, takes no node out.
	shop.pages.Store(false)
	asked, cheap := shop.askedPages.Load(), shop.askedCheap.Load()
	eventually(t, func() bool { return shop.askedCheap.Load() > cheap+2 })
	require.Equal(t, asked, shop.askedPages.Load())

	shop.cheap.Store(false)
	eventually(t, func() bool {
		healthy, _ := agent.Health()
		return !healthy
	})
}
