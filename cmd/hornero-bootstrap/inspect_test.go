package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/report"
)

var update = flag.Bool("update", false, "rewrite the golden files, and fail")

func document() cloudinit.Node {
	node := cloudinit.Node{
		Stack:       "blog",
		Role:        "db",
		Node:        "db-2",
		Incarnation: 3,
		Join:        []string{"10.0.0.2"},
		Expected:    map[string][]string{"db": {"db-1", "db-2"}},
		Settings:    map[string]string{"site.title": "Blog"},
		Secrets:     map[string]report.Secret{"galera.sst_password": "swordfish-one"},
		TLS: cloudinit.TLS{
			CA:          "authority",
			Certificate: "certificate",
			Key:         "swordfish-two",
		},
		SSH: cloudinit.SSH{HostKey: "swordfish-three", HostPublicKey: "ssh-ed25519 AAAA"},
	}

	return node
}

// node is a node's places: a metadata service that answers with data, a root without seeds, and no agent.
func node(t *testing.T, data string) inspector {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if data == "" {
			http.NotFound(w, r)
			return
		}

		_, _ = w.Write([]byte(data))
	}))
	t.Cleanup(server.Close)

	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "sys/class/block"), 0o755))

	return inspector{
		sources: cloudinit.Sources{Metadata: server.URL, Root: root},
		state:   t.TempDir(),
		socket:  filepath.Join(root, "agent.sock"),
		ctl: func(context.Context, ...string) (string, error) {
			return "active\n", nil
		},
	}
}

// said is what inspect prints, with what differs from run to run named.
func (i inspector) said(t *testing.T, asJSON bool) string {
	var out strings.Builder
	require.NoError(t, i.inspect(t.Context()).print(&out, asJSON))
	require.NotContains(t, out.String(), "swordfish")

	names := strings.NewReplacer(i.sources.Metadata, "METADATA", i.sources.Root, "ROOT")

	return names.Replace(out.String())
}

func golden(t *testing.T, name, got string) {
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		t.Error("rewritten; run again without -update")

		return
	}

	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestInspectSaysWhatTheNodeIs(t *testing.T) {
	data, err := cloudinit.Encode(document())
	require.NoError(t, err)

	i := node(t, string(data))

	// A real agent that has begun: it has not found anything yet, and says so.
	agent := bootstrap.New(bootstrap.Config{
		State: i.state,
		Log:   slog.New(slog.DiscardHandler),
	})

	served := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		defer close(served)

		agent.ServeLocal(ctx, i.socket)
	}()

	t.Cleanup(func() {
		stop()
		<-served
	})

	answers := func() bool {
		return i.agent(t.Context()).Status != nil
	}
	require.Eventually(t, answers, 5*time.Second, 10*time.Millisecond)

	golden(t, "whole.txt", i.said(t, false))
	golden(t, "whole.json", i.said(t, true))
}

func TestInspectSaysWhyThereIsNothing(t *testing.T) {
	i := node(t, "")
	i.ctl = func(context.Context, ...string) (string, error) {
		return "", errors.New("no systemd")
	}
	golden(t, "nothing.txt", i.said(t, false))
	require.Nil(t, i.inspect(t.Context()).Document)
}

func TestInspectSaysWhatIsWrongWithTheDocument(t *testing.T) {
	data, err := cloudinit.Encode(document())
	require.NoError(t, err)

	mistakes := strings.NewReplacer(
		"stack: blog", "stakc: blog",
		"incarnation: 3", "incarnation: three",
	)
	i := node(t, mistakes.Replace(string(data)))

	seen := i.inspect(t.Context())
	require.Nil(t, seen.Document)
	require.Len(t, seen.Problems, 4)

	require.Contains(t, strings.Join(seen.Problems, "\n"), `stakc: unknown key; did you mean "stack"?`)

	i = node(t, "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"+
		"--b\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n--b--\n")
	seen = i.inspect(t.Context())

	script := cloudinit.Part{
		Path: "part-001",
		Type: "text/x-shellscript",
		Size: 9,
		Data: []byte("#!/bin/sh"),
	}
	require.Equal(t, []cloudinit.Part{script}, seen.UserData.Parts)

	require.Contains(t, seen.Problems[0], "it holds: text/x-shellscript")
}

func TestInspectTellsWhatTheAgentKeptFromWhatIsThere(t *testing.T) {
	data, err := cloudinit.Encode(document())
	require.NoError(t, err)

	i := node(t, string(data))
	found := cloudinit.Found{Source: "config drive /dev/vdb", Data: data}
	kept, err := json.Marshal(map[string]any{"Found": found})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(i.state, "origin.json"), kept, 0o600))

	require.Contains(t, i.said(t, false), "kept       the same, from config drive /dev/vdb at the first boot")

	other := node(t, string(data)+"\n")
	other.state = i.state
	require.Contains(t, other.said(t, false), "kept       another, from config drive /dev/vdb")
}

func TestTheCommandExitsByWhatItFound(t *testing.T) {
	data, err := cloudinit.Encode(document())
	require.NoError(t, err)

	path := filepath.Join(t.TempDir(), "user-data")
	require.NoError(t, os.WriteFile(path, data, 0o600))

	var stdout, stderr strings.Builder
	code := run(t.Context(), []string{"inspect", "--json", "--user-data", path}, &stdout, &stderr)
	require.Equal(t, 0, code, stderr.String())

	var seen inspection
	require.NoError(t, json.Unmarshal([]byte(stdout.String()), &seen))
	require.Equal(t, path, seen.UserData.Source)
	require.Equal(t, "db-2", seen.Document["node"])

	code = run(t.Context(), []string{"inspect", "--user-data", path + "-none"}, &stdout, &stderr)
	require.Equal(t, 1, code)
	require.Contains(t, stderr.String(), "this node has no document")
}
