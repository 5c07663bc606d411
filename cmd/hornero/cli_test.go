package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// said is what a run of hornero said.
type said struct {
	code   int
	stdout string
	stderr string
}

// hornero runs the command line in this process.
func hornero(t *testing.T, arguments ...string) said {
	t.Helper()

	var stdout, stderr bytes.Buffer
	code := run(t.Context(), arguments, &stdout, &stderr)

	return said{
		code:   code,
		stdout: stdout.String(),
		stderr: stderr.String(),
	}
}

// write writes a file below a folder.
func write(t *testing.T, folder, name, text string) {
	t.Helper()

	path := filepath.Join(folder, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// emptyFolder is a folder with no stack, in which the test goes on; keys and caches are in it, too.
func emptyFolder(t *testing.T) string {
	t.Helper()

	folder, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)

	t.Setenv("HORNERO_AGE_KEY_FILE", filepath.Join(folder, "keys", "age.key"))
	t.Setenv("XDG_CACHE_HOME", filepath.Join(folder, "cache"))
	t.Setenv("XDG_STATE_HOME", filepath.Join(folder, "state"))
	t.Setenv("CLOUD", "")
	t.Chdir(folder)

	return folder
}

// toolStack is a stack of two roles that both have a command tool, and some of their own.
func toolStack(t *testing.T) string {
	t.Helper()
	folder := emptyFolder(t)

	write(t, folder, "stack.yaml", `version: 1
name: shop
cloud: lab
region: nyc3
nodes:
  - {name: vault, role: vault, count: 3}
  - {name: api, role: api, count: 2}
`)

	write(t, folder, "roles/vault/role.yaml", `version: 1
name: vault
peers: member
commands:
  - {name: tool, help: look into the vault, run: [vault-tool], input: stdin}
  - {name: seal, help: seal the vault, run: [vault-seal, --now], on: all}
`)

	write(t, folder, "roles/api/role.yaml", `version: 1
name: api
peers: client
commands:
  - {name: tool, help: look into the api, run: [api-tool]}
  - {name: cache drop, help: drop what is kept, run: [api-cache, drop], lease: cache}
  - {name: cache, help: show what is kept, run: [api-cache], input: terminal}
  - {name: queue list, help: list what waits, run: [api-queue]}
  - {name: status, help: no one's, run: [api-status]}
  - {name: images sync, help: no one's, run: [api-images]}
`)

	return folder
}
