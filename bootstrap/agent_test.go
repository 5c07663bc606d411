package bootstrap_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/roles"
)

// metadata serves a Droplet's metadata with the document of web-1.
func metadata(t *testing.T) string {
	ca, err := pki.NewCA("blog")
	require.NoError(t, err)
	pair, err := ca.Issue(pki.Name{Stack: "blog", Role: "web", Node: "web-1", Incarnation: 1})
	require.NoError(t, err)
	data, err := cloudinit.Encode(cloudinit.Node{Stack: "blog", Role: "web", Node: "web-1", Incarnation: 1, Join: []string{"10.0.0.2"},
		TLS: cloudinit.TLS{CA: ca.Certificate, Certificate: pair.Certificate, Key: pair.Key}})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("/metadata/v1.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`{"droplet_id": 7, "interfaces": {"private": [{"ipv4": {"ip_address": "10.0.0.9", "netmask": "255.255.255.0"}}]}}`))
	})
	mux.HandleFunc("/metadata/v1/user-data", func(w http.ResponseWriter, _ *http.Request) { w.Write(data) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func TestADiskThatFailsForAMomentDoesNotRefuseTheNode(t *testing.T) {
	for _, broken := range []string{"state", "pki"} {
		t.Run(broken, func(t *testing.T) {
			folder := t.TempDir()
			obstacle := filepath.Join(folder, broken)
			require.NoError(t, os.WriteFile(obstacle, nil, 0o600))
			agent := bootstrap.New(bootstrap.Config{Metadata: metadata(t), State: filepath.Join(folder, "state"), PKI: filepath.Join(folder, "pki"),
				Roles: roles.Embedded(), Retry: 5 * time.Millisecond, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			found := make(chan error, 1)
			go func() { found <- agent.Find(ctx) }()
			select {
			case err := <-found:
				require.NoError(t, err, "while the disk fails")
			case <-time.After(100 * time.Millisecond):
			}
			require.NoError(t, os.Remove(obstacle))
			require.NoError(t, <-found)
			require.FileExists(t, filepath.Join(folder, "state", "origin.json"))
			require.FileExists(t, filepath.Join(folder, "pki", "node.key"))
		})
	}
}
