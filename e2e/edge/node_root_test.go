//go:build root && bench

package edge_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

const (
	stackFile = "testdata/stack.yaml"
	role      = "edge"
	site      = "www.example.org"

	// The edge itself has the ports of visitors on all addresses.
	nodesPort = 8080
	address   = "127.0.0.5"
)

// configure writes every file of the role as the bootstrap of a node does.
func configure(t *testing.T) {
	t.Helper()

	manifests, err := roles.LoadDir(roles.Embedded())
	require.NoError(t, err)

	behind := *manifests["web"]
	behind.Serves[0].Port = nodesPort
	manifests[behind.Name] = &behind

	wanted, err := stack.Load(stackFile, manifests)
	require.NoError(t, err)

	facts := facts(t, wanted, manifests)
	manifest, err := manifests[role].On(facts.Release).Spread(facts.Settings)
	require.NoError(t, err)

	for _, template := range manifest.Templates {
		text, err := manifest.Render(template, facts)
		require.NoError(t, err)

		require.NoError(t, os.MkdirAll(filepath.Dir(template.Path), 0o755))
		require.NoError(t, os.WriteFile(template.Path, text, 0o600))
	}
}

// facts are what a node of the edge knows: of a Droplet of 1 GB, with two nodes behind that serve.
func facts(t *testing.T, wanted *stack.Stack, manifests map[string]*roles.Manifest) roles.Facts {
	t.Helper()

	manifest := manifests[role]
	settings := wanted.SiteSettings(manifest, manifests, nil)

	for name, setting := range manifest.Settings {
		settings[name] = setting.Fallback()
	}

	authority, err := pki.NewCA("blog")
	require.NoError(t, err)

	pair, err := authority.IssueSite("blog", site, "example.org")
	require.NoError(t, err)

	return roles.Facts{
		Stack:    "blog",
		Node:     "edge-1",
		Role:     role,
		Release:  "debian-13",
		Address:  address,
		Memory:   1 << 30,
		CPUs:     1,
		Settings: settings,
		Expected: wanted.Expected(),
		Secrets: map[string]report.Secret{
			"edge.stats_password":      "secret",
			"site_example.certificate": report.Secret(pair.Certificate),
			"site_example.key":         pair.Key,
		},
		PKI: map[string]string{
			"ca":          authority.Certificate,
			"certificate": pair.Certificate,
			"key":         pair.Key.Reveal(),
		},
		Peers: map[string][]roles.PeerFact{
			"web": {
				{Name: "web-1", Address: "127.0.0.31", Healthy: true, Alive: true},
				{Name: "web-2", Address: "127.0.0.32", Healthy: true, Alive: true},
			},
		},
	}
}

// Each edge has the first processor for itself; who asks and who answers share the others.
const edgeProcessor = "0"

var otherProcessors = fmt.Sprint("1-", runtime.NumCPU()-1)

// start starts a daemon on processors, and waits until it listens. It ends with the test.
func start(t *testing.T, listens, processors, program string, args ...string) *exec.Cmd {
	t.Helper()

	printed := &strings.Builder{}
	daemon := on(processors, program, args...)
	daemon.Stdout, daemon.Stderr = printed, printed
	daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, daemon.Start())

	t.Cleanup(func() {
		_ = syscall.Kill(-daemon.Process.Pid, syscall.SIGTERM)
		_ = daemon.Wait()

		if t.Failed() {
			t.Logf("%s %q: %s", program, args, printed)
		}
	})

	hears(t, listens)

	return daemon
}

// on is a program that runs on these processors alone.
func on(processors, program string, args ...string) *exec.Cmd {
	words := append([]string{"--cpu-list", processors, program}, args...)

	return exec.Command("taskset", words...)
}

// hears waits until somebody listens at an address.
func hears(t *testing.T, address string) {
	t.Helper()

	require.Eventually(t, func() bool {
		connection, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false
		}

		return connection.Close() == nil
	}, time.Minute, 50*time.Millisecond, "nobody listens on %s", address)
}
