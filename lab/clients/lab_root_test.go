//go:build root

package clients_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// labName is this run's own: two runs on one computer do not meet.
var labName = fmt.Sprintf("p%d-clients", os.Getpid())

// bench is a lab of this test's own, and the clients.
type bench struct {
	t       *testing.T
	root    string // the checkout
	clients string // the folder of their programs
	url     string
	token   string
	env     []string
}

func newBench(t *testing.T) *bench {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)

	b := &bench{t: t, root: root}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)

	b.clients = filepath.Join(cache, "hornero", "clients")
	b.run(root, "scripts/clients.sh", b.clients)

	// clients keep settings and plugins in the home: this run must not see another's
	home := t.TempDir()
	b.env = append(
		os.Environ(),
		"HORNERO_LAB_DIR="+filepath.Join(t.TempDir(), "labs"),
		"HOME="+home,
		"XDG_CONFIG_HOME="+home,
		"CHECKPOINT_DISABLE=1",
	)

	// the log is read before the reset removes it
	hornero := filepath.Join(root, "bin/hornero")
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(b.run(root, hornero, "lab", "logs", "--name", labName))
		}

		b.run(root, hornero, "lab", "reset", "--yes", "--name", labName)
	})

	b.run(root, hornero, "lab", "start", "--name", labName)

	var status struct {
		URL       string `json:"url"`
		TokenFile string `json:"token_file"`
	}

	require.NoError(t, json.Unmarshal(
		[]byte(b.run(root, hornero, "lab", "status", "--json", "--name", labName)),
		&status,
	))

	token, err := os.ReadFile(status.TokenFile)
	require.NoError(t, err)

	b.url, b.token = status.URL, string(token)
	b.env = append(
		b.env,
		"DIGITALOCEAN_API_URL="+b.url,
		"DIGITALOCEAN_TOKEN="+b.token,
		"DIGITALOCEAN_ACCESS_TOKEN="+b.token,
	)

	return b
}

// within is the same bench in a subtest.
func (b *bench) within(t *testing.T) *bench {
	inner := *b
	inner.t = t
	return &inner
}

// try runs a program and returns its standard output, and what it said on standard error when it went wrong.
func (b *bench) try(folder, program string, args ...string) (string, string, error) {
	command := exec.Command(program, args...)
	command.Dir, command.Env = folder, b.env
	var stderr bytes.Buffer
	command.Stderr = &stderr
	stdout, err := command.Output()

	return string(stdout), stderr.String(), err
}

func (b *bench) run(folder, program string, args ...string) string {
	b.t.Helper()
	stdout, stderr, err := b.try(folder, program, args...)
	require.NoErrorf(
		b.t,
		err,
		"%s %s\n%s%s",
		filepath.Base(program),
		strings.Join(args, " "),
		stdout,
		stderr,
	)

	return stdout
}

// write puts a file into a new folder and returns the folder.
func (b *bench) write(name, text string) string {
	folder := b.t.TempDir()
	require.NoError(b.t, os.WriteFile(
		filepath.Join(folder, name),
		[]byte(text),
		0o600,
	))

	return folder
}

func (b *bench) client(name string) string {
	return filepath.Join(b.clients, name)
}
