package main_test

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	archiveName = "hornero_0.7.1_linux_amd64.tar.gz"
	billName    = "hornero_0.7.1_linux_amd64.cdx.json"
	packageName = "hornero_0.7.1_amd64.deb"
	pluginName  = "packer-plugin-hornero_v0.7.1_x5.0_linux_amd64"
	pluginSums  = "packer-plugin-hornero_v0.7.1_SHA256SUMS"
)

// One release of small programs, and everything that is said of it.
func TestRelease(t *testing.T) {
	folder := checkout(t)
	dist := release(t, folder)

	t.Run("names", func(t *testing.T) {
		require.ElementsMatch(
			t,
			[]string{
				"SHA256SUMS",
				archiveName,
				billName,
				packageName,
				pluginName + ".zip",
				pluginSums,
			},
			names(t, dist),
		)
	})

	t.Run("sums", func(t *testing.T) {
		require.Equal(
			t,
			sums(
				t,
				dist,
				archiveName,
				billName,
				packageName,
				pluginName+".zip",
			),
			read(t, dist, "SHA256SUMS"),
		)
		require.Equal(t, sums(t, dist, pluginName+".zip"), read(t, dist, pluginSums))
	})

	t.Run("archive", func(t *testing.T) {
		checkArchive(t, folder, filepath.Join(dist, archiveName))
	})
	t.Run("plugin", func(t *testing.T) {
		checkPlugin(t, folder, filepath.Join(dist, pluginName+".zip"))
	})
	t.Run("package", func(t *testing.T) {
		checkPackage(t, folder, filepath.Join(dist, packageName))
	})
	t.Run("bill of materials", func(t *testing.T) {
		checkBill(t, filepath.Join(dist, billName))
	})

	t.Run("the same again", func(t *testing.T) {
		before := read(t, dist, "SHA256SUMS")

		// Another folder, another day.
		other := checkout(t)
		for _, name := range programs {
			old := time.Now().Add(-72 * time.Hour)
			require.NoError(t, os.Chtimes(filepath.Join(other, "bin", name), old, old))
		}

		require.Equal(t, before, read(t, release(t, other), "SHA256SUMS"))
	})
}

func checkArchive(t *testing.T, folder, path string) {
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()

	compressed, err := gzip.NewReader(file)
	require.NoError(t, err)

	var found []string
	archive := tar.NewReader(compressed)

	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)

		contents, err := io.ReadAll(archive)
		require.NoError(t, err)

		name := strings.TrimPrefix(header.Name, strings.TrimSuffix(archiveName, ".tar.gz")+"/")
		found = append(found, fmt.Sprintf("%04o %s", header.Mode, name))

		source := filepath.Join(folder, name)
		if header.Mode == 0o755 {
			source = filepath.Join(folder, "bin", name)
		}

		date := header.ModTime.UTC().Format(time.RFC3339)
		require.Equal(t, read(t, source), string(contents), name)
		require.Equal(t, commitDate, date, name)
		require.Equal(t, "root", header.Uname, name)
		require.Zero(t, header.Uid, name)
	}

	require.ElementsMatch(
		t,
		[]string{
			"0644 LICENSE",
			"0644 README.md",
			"0755 hornero",
			"0755 hornero-bootstrap",
			"0755 hornero-acme",
			"0755 hornero-db",
			"0755 hornero-media",
			"0755 packer-plugin-hornero",
		},
		found,
	)
}

// Packer takes from the zip the file that is called as the zip is.
func checkPlugin(t *testing.T, folder, path string) {
	archive, err := zip.OpenReader(path)
	require.NoError(t, err)
	defer archive.Close()

	require.Len(t, archive.File, 1)
	require.Equal(t, pluginName, archive.File[0].Name)
	require.Equal(t, os.FileMode(0o755), archive.File[0].Mode())

	program, err := archive.File[0].Open()
	require.NoError(t, err)
	defer program.Close()

	contents, err := io.ReadAll(program)
	require.NoError(t, err)
	require.Equal(t, read(t, folder, "bin", "packer-plugin-hornero"), string(contents))
}

func checkPackage(t *testing.T, folder, path string) {
	require.Equal(
		t,
		"Package: hornero\nVersion: 0.7.1\nArchitecture: amd64\nDepends: ca-certificates\n",
		run(t, "", "dpkg-deb", "-f", path, "Package", "Version", "Architecture", "Depends"),
	)

	root := t.TempDir()
	run(t, "", "dpkg-deb", "-x", path, root)

	for target, name := range map[string]string{
		"usr/bin/hornero":                           "bin/hornero",
		"usr/lib/hornero/hornero-bootstrap":         "bin/hornero-bootstrap",
		"usr/lib/hornero/hornero-acme":              "bin/hornero-acme",
		"usr/lib/hornero/hornero-db":                "bin/hornero-db",
		"usr/lib/hornero/hornero-media":             "bin/hornero-media",
		"usr/lib/hornero/packer-plugin-hornero":     "bin/packer-plugin-hornero",
		"usr/share/doc/hornero/copyright":           "packaging/copyright",
		"usr/share/doc/hornero/README.md":           "README.md",
		"usr/share/man/man1/hornero.1.gz":           ".cache/release/pages/man/hornero.1.gz",
		"usr/share/man/man1/hornero-images.1.gz":    ".cache/release/pages/man/hornero-images.1.gz",
		"usr/share/zsh/vendor-completions/_hornero": ".cache/release/pages/completions/zsh/_hornero",
	} {
		require.Equal(t, read(t, folder, name), read(t, root, target), target)
	}

	require.Equal(t, "# bash\n", read(t, root, "usr/share/bash-completion/completions/hornero"))
	require.Equal(t, "# fish\n", read(t, root, "usr/share/fish/vendor_completions.d/hornero.fish"))

	info, err := os.Stat(filepath.Join(root, "usr/lib/hornero/hornero-bootstrap"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode())
	require.Equal(t, commitDate, info.ModTime().UTC().Format(time.RFC3339))
}

func checkBill(t *testing.T, path string) {
	var bill struct {
		BOMFormat string `json:"bomFormat"`
		Metadata  struct {
			Timestamp string `json:"timestamp"`
		} `json:"metadata"`
		Components []struct {
			Ref string `json:"bom-ref"`
		} `json:"components"`
	}

	require.NoError(t, json.Unmarshal([]byte(read(t, path)), &bill))
	require.Equal(t, "CycloneDX", bill.BOMFormat)
	require.Equal(t, commitDate, bill.Metadata.Timestamp)

	var refs []string
	for _, component := range bill.Components {
		refs = append(refs, component.Ref)
	}

	for _, name := range programs {
		require.Contains(t, refs, "program:"+name)
	}
}

func names(t *testing.T, folder string) []string {
	t.Helper()

	entries, err := os.ReadDir(folder)
	require.NoError(t, err)

	var found []string
	for _, entry := range entries {
		found = append(found, entry.Name())
	}

	return found
}

// sums is what sha256sum prints of files.
func sums(t *testing.T, folder string, names ...string) string {
	t.Helper()

	slices.Sort(names)

	var lines strings.Builder
	for _, name := range names {
		sum := sha256.Sum256([]byte(read(t, folder, name)))
		fmt.Fprintf(&lines, "%s  %s\n", hex.EncodeToString(sum[:]), name)
	}

	return lines.String()
}

func read(t *testing.T, path ...string) string {
	t.Helper()

	contents, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)

	return string(contents)
}
