package immutable_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/immutable"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/internal/status"
)

// shortages are what a node may lack itself.
var shortages = []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EIO}

// failing fails each look of one kind whose name has this in it.
func failing(operation, name string, errno error) immutable.Faults {
	return func(tried, at string) error {
		if tried == operation && strings.HasSuffix(at, name) {
			return &fs.PathError{Op: operation, Path: at, Err: errno}
		}

		return nil
	}
}

// looks are all kinds of looks of a whole comparison, each at a file that it needs.
var looks = []struct{ operation, name string }{
	{"stat", "/usr/bin/daemon"},
	{"readlink", "/usr/bin/alias"},
	{"open", "/usr/bin/alias"},
	{"open", "/usr/share/tool/data"},
	{"read", "/usr/share/tool/data"},
	{"open", "/usr/lib/hornero/guard"},
	{"stat", "/usr"},
	{"readlink", "/bin"},
	{"readdir", "/usr/share/tool"},
	{"readdir", "/usr/share/new"},
	{"readdir", "/var/lib/dpkg/info"},
	{"open", "/var/lib/dpkg/info/tool.md5sums"},
	{"read", "/var/lib/dpkg/info/tool.md5sums"},
	{"open", "/var/lib/dpkg/status"},
	{"read", "/var/lib/dpkg/status"},
	{"open", record.Path},
	{"read", record.Path},
	{"open", record.ContentsPath},
	{"stat", "/held"},
	{"stat", "/usr/bin/backdoor"},
	{"stat", "/usr/share/new/file"},
}

func TestAShortageOfTheNodesOwnIsNoDrift(t *testing.T) {
	b := sealed(t)
	b.hold()
	b.write("/usr/bin/backdoor", "#!/bin/sh")
	b.write("/usr/share/new/file", "added")

	complete, err := b.Check(t.Context(), 1)
	require.NoError(t, err)
	require.Empty(t, complete.Unseen)
	require.Equal(t, []status.Finding{
		{Path: "/usr/bin/backdoor", What: "is added"},
		{Path: "/usr/share/new", What: "is added, files in it: 1"},
	}, complete.Findings)

	for _, look := range looks {
		for _, errno := range shortages {
			t.Run(fmt.Sprint(look.operation, " ", look.name, " ", errno), func(t *testing.T) {
				b.Faults = failing(look.operation, look.name, errno)

				pass, err := b.Check(t.Context(), 1)
				require.NoError(t, err)
				require.Contains(t, pass.Unseen, errno.Error())
				require.Subset(t, complete.Findings, pass.Findings, "nothing is told that is not so")
			})
		}
	}
}

func TestWhatIsWrongWithAFileIsDriftStill(t *testing.T) {
	b := bake(t)

	for _, errno := range []syscall.Errno{syscall.EACCES, syscall.ELOOP, syscall.ENOTDIR} {
		b.Faults = failing("open", "/usr/share/tool/data", errno)

		pass, err := b.Check(t.Context(), 1)
		require.NoError(t, err)
		require.Empty(t, pass.Unseen)
		require.Len(t, pass.Findings, 1)
		require.Equal(t, "/usr/share/tool/data", pass.Findings[0].Path)
		require.Contains(t, pass.Findings[0].What, "cannot be read: ")
	}
}

func TestManyFilesThatCouldNotBeLookedAtAreCounted(t *testing.T) {
	b := bake(t)
	b.Faults = func(operation, name string) error {
		if operation == "open" && strings.Contains(name, "/usr/share/tool/") {
			return syscall.EMFILE
		}

		return nil
	}

	pass, err := b.Check(t.Context(), 1)
	require.NoError(t, err)
	require.Empty(t, pass.Findings)
	require.Equal(t, "look at /usr/share/tool/data: too many open files, and 1 more", pass.Unseen)
}

func TestTheMountAndTheGuardThatNobodyCouldLookAt(t *testing.T) {
	b := bake(t)
	b.write(immutable.GuardFile, "table of nothing")

	for _, errno := range shortages {
		b.Faults = failing("statfs", "/usr", errno)
		_, err := b.Writable()
		require.ErrorIs(t, err, errno)

		for _, look := range []struct{ operation, name string }{
			{"stat", immutable.GuardFile},
			{"exec", "/usr/sbin/nft"},
		} {
			b.Faults = failing(look.operation, look.name, errno)
			what, err := b.EnsureMetadataGuard(t.Context())
			require.ErrorIs(t, err, errno)
			require.Empty(t, what)
		}

		b.Faults = failing("stat", "/run/cloud-init/enabled", errno)
		require.False(t, b.BootFinished(), "asked again")
	}
}

func TestNoteOfAFileThatNobodyCouldLookAt(t *testing.T) {
	name := t.TempDir() + "/file"
	require.NoError(t, os.WriteFile(name, nil, 0o600))

	for _, operation := range []string{"stat", "open", "read"} {
		_, err := failing(operation, "/file", syscall.EMFILE).NoteOf(name)
		require.True(t, immutable.IsShortage(err))
	}

	require.False(t, immutable.IsShortage(errors.New("too many open files")))
	require.False(t, immutable.IsShortage(nil))
}
