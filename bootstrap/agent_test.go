package bootstrap_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/roles"
)

// dropletJSON is a Droplet's metadata, with its VPC interface and without.
const (
	dropletJSON = `{"droplet_id": 7, "interfaces": {"private": [
		{"ipv4": {"ip_address": "10.0.0.9", "netmask": "255.255.255.0"}}
	]}}`
	dropletWithoutVPC = `{"droplet_id": 7, "interfaces": {"public": [{"ipv4": {"ip_address": "198.51.100.9"}}]}}`
)

// metadata serves a Droplet's metadata with the document of web-1.
func metadata(t *testing.T) string {
	return metadataOf(t, "web", "")
}

// metadataOf serves a Droplet's metadata with the document of the first node of a role, whose certificate is for a kind
// of peer.
func metadataOf(t *testing.T, role, kind string) string {
	ca, err := pki.NewCA("blog")
	require.NoError(t, err)

	pair, err := ca.Issue(pki.Name{
		Stack:       "blog",
		Role:        role,
		Node:        role + "-1",
		Incarnation: 1,
		Kind:        kind,
	})
	require.NoError(t, err)

	data, err := cloudinit.Encode(cloudinit.Node{
		Stack:       "blog",
		Role:        role,
		Node:        role + "-1",
		Incarnation: 1,
		TLS: cloudinit.TLS{
			CA:          ca.Certificate,
			Certificate: pair.Certificate,
			Key:         pair.Key,
		},
	})
	require.NoError(t, err)

	mux := http.NewServeMux()
	mux.HandleFunc("/metadata/v1.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(dropletJSON))
	})

	mux.HandleFunc("/metadata/v1/user-data", func(w http.ResponseWriter, _ *http.Request) {
		w.Write(data)
	})

	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	return server.URL
}

// finder is an agent that asks this metadata service, with its places in this folder.
func finder(t *testing.T, metadata, folder string) *bootstrap.Agent {
	return bootstrap.New(bootstrap.Config{
		Metadata: metadata,
		State:    filepath.Join(folder, "state"),
		PKI:      filepath.Join(folder, "pki"),
		Roles:    roles.Embedded(),
		Retry:    5 * time.Millisecond,
		Log:      testLog(t),
	})
}

func TestANodeWaitsForADiskThatFailsForAMoment(t *testing.T) {
	for _, broken := range []string{"state", "pki"} {
		t.Run(broken, func(t *testing.T) {
			folder := t.TempDir()

			// A file in the folder's place: no folder can be made there, even by root.
			obstacle := filepath.Join(folder, broken)
			require.NoError(t, os.WriteFile(obstacle, nil, 0o600))

			agent := finder(t, metadata(t), folder)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()

			found := make(chan error, 1)
			go func() { found <- agent.Find(ctx) }()

			// The agent must still be waiting: an answer now would mean that it did without the disk.
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

func TestANodeWaitsForItsVPCAddress(t *testing.T) {
	whole, err := url.Parse(metadata(t))
	require.NoError(t, err)

	proxy := httputil.NewSingleHostReverseProxy(whole)
	var asked atomic.Int32

	late := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metadata/v1.json" && asked.Add(1) < 3 {
			w.Write([]byte(dropletWithoutVPC))
			return
		}

		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(late.Close)

	agent := finder(t, late.URL, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	require.NoError(t, agent.Find(ctx))
	require.Equal(t, "10.0.0.9", agent.Status().Address)
}

func TestALocalSocketThatCannotBeMadeIsTriedAgain(t *testing.T) {
	folder := t.TempDir()
	obstacle := filepath.Join(folder, "run")
	require.NoError(t, os.WriteFile(obstacle, nil, 0o600))

	agent := bootstrap.New(bootstrap.Config{
		State: folder,
		Retry: 5 * time.Millisecond,
		Log:   testLog(t),
	})

	socket := filepath.Join(obstacle, "agent.sock")
	background(t, func(ctx context.Context) { agent.ServeLocal(ctx, socket) })

	// The first attempts must fail, so the obstacle goes only after some of them.
	time.AfterFunc(20*time.Millisecond, func() { os.Remove(obstacle) })

	eventually(t, func() bool {
		answer, err := bootstrap.LocalClient(socket).Get("http://agent/status")
		if err == nil {
			answer.Body.Close()
		}

		return err == nil
	})
}
