package builder_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
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
