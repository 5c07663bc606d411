package immutable_test

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/immutable"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/internal/status"
)

// baked is a folder that looks like a node's root, of an image whose record is complete.
type baked struct {
	*testing.T
	*immutable.Image
}

const dpkgStatus = "Package: tool\nStatus: install ok installed\nVersion: 1.0\nDescription: x\n Status: no " +
	"field\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 3\n"

func bake(t *testing.T) baked {
	b := baked{
		t,
		&immutable.Image{
			Root:  t.TempDir(),
			Run:   t.TempDir(),
			State: t.TempDir(),
		},
	}
	b.write("/usr/bin/tool", "a tool")
	b.write("/usr/bin/daemon", "a daemon")
	b.write("/usr/share/tool/data", "data")
	b.write("/usr/share/tool/edited", "by a bake command")
	b.write("/usr/lib/hornero/guard", "a guard")
	b.write("/etc/tool.conf", "not the image's business")
	require.NoError(t, os.Symlink("usr/bin", b.at("/bin")))
	require.NoError(t, os.Symlink("daemon", b.at("/usr/bin/alias")))
	require.NoError(t, os.Chmod(b.at("/usr/bin/tool"), 0o755|os.ModeSetuid))
	b.write("/var/lib/dpkg/status", dpkgStatus)

	sums := ""

	for path, text := range map[string]string{
		"bin/tool":                    "a tool",
		"usr/bin/daemon":              "a daemon",
		"usr/share/tool/data":         "data",
		"usr/share/tool/edited":       "by the package",
		"usr/share/doc/tool/left-out": "a manual",
		"etc/tool.conf":               "a default",
	} {
		sums += fmt.Sprintf("%x  %s\n", md5.Sum([]byte(text)), path)
	}

	b.write("/var/lib/dpkg/info/tool.md5sums", sums)

	image := record.Image{
		Version:  1,
		Packages: map[string]string{"tool": "1.0"},
		Files: map[string]string{"/usr/lib/hornero/guard": fmt.Sprintf(
			"%x",
			sha256.Sum256([]byte("a guard")),
		)},
		Daemons: map[string]string{"/usr/bin/alias": fmt.Sprintf(
			"%x",
			sha256.Sum256([]byte("a daemon")),
		)},
	}

	standing, err := b.Survey(t.Context(), image)
	require.NoError(t, err)

	image.Standing = standing
	data, err := json.Marshal(image)
	require.NoError(t, err)
	b.write(record.Path, string(data))

	return b
}

func (b baked) at(path string) string {
	return filepath.Join(b.Root, path)
}

func (b baked) write(path, text string) {
	b.Helper()
	require.NoError(b, os.MkdirAll(filepath.Dir(b.at(path)), 0o755))

	require.NoError(b, os.WriteFile(
		b.at(path),
		[]byte(text),
		0o644,
	))
}

func TestAnImageIsAsItWasBaked(t *testing.T) {
	pass, err := bake(t).Check(t.Context(), 1)
	require.NoError(t, err)
	require.Empty(t, pass.Findings)
	require.Equal(t, 7, pass.Checked)
}

func TestEveryDifferenceIsFound(t *testing.T) {
	owner := fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())
	write := func(path, text string) func(baked) {
		return func(b baked) { b.write(path, text) }
	}

	remove := func(path string) func(baked) {
		return func(b baked) {
			require.NoError(b, os.Remove(b.at(path)))
		}
	}

	for _, c := range []struct {
		name   string
		damage func(baked)
		want   []status.Finding
	}{
		{
			name:   "a file of Hornero's",
			damage: write("/usr/lib/hornero/guard", "exit 0"),
			want:   []status.Finding{{Path: "/usr/lib/hornero/guard", What: "is changed"}},
		},
		{
			name:   "a package's file",
			damage: write("/usr/bin/tool", "a wrong tool"),
			want:   []status.Finding{{Path: "/usr/bin/tool", What: "is changed"}},
		},
		{
			name:   "a daemon and the link to it",
			damage: write("/usr/bin/daemon", "a wrong daemon"),
			want:   []status.Finding{{Path: "/usr/bin/daemon", What: "is changed"}},
		},
		{
			name:   "a file that the bake changed",
			damage: write("/usr/share/tool/edited", "by the package"),
			want:   []status.Finding{{Path: "/usr/share/tool/edited", What: "is changed"}},
		},
		{
			name:   "a missing file",
			damage: remove("/usr/share/tool/data"),
			want:   []status.Finding{{Path: "/usr/share/tool/data", What: "is missing"}},
		},
		{
			name: "a mode",
			damage: func(b baked) {
				require.NoError(b, os.Chmod(b.at("/usr/bin/tool"), 0o755))
			},
			want: []status.Finding{{
				Path: "/usr/bin/tool",
				What: "is 0755 " + owner + " instead of 4755 " + owner,
			}},
		},
		{
			name: "mode and bytes",
			damage: func(b baked) {
				b.write("/usr/share/tool/data", "other data")
				require.NoError(b, os.Chmod(b.at("/usr/share/tool/data"), 0o777))
			},
			want: []status.Finding{{
				Path: "/usr/share/tool/data",
				What: "is changed, and is 0777 " + owner + " instead of 0644 " + owner,
			}},
		},
		{
			name: "a pipe in a file's place",
			damage: func(b baked) {
				remove("/usr/share/tool/data")(b)
				require.NoError(b, syscall.Mkfifo(b.at("/usr/share/tool/data"), 0o644))
			},
			want: []status.Finding{{Path: "/usr/share/tool/data", What: "cannot be read: it is no plain file"}},
		},
		{
			name: "a link in a file's place",
			damage: func(b baked) {
				remove("/usr/bin/tool")(b)
				require.NoError(b, os.Symlink("daemon", b.at("/usr/bin/tool")))
			},
			want: []status.Finding{{
				Path: "/usr/bin/tool",
				What: "is changed, and is link daemon " +
					"instead of 4755 " + owner,
			}},
		},
		{
			name: "a link that leads elsewhere",
			damage: func(b baked) {
				remove("/usr/bin/alias")(b)
				require.NoError(b, os.Symlink("tool", b.at("/usr/bin/alias")))
			},
			want: []status.Finding{{Path: "/usr/bin/alias", What: "is link tool instead of link daemon"}},
		},
		{
			name:   "a package's configuration",
			damage: write("/etc/tool.conf", "changed"),
			want:   nil,
		},
		{
			name:   "what the image never had",
			damage: write("/usr/share/doc/tool/left-out", "a manual"),
			want:   nil,
		},
		{
			name: "a newer package",
			damage: write(
				"/var/lib/dpkg/status",
				"Package: tool\nStatus: install ok installed\nVersion: 1.1\n",
			),
			want: []status.Finding{{Path: "package tool", What: "is version 1.1 instead of 1.0"}},
		},
		{
			name: "another package",
			damage: write(
				"/var/lib/dpkg/status",
				dpkgStatus+"\nPackage: new\nStatus: install ok installed\nVersion: 2\n",
			),
			want: []status.Finding{{Path: "package new", What: "is added, version 2"}},
		},
		{
			name: "a package less",
			damage: write(
				"/var/lib/dpkg/status",
				"Package: tool\nStatus: deinstall ok config-files\nVersion: 1.0\n",
			),
			want: []status.Finding{{Path: "package tool", What: "is missing"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bake(t)
			c.damage(b)

			pass, err := b.Check(t.Context(), 1)
			require.NoError(t, err)
			require.Equal(t, c.want, pass.Findings)
		})
	}
}

// An image of a recipe that did not note how its files stand is held to their bytes only.
func TestAnOlderRecord(t *testing.T) {
	b := bake(t)
	var image map[string]any
	data, err := os.ReadFile(b.at(record.Path))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &image))
	delete(image, "standing")

	data, err = json.Marshal(image)
	require.NoError(t, err)
	b.write(record.Path, string(data))
	b.write("/usr/share/tool/edited", "by the package")
	b.write("/usr/share/doc/tool/left-out", "a manual")
	require.NoError(t, os.Chmod(b.at("/usr/bin/tool"), 0o755))

	pass, err := b.Check(t.Context(), 1)
	require.NoError(t, err)
	require.Empty(t, pass.Findings)
}

func TestWithoutARecordNothingIsCompared(t *testing.T) {
	b := bake(t)
	b.write(record.Path, "{")

	_, err := b.Check(t.Context(), 1)
	require.ErrorContains(t, err, "read "+record.Path)
	require.NoError(t, os.Remove(b.at(record.Path)))

	_, err = b.Check(t.Context(), 1)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// A pass that may take a twentieth of a core rests nineteen times as long as it works.
func TestAPassTakesItsShareOnly(t *testing.T) {
	b := bake(t)
	b.write("/usr/share/tool/large", string(make([]byte, 8<<20)))

	b.write("/var/lib/dpkg/info/large.md5sums", fmt.Sprintf(
		"%x  usr/share/tool/large\n",
		md5.Sum(make([]byte, 8<<20)),
	))

	whole, err := b.Check(t.Context(), 1)
	require.NoError(t, err)

	slow, err := b.Check(t.Context(), 0.05)
	require.NoError(t, err)
	require.Greater(t, slow.Took, 3*whole.Took, "the work is the same")

	// With this share the pass would rest for minutes.
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()

	_, err = b.Check(ctx, 0.0001)
	require.ErrorIs(t, err, context.DeadlineExceeded, "it ends with its agent")
}

func TestTheMarkSaysWhichNodeRefuses(t *testing.T) {
	b := bake(t)
	require.NoError(t, b.Refuse("web-1", "web"))

	mark, err := os.ReadFile(filepath.Join(b.Image.Run, "immutable"))
	require.NoError(t, err)
	require.Equal(t, "web-1 web\n", string(mark))
}

func TestTheBootIsFinishedWhenCloudInitIsDone(t *testing.T) {
	b := bake(t)
	require.True(t, b.BootFinished(), "it does not run")
	b.write("/run/cloud-init/enabled", "")
	require.False(t, b.BootFinished())
	b.write("/run/cloud-init/result.json", "{}")
	require.True(t, b.BootFinished())
}

func TestANoteTellsWhatBecameOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("text"), 0o640))

	note := func() immutable.Note {
		n, err := immutable.NoteOf(path)
		require.NoError(t, err)
		return n
	}

	before := note()
	require.Empty(t, before.Since(note()))
	require.NoError(t, os.Chmod(path, 0o644))
	require.Contains(t, before.Since(note()), "is 0644 ")
	require.NoError(t, os.WriteFile(path, []byte("other"), 0o640))
	require.Equal(t, "is changed", before.Since(note()))
	require.NoError(t, os.Remove(path))
	require.Equal(t, "is missing", before.Since(note()))
}
