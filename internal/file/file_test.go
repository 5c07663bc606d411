package file_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/file"
)

func TestAFileIsWrittenOnceAndReplacedByRename(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "down", "settings")
	changed, err := file.Write(path, []byte("one"), file.Options{})
	require.NoError(t, err)
	require.True(t, changed)

	before := inode(t, path)
	changed, err = file.Write(path, []byte("one"), file.Options{})
	require.NoError(t, err)
	require.False(t, changed, "the same bytes are not written again")
	require.Equal(t, before, inode(t, path))

	held, err := os.Open(path)
	require.NoError(t, err)
	defer held.Close()

	changed, err = file.Write(path, []byte("two"), file.Options{Mode: 0o644})
	require.NoError(t, err)
	require.True(t, changed)

	old := make([]byte, 3)
	_, err = held.Read(old)
	require.NoError(t, err)
	require.Equal(t, "one", string(old), "who has it open reads the old bytes to their end")

	require.Equal(t,
		fs.FileMode(0o644),
		mode(t, path),
	)

	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "no temporary file is left")
}

func TestTheModeIsPutRightWithoutANewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte("k"), 0o644))

	before := inode(t, path)
	changed, err := file.Write(path, []byte("k"), file.Options{})
	require.NoError(t, err)
	require.False(t, changed)

	require.Equal(t,
		fs.FileMode(0o600),
		mode(t, path),
	)

	require.Equal(t, before, inode(t, path))
}

func TestWhatIsNoPlainFileIsReplacedUnread(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	require.False(t, file.Holds(path, nil))

	changed, err := file.Write(path, []byte("text"), file.Options{})
	require.NoError(t, err)
	require.True(t, changed)
	require.True(t, file.Holds(path, []byte("text")))
	require.False(t, file.Holds(path, []byte("tex")))
	require.False(t, file.Holds(path, []byte("test")))
	require.False(t, file.Holds(path+"-not-there", nil))
}

func TestWhatCannotBeWrittenLeavesTheOldFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "settings")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))

	_, err := file.Write(path, []byte("new"), file.Options{Owner: "nobody-of-this-name"})
	require.ErrorContains(t, err, "write "+path)

	_, err = file.Write(
		filepath.Join(path, "below-a-file"),
		[]byte("new"),
		file.Options{},
	)
	require.ErrorIs(t, err, syscall.ENOTDIR)

	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "old", string(data))

	entries, err := os.ReadDir(folder)
	require.NoError(t, err)

	for _, entry := range entries {
		require.False(t,
			strings.HasPrefix(entry.Name(), "."),
			entry.Name(),
		)
	}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)

	return info.Sys().(*syscall.Stat_t).Ino
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)

	return info.Mode().Perm()
}
