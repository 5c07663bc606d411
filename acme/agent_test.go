package acme_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/acme"
)

func TestTheAgentKeepsUnderTheLeaseOfATask(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "agent.sock")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)

	var asked []string
	refusal := ""

	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.String())

		if refusal != "" {
			http.Error(w, refusal, http.StatusServiceUnavailable)
			return
		}

		_, _ = w.Write([]byte(`{"acme.www": "sealed"}`)) // the client is here
	}))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	defer server.Close()

	store := acme.AgentStore{
		Socket: socket,
		Task:   "acme",
	}

	kept, err := store.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]string{"acme.www": "sealed"}, kept)

	require.NoError(t, store.Write(t.Context(), "acme.www", "sealed again"))
	require.Equal(t, []string{"GET /kept", "PUT /kept/acme.www?task=acme"}, asked)

	refusal = "the lease is no longer held at that epoch"
	require.ErrorContains(t, store.Write(t.Context(), "acme.www", "late"), refusal)
}
