package rootfs_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder/rootfs"
)

func TestASystemsNameIsOfAllThatItIsMadeOf(t *testing.T) {
	spec := rootfs.Spec{
		Suite:      "trixie",
		Components: []string{"main"},
		Packages:   []string{"linux"},
	}

	name := spec.Name()
	require.True(t, strings.HasPrefix(name, "rootfs-trixie-"), name)
	require.Len(t, name, len("rootfs-trixie-")+24)

	spec.Sources, spec.Keyring, spec.UUID = []string{"deb file:/a trixie main"}, "/keys", rootfs.UUIDOf("x")

	require.Equal(t,
		name,
		spec.Name(),
		"where the packages come from, and the disk, are not the system",
	)

	for _, change := range []func(*rootfs.Spec){
		func(s *rootfs.Spec) { s.Suite = "bookworm" },
		func(s *rootfs.Spec) {
			s.Components = []string{"main", "contrib"}
		},
		func(s *rootfs.Spec) {
			s.Packages = []string{"linux", "grub"}
		},
		func(s *rootfs.Spec) {
			s.AptOptions = []string{"A \"b\";"}
		},
	} {
		other := spec
		change(&other)
		require.NotEqual(t, name, other.Name())
	}
}

func TestAUUIDIsOfItsText(t *testing.T) {
	require.Regexp(t,
		`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
		rootfs.UUIDOf("one"),
	)

	require.Equal(t,
		rootfs.UUIDOf("one"),
		rootfs.UUIDOf("one"),
	)

	require.NotEqual(t,
		rootfs.UUIDOf("one"),
		rootfs.UUIDOf("two"),
	)
}

func TestSourcesFollowTheMachinesOwn(t *testing.T) {
	suites := rootfs.Suites{
		Main:       "trixie",
		Updates:    "trixie-updates",
		Security:   "trixie-security",
		Components: []string{"main", "contrib"},
	}

	require.Equal(t, []string{
		"deb http://a.example/debian trixie " +
			"main contrib", "deb http://a.example/debian trixie-updates main contrib",
		"deb http://a.example/debian-security/ trixie-security main contrib",
	}, suites.Lines([]string{"http://c.example/other", "http://a.example/debian", "http://a.example/debian-security/"}))

	require.Equal(t,
		[]string{"deb http://a.example/debian stretch main"},
		rootfs.Suites{
			Main:       "stretch",
			Components: []string{"main"},
		}.Lines([]string{"http://a.example/debian"}),
	)

	require.Empty(t,
		suites.Lines([]string{"http://c.example/other"}),
		"without the release itself there is nothing to bake",
	)
}

func newDisk() rootfs.Disk {
	return rootfs.Disk{
		Size:   rootfs.LeastSize,
		Format: rootfs.Raw,
		UUID:   rootfs.UUIDOf("disk"),
	}
}

func TestTheTableIsTheSameForTheSameContent(t *testing.T) {
	folder := t.TempDir()
	one, two := filepath.Join(folder, "one"), filepath.Join(folder, "two")
	for _, path := range []string{one, two} {
		require.NoError(t, newDisk().Partition(t.Context(), path))
	}

	text, err := exec.Command("sfdisk", "--dump", one).Output()
	require.NoError(t, err)
	require.Contains(t, string(text), "label: dos")
	require.Contains(t, string(text), "start=        2048, size=      129024, type=83, bootable")

	first, err := os.ReadFile(one)
	require.NoError(t, err)

	second, err := os.ReadFile(two)
	require.NoError(t, err)
	require.True(t, bytes.Equal(first, second))
}

func TestGRUBIsWhereTheBIOSAndGRUBLookForIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, newDisk().Partition(t.Context(), path))

	boot, core := bytes.Repeat([]byte{0xB0}, 512), bytes.Repeat([]byte{0xC0}, 3000)
	require.NoError(t, rootfs.InstallGRUB(path, boot, core))

	disk, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, boot[:440], disk[:440])

	number := binary.LittleEndian.Uint32(disk[440:])
	require.NotEqual(t, uint32(0xB0B0B0B0), number, "the disk's number is not GRUB's to change")
	require.Equal(t, []byte{0x55, 0xAA}, disk[510:512])
	require.Equal(t, core, disk[512:512+len(core)])
	require.ErrorContains(t, rootfs.InstallGRUB(path, boot[:511], core), "511 bytes instead of 512")

	require.ErrorContains(t,
		rootfs.InstallGRUB(path, boot, make([]byte, 2048*512)),
		"before the partition",
	)
}
