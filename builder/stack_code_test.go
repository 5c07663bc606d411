package builder_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
	"github.com/hornero/hornero/internal/command"
)

const takesCode = tinyManifest + `code:
  folders:
    plugins: {path: /usr/share/tiny/plugins}
    core: {path: /usr/share/tiny, flat: true, clear: [old]}
  writable: {path: /usr/share/tiny, at: /var/lib/tiny, owner: "daemon:adm"}
`

// someSum is no archive's.
var someSum = strings.Repeat("0a", 32)

// withCode is a folder of roles with a stack's own code.
func withCode(t *testing.T) string {
	t.Helper()

	dir := writeRoles(t)
	writeFile(t, filepath.Join(dir, "tiny/role.yaml"), takesCode)
	writeFile(t, filepath.Join(dir, "tiny/more.yaml"), "writable: [cache]\n")
	writeFile(t, filepath.Join(dir, "tiny/plugins/shop/shop.php"), "<?php // shop\n")
	writeFile(t, filepath.Join(dir, "tiny/core/index.php"), "<?php // core\n")

	return dir
}

// packed lists what is in a tar, and with which mode.
func packed(t *testing.T, data string) map[string]string {
	t.Helper()

	unpacked, err := gzip.NewReader(strings.NewReader(data))
	require.NoError(t, err)

	found := map[string]string{}
	reader := tar.NewReader(unpacked)

	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return found
		}

		require.NoError(t, err)

		var text bytes.Buffer
		_, err = io.Copy(&text, reader)
		require.NoError(t, err)

		found[header.Name] = fmt.Sprintf("%04o %s", header.Mode, text.String())
	}
}

func TestTheStacksCodeIsBakedAndRecorded(t *testing.T) {
	sent := applied(t, object{"roles_dir": withCode(t)})

	require.Equal(t, map[string]string{
		"usr/share/tiny/plugins/shop/shop.php": "0644 <?php // shop\n",
		"usr/share/tiny/index.php":             "0644 <?php // core\n",
	}, packed(t, sent.files["code.tar.gz"]))

	require.Equal(t, "/usr/share/tiny/old\n", sent.files["code.clear"])
	require.Equal(t, "daemon adm /var/lib/tiny/cache /usr/share/tiny/cache\n", sent.files["code.links"])

	// Drift compares what the record has.
	require.Contains(t, sent.begun.Files, "/usr/share/tiny/plugins/shop/shop.php")
	require.Contains(t, sent.begun.Inputs, "code/plugins/shop")
	require.NotContains(t, sent.begun.Inputs, "roles/tiny/plugins/shop/shop.php")

	// The role's folder in the image is without it, and with what the node reads.
	require.NotContains(t, sent.files["files.list"], "shop.php")
	require.Contains(t, sent.files["files.list"], " /usr/lib/hornero/roles/tiny/more.yaml\n")
}

// The machine's own script, in a folder that stands for its root.
func TestTheScriptPutsTheCodeInPlace(t *testing.T) {
	sent := applied(t, object{"roles_dir": withCode(t)})
	stage, root := t.TempDir(), t.TempDir()

	me, err := user.Current()
	require.NoError(t, err)

	group, err := user.LookupGroupId(me.Gid)
	require.NoError(t, err)

	for _, name := range []string{
		"code.sh",
		"code.clear",
		"code.tar.gz",
	} {
		writeFile(
			t,
			filepath.Join(stage, name),
			sent.files[name],
		)
	}

	// A test may not be root, which alone gives files to others.
	writeFile(
		t,
		filepath.Join(stage, "code.links"),
		me.Username+" "+group.Name+" /var/lib/tiny/cache /usr/share/tiny/cache\n",
	)

	writeFile(t, filepath.Join(root, "usr/share/tiny/old/gone"), "")
	writeFile(t, filepath.Join(root, "usr/share/tiny/cache/gone"), "")

	// Twice: a bake that was cut off is begun anew on the same machine.
	for range 2 {
		_, err := command.Run(t.Context(), command.Command{
			Args: []string{
				"sh",
				"-c",
				"umask 077; exec sh code.sh \"$0\"",
				root,
			},
			Dir: stage,
		})
		require.NoError(t, err)
	}

	require.NoDirExists(t, filepath.Join(root, "usr/share/tiny/old"))
	require.NoFileExists(t, filepath.Join(root, "usr/share/tiny/cache/gone"))

	target, err := os.Readlink(filepath.Join(root, "usr/share/tiny/cache"))
	require.NoError(t, err)
	require.Equal(t, "/var/lib/tiny/cache", target)
	require.DirExists(t, filepath.Join(root, "var/lib/tiny/cache"))

	plugin := filepath.Join(root, "usr/share/tiny/plugins/shop/shop.php")

	info, err := os.Stat(plugin)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o644), info.Mode())

	require.WithinDuration(
		t,
		time.Now(),
		info.ModTime(),
		time.Hour,
		"a time of its own tells versions apart",
	)

	folder, err := os.Stat(filepath.Dir(plugin))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o755), folder.Mode().Perm())
}

func TestAnImageWithoutCodeOfTheStacksHasNone(t *testing.T) {
	sent := applied(t, nil)

	for _, name := range []string{"code.tar.gz", "code.clear", "code.links"} {
		require.Contains(t, sent.files, name)
		require.Empty(t, sent.files[name])
	}
}

// The digest is of the code, file by file, and of each archive by its sum.
func TestTheDigestFollowsTheCode(t *testing.T) {
	dir := withCode(t)
	config := builder.RecipeConfig{
		Role:            "tiny",
		Release:         "debian-13",
		RolesDir:        dir,
		BootstrapBinary: writeProgram(t, nil),
	}

	before := load(t, config).Inputs

	writeFile(t, filepath.Join(dir, "tiny/plugins/shop/in/b.css"), "b {}\n")
	require.Equal(t, []string{"code/plugins/shop"}, differing(before, load(t, config).Inputs))

	before = load(t, config).Inputs

	// Fetched when it is baked: until then nobody has to be online.
	writeFile(
		t,
		filepath.Join(dir, "tiny/more.yaml"),
		"writable: [cache]\ncode: {plugins: [{url: 'https://example.org/a.zip', sha256: "+someSum+"}]}\n",
	)

	require.Equal(t, []string{"roles/tiny/more.yaml"}, differing(before, load(t, config).Inputs))
}

func TestCodeThatCannotBeBakedEndsTheBakeBeforeTheMachineIsTouched(t *testing.T) {
	dir := withCode(t)
	writeFile(
		t,
		filepath.Join(dir, "tiny/more.yaml"),
		"code: {plugins: [{file: a.zip, sha256: "+someSum+"}]}\n",
	)
	writeFile(t, filepath.Join(dir, "tiny/a.zip"), "changed")

	m := &machine{}
	err := provision(t, m, object{"roles_dir": dir}, nil)
	require.ErrorContains(t, err, "tiny/more.yaml: code.plugins[0]: its SHA-256 is ")
	require.Empty(t, m.commands)
}
