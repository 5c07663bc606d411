//go:build root

package main

import (
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
)

// kernelOf9 is the oldest kernel of a release that is baked: Debian 9's.
var kernelOf9 = []uint32{4, 9, 0}

// The bootstrap in a root file system that holds nothing but itself, and then its user-data: no C library, no
// shell, no /proc. It needs nothing of a Debian's userland to run, so Debian 9's is enough.
func TestTheBootstrapRunsInAnEmptyRoot(t *testing.T) {
	_, err := exec.Command("make", "-s", "-C", "../..", "bin/hornero-bootstrap").CombinedOutput()
	require.NoError(t, err)

	root := t.TempDir()
	data, err := os.ReadFile("../../bin/hornero-bootstrap")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(root, "hornero-bootstrap"), data, 0o755))

	run := func(args ...string) ([]byte, error) {
		command := exec.Command("/hornero-bootstrap", args...)

		// no metadata service
		command.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Cloneflags: syscall.CLONE_NEWNET}
		command.Dir = "/"
		command.Env = []string{}

		return command.Output()
	}

	out, err := run("--version")
	require.NoError(t, err)
	require.Contains(t, string(out), "hornero-bootstrap version ")

	_, err = run("inspect")
	require.Error(t, err, "there is no user-data")

	node := document()
	text, err := cloudinit.Encode(node)
	require.NoError(t, err)

	seed := filepath.Join(root, "var/lib/cloud/seed/nocloud/user-data")
	require.NoError(t, os.MkdirAll(filepath.Dir(seed), 0o755))
	require.NoError(t, os.WriteFile(seed, text, 0o600))

	out, _ = run("inspect", "--json") // the agent does not run: it exits 1

	var seen struct {
		UserData struct{ Source string } `json:"user_data"`
	}
	require.NoError(t, json.Unmarshal(out, &seen), string(out))

	require.Contains(t, seen.UserData.Source, "nocloud/user-data")
	require.Contains(t, string(out), `"db-2"`)
}

// The C library in the program names the oldest kernel that it runs on (ELF note NT_GNU_ABI_TAG: the system,
// then the version).
func TestTheBootstrapRunsOnDebian9sKernel(t *testing.T) {
	program, err := elf.Open("../../bin/hornero-bootstrap")
	require.NoError(t, err)
	defer program.Close()

	section := program.Section(".note.ABI-tag")
	require.NotNil(t, section)

	note, err := section.Data()
	require.NoError(t, err)
	require.Len(t, note, 32)

	for i, most := range kernelOf9 {
		part := binary.LittleEndian.Uint32(note[20+4*i:])
		require.LessOrEqual(t, part, most)
		if part < most {
			return
		}
	}
}
