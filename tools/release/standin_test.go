package main_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// programs are what a release is made of.
var programs = []string{
	"hornero",
	"hornero-bootstrap",
	"hornero-acme",
	"hornero-db",
	"hornero-media",
	"packer-plugin-hornero",
}

// commitDate is the time of the commit that is released, and so of every file.
const commitDate = "2026-02-03T04:05:06Z"

// checkout is a repository with one commit, what a release reads, and small programs in bin/.
func checkout(t *testing.T) string {
	t.Helper()

	folder := t.TempDir()
	for _, name := range []string{".goreleaser.yaml", "LICENSE", "README.md", "packaging", "scripts/release.sh"} {
		target := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(target), 0o755))
		run(t, folder, "cp", "-r", filepath.Join("..", "..", name), target)
	}

	here, err := os.Getwd()
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "tools"), 0o755))
	require.NoError(t, os.Symlink(here, filepath.Join(folder, "tools", "release")))

	run(t, folder, "git", "init", "--quiet")
	run(t, folder, "git", "add", "LICENSE")
	run(t, folder, "git", "commit", "--quiet", "-m", "first")
	buildStandins(t, filepath.Join(folder, "bin"))
	writeLibrary(t, filepath.Join(folder, "dqlite"))

	return folder
}

func buildStandins(t *testing.T, folder string) {
	t.Helper()

	for _, name := range programs {
		run(t, folder, "go", "build", "-buildvcs=false", "-o", filepath.Join(folder, name), "./testdata/standin")
	}
}

// writeLibrary writes the document by which a Debian package tells its version.
func writeLibrary(t *testing.T, prefix string) {
	t.Helper()

	var document bytes.Buffer
	compressor := gzip.NewWriter(&document)
	_, err := compressor.Write([]byte("standin-source (1.2.3~rc1-4) unstable; urgency=medium\n\n  * First.\n"))
	require.NoError(t, err)
	require.NoError(t, compressor.Close())

	folder := filepath.Join(prefix, "usr", "share", "doc", "libstandin-dev")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "changelog.Debian.gz"), document.Bytes(), 0o644))
}

// release makes the release of a checkout, and returns its dist.
func release(t *testing.T, folder string) string {
	t.Helper()

	run(t, folder, filepath.Join(folder, "scripts", "release.sh"), "0.7.1", filepath.Join(folder, "dqlite"))

	return filepath.Join(folder, "dist")
}

// run runs a program: git in the repository, every other where the test is.
func run(t *testing.T, repository string, words ...string) string {
	t.Helper()

	program := exec.Command(words[0], words[1:]...)
	program.Env = append(
		os.Environ(),
		"GIT_AUTHOR_DATE="+commitDate,
		"GIT_COMMITTER_DATE="+commitDate,
		"GIT_AUTHOR_NAME=t",
		"GIT_AUTHOR_EMAIL=t@example.org",
		"GIT_COMMITTER_NAME=t",
		"GIT_COMMITTER_EMAIL=t@example.org",
	)
	if words[0] == "git" {
		program.Dir = repository
	}

	said, err := program.CombinedOutput()
	require.NoError(t, err, "%s: %s", strings.Join(words, " "), said)

	return string(said)
}
