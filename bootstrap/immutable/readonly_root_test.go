//go:build root

package immutable_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/bootstrap/immutable"
)

// A root of its own in a mount namespace of one thread, which ends with the test: shared, as systemd makes the
// machine's.
func ownRoot(t *testing.T) *immutable.Image {
	runtime.LockOSThread() // and never unlocked
	require.NoError(t, unix.Unshare(unix.CLONE_NEWNS))
	require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))

	root := t.TempDir()
	require.NoError(t, unix.Mount("tmpfs", root, "tmpfs", unix.MS_NOSUID, ""))
	t.Cleanup(func() {
		require.NoError(t, unix.Unmount(root, unix.MNT_DETACH))
	})
	require.NoError(t, unix.Mount("", root, "", unix.MS_SHARED, ""))

	for _, folder := range []string{"usr/bin", "run", "sbin"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, folder), 0o755))
	}

	require.NoError(t, os.Symlink("usr/bin", filepath.Join(root, "bin")))

	return &immutable.Image{
		Root: root,
		Run:  filepath.Join(root, "run"),
	}
}

func TestReadOnly(t *testing.T) {
	image := ownRoot(t)
	writable, err := image.Writable()
	require.NoError(t, err)
	require.Equal(t, []string{"/usr", "/sbin"}, writable, "a link is not a folder of its own")

	open, err := os.Create(filepath.Join(image.Root, "usr/bin/open"))
	require.NoError(t, err)
	defer open.Close()

	require.NoError(t, image.ReadOnly())
	require.NoError(t, image.ReadOnly(), "again")

	writable, err = image.Writable()
	require.NoError(t, err)
	require.Empty(t, writable)

	for _, path := range []string{"usr/new", "usr/bin/new", "bin/new", "sbin/new"} {
		require.ErrorIs(t,
			os.WriteFile(filepath.Join(image.Root, path), nil, 0o644),
			unix.EROFS,
			path,
		)
	}

	_, err = open.WriteString("whoever writes goes on")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(image.Root, "run/new"), nil, 0o644))
	require.NoDirExists(t, filepath.Join(image.Root, "run/read-only"), "nothing is left beside")
	var stat unix.Statfs_t
	require.NoError(t, unix.Statfs(filepath.Join(image.Root, "usr"), &stat))
	require.NotZero(t, stat.Flags&unix.ST_NOSUID, "other flags stay")
}
