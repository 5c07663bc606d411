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

// write writes a file with the default options, and tells whether that changed it.
func write(t *testing.T, path, text string) bool {
	t.Helper()
	changed, err := file.Write(path, []byte(text), file.Options{})
	require.NoError(t, err)

	return changed
}

func TestAFileIsWrittenOnceAndReplacedByRename(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "down", "settings")
	require.True(t, write(t, path, "one"))

	before := inode(t, path)
	require.False(t, write(t, path, "one"), "the same bytes are not written again")
	require.Equal(t, before, inode(t, path))

	held, err := os.Open(path)
	require.NoError(t, err)
	defer held.Close()

	options := file.Options{Mode: 0o644}
	changed, err := file.Write(path, []byte("two"), options)
	require.NoError(t, err)
	require.True(t, changed)

	old := make([]byte, 3)
	_, err = held.Read(old)
	require.NoError(t, err)
	require.Equal(t, "one", string(old), "who has it open reads the old bytes to their end")
	requireMode(t, path, 0o644)

	left := names(t, filepath.Dir(path))
	require.Equal(t, []string{"settings"}, left, "no temporary file is left")
}

func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)

	var list []string
	for _, entry := range entries {
		list = append(list, entry.Name())
	}

	return list
}

func TestTheModeIsPutRightWithoutANewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte("k"), 0o644))

	before := inode(t, path)
	require.False(t, write(t, path, "k"))
	requireMode(t, path, 0o600)
	require.Equal(t, before, inode(t, path))
}

func TestWhatIsNoPlainFileIsReplacedUnread(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	require.False(t, file.Holds(path, nil))

	require.True(t, write(t, path, "text"))

	for text, want := range map[string]bool{
		"text": true,
		"tex":  false,
		"test": false,
	} {
		holds := file.Holds(path, []byte(text))
		require.Equal(t, want, holds, text)
	}

	missing := path + "-not-there"
	require.False(t, file.Holds(missing, nil))
}

func TestWhatCannotBeWrittenLeavesTheOldFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "settings")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))

	text := []byte("new")
	stranger := file.Options{Owner: "nobody-of-this-name"}
	_, err := file.Write(path, text, stranger)
	require.ErrorContains(t, err, "write "+path)

	below := filepath.Join(path, "below-a-file")
	_, err = file.Write(below, text, file.Options{})
	require.ErrorIs(t, err, syscall.ENOTDIR)

	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "old", string(data))

	for _, name := range names(t, folder) {
		hidden := strings.HasPrefix(name, ".")
		require.False(t, hidden, name)
	}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)

	return info.Sys().(*syscall.Stat_t).Ino
}

func requireMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)

	mode := info.Mode().Perm()
	require.Equal(t, want, mode)
}
