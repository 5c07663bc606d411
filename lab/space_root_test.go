//go:build root

package lab_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab"
	"github.com/hornero/hornero/lab/api"
)

const gigabyte = 1 << 30

// capacity is how large the Droplet's root file system says that it is, and how much of it is free, in bytes.
func (b *bench) capacity(droplet *godo.Droplet) (size, free int) {
	b.Helper()
	fields := strings.Fields(b.inside(droplet, "df -B1 --output=size,avail / | tail -1"))
	require.Len(b, fields, 2)

	size, err := strconv.Atoi(fields[0])
	require.NoError(b, err)

	free, err = strconv.Atoi(fields[1])
	require.NoError(b, err)

	return size, free
}

// taken is what the lab's files take on this computer, in bytes.
func taken(t *testing.T) (total int64) {
	t.Helper()

	folder := filepath.Dir(lab.FolderOf(testLab).TokenFile())

	err := filepath.Walk(folder, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if info.IsDir() && strings.HasSuffix(path, "/disk") {
			return filepath.SkipDir // what is in the disk's file, seen again
		}

		total += info.Sys().(*syscall.Stat_t).Blocks * 512

		return nil
	})
	require.NoError(t, err)

	return total
}

// fill fills a Droplet's disk but for some bytes, and returns the fault's name.
func (b *bench) fill(droplet *godo.Droplet, leave int64) string {
	b.Helper()
	endpoint := b.endpoint()
	fault, err := endpoint.Break(b.Context(), api.FaultRequest{
		Kind:   "fill",
		Groups: [][]int{{droplet.ID}},
		Leave:  leave,
	})
	require.NoError(b, err)

	return fault.Name
}

func (b *bench) lift(fault string) {
	b.Helper()
	endpoint := b.endpoint()
	require.NoError(b, endpoint.Lift(b.Context(), fault))
}

// folderOf is where a Droplet lies on this computer.
func (b *bench) folderOf(droplet *godo.Droplet) string {
	return filepath.Join(
		filepath.Dir(lab.FolderOf(testLab).TokenFile()),
		"machines",
		"droplets",
		strconv.Itoa(droplet.ID),
	)
}

// appendRecords adds records to a file as a database does, each synced, until one does not fit.
const appendRecords = `perl -MIO::Handle -e 'open my $log, ">>", "/root/log" or die "open: $!"; for (1 .. 100) {
	syswrite($log, "x" x 16384) == 16384 or die "write: $!"; $log->sync or die "sync: $!" }
	print "all written"' 2>&1 || true`

func TestADiskIsAsLargeAsItsSizeAndCanBeFull(t *testing.T) {
	b := newBench(t)
	require := require.New(t)
	droplet := b.createDebian("one")
	b.run(droplet, "cloud-init status --wait >/dev/null; true")

	size, before := b.capacity(droplet)
	require.InDelta(25*gigabyte, size, gigabyte)
	require.Greater(before, 23*gigabyte)
	require.Equal("all written", b.inside(droplet, appendRecords))
	b.inside(droplet, "echo kept > /root/kept && sync")

	onComputer := taken(t)

	first := b.fill(droplet, 64<<20)
	_, free := b.capacity(droplet)
	require.InDelta(64<<20, free, 1<<20, "what was to be left")

	all := b.fill(droplet, 0)
	_, free = b.capacity(droplet)
	require.Less(free, 1<<16)
	b.full(droplet)

	require.Less(
		taken(t)-onComputer,
		int64(gigabyte/4),
		"this computer's disk is not filled",
	)

	b.kill()
	b.startAgain()
	b.full(droplet)
	b.reboot(droplet)
	b.run(droplet, "true")
	b.full(droplet)
	b.powerOff(droplet)
	b.powerOn(droplet)
	b.run(droplet, "true")
	b.full(droplet)

	b.lift(all)

	_, free = b.capacity(droplet)
	require.InDelta(64<<20, free, 1<<20, "the other fault is still there")
	b.lift(first)
	require.Equal("all written", b.inside(droplet, appendRecords))

	_, after := b.capacity(droplet)
	require.InDelta(before, after, 64<<20, "nothing of it is left")
	require.NoFileExists(filepath.Join(b.folderOf(droplet), "disk", "fill"))
	require.NoFileExists(filepath.Join(b.folderOf(droplet), "fill.json"))

	b.deletedBytesAreGivenBack(droplet)
}

func (b *bench) deletedBytesAreGivenBack(droplet *godo.Droplet) {
	b.Helper()
	b.inside(droplet, "head -c 300M /dev/urandom > /root/large && sync")

	large := taken(b.T)
	b.inside(droplet, "rm /root/large && sync")

	b.until(bootWithin, "what the guest deletes is given back", func() error {
		back := large - taken(b.T)
		if back < 250<<20 {
			return fmt.Errorf("only %d bytes of it", back)
		}

		return nil
	})
}

// full wants no writer to find room on a Droplet's disk, root included.
func (b *bench) full(droplet *godo.Droplet) {
	b.Helper()

	require.Contains(b,
		b.inside(
			droplet,
			"dd if=/dev/zero of=/root/more bs=1M count=2 conv=fsync 2>&1; rm -f /root/more",
		),
		"No space left on device",
	)

	require.Contains(
		b,
		b.inside(droplet, appendRecords),
		"No space left on device",
	)
	require.Equal(
		b,
		"kept",
		b.inside(droplet, "cat /root/kept"),
	)
}

func TestADiskGrowsWithItsSize(t *testing.T) {
	b := newBench(t)
	require := require.New(t)
	droplet := b.createDebian("one")
	b.run(droplet, "echo kept > /root/kept && sync")

	fault := b.fill(droplet, 0)
	b.powerOff(droplet)
	b.act(b.client.DropletActions.Resize(t.Context(), droplet.ID, "s-1vcpu-2gb", true))
	b.powerOn(droplet)
	b.run(droplet, "true")

	size, free := b.capacity(droplet)
	require.InDelta(50*gigabyte, size, 2*gigabyte)
	require.Less(free, 1<<16, "what it grew by is full too")
	b.lift(fault)

	_, free = b.capacity(droplet)
	require.Greater(free, 46*gigabyte)

	// A lab that is killed while the disk grows leaves a mark, and a file that may be larger than what is in it.
	b.powerOff(droplet)

	disk := filepath.Join(b.folderOf(droplet), "disk.ext4")
	b.kill()
	require.NoError(os.WriteFile(disk+".grows", nil, 0o600))
	require.NoError(os.Truncate(disk, 60*gigabyte))
	b.startAgain()
	b.powerOn(droplet)
	b.run(droplet, "true")

	size, _ = b.capacity(droplet)
	require.InDelta(60*gigabyte, size, 2*gigabyte)
	require.NoFileExists(disk + ".grows")
	require.Equal("kept", b.inside(droplet, "cat /root/kept"))
}

func TestADiskIsFoundAgain(t *testing.T) {
	b := newBench(t)
	one := b.createDebian("one")
	two := b.createDebian("two")
	for _, droplet := range []*godo.Droplet{one, two} {
		b.run(droplet, "cloud-init status --wait >/dev/null; echo kept > /root/kept && sync")
	}

	b.fill(one, 0)

	b.marksOfACrashAreRead(one, two)
	b.dropletWithoutADiskGoesOn(one, two)
	b.full(one)

	endpoint := b.endpoint()
	_, err := endpoint.Break(b.Context(), api.FaultRequest{
		Kind:   "fill",
		Groups: [][]int{{two.ID}},
	})
	require.ErrorContains(b, err, "no disk of its own")

	b.removalIsEndedByTheNextStart(one)
}

// marksOfACrashAreRead kills the lab while it lifts one Droplet's fault and gives another Droplet one.
func (b *bench) marksOfACrashAreRead(one, two *godo.Droplet) {
	b.Helper()

	require := require.New(b)
	folder, old := b.folderOf(one), b.folderOf(two)
	begun := []byte(`{"leave":0,"done":false}`)

	// A lab that is killed while it lifts a fault, or gives one, leaves the mark of it.
	b.kill()

	require.NoError(os.WriteFile(
		filepath.Join(old, "disk", "fill"),
		make([]byte, 1<<20),
		0o600,
	))

	require.NoError(os.WriteFile(
		filepath.Join(old, "fill.json"),
		begun,
		0o600,
	))

	require.NoError(os.Remove(filepath.Join(folder, "disk", "fill")))

	require.NoError(os.WriteFile(
		filepath.Join(folder, "fill.json"),
		begun,
		0o600,
	))

	b.startAgain()
	require.NoFileExists(filepath.Join(old, "disk", "fill"), "no fault wants it")
	require.NoFileExists(filepath.Join(old, "fill.json"))
	b.full(one)
}

// dropletWithoutADiskGoesOn makes the second Droplet one of a lab that gave Droplets no disks.
func (b *bench) dropletWithoutADiskGoesOn(one, two *godo.Droplet) {
	b.Helper()

	require := require.New(b)
	folder, old := b.folderOf(one), b.folderOf(two)

	// What a lab without disks left: the folder above the layers lies in the Droplet's.
	require.NoError(os.WriteFile(filepath.Join(old, "disk.ext4.part1"), nil, 0o600))

	kept := filepath.Join(b.TempDir(), "upper")
	upper := filepath.Join(old, "disk", "upper")
	output, err := exec.Command("cp", "-a", upper, kept).CombinedOutput()
	require.NoError(err, "%s", output)

	_, err = lab.Stop(
		b.Context(),
		testLab,
		slog.New(slog.DiscardHandler),
	)
	require.NoError(err)
	require.NotContains(loops(), folder, "a lab that is stopped has no loop device")

	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(err)
	require.NotContains(string(mounts), folder)
	require.NoError(os.RemoveAll(filepath.Join(old, "disk.ext4")))

	output, err = exec.Command("cp", "-a", kept, filepath.Join(old, "upper")).CombinedOutput()
	require.NoError(err, "%s", output)

	b.startAgain()

	for _, droplet := range []*godo.Droplet{one, two} {
		require.Equal(
			"kept",
			b.run(b.status(droplet.ID, "active"), "cat /root/kept"),
		)
	}
}

func (b *bench) removalIsEndedByTheNextStart(one *godo.Droplet) {
	b.Helper()

	require := require.New(b)
	folder := b.folderOf(one)

	// A removal that is cut short is ended by the next start.
	b.delete(one)

	b.until(bootWithin, "removed", func() error {
		if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("it is there: %v", err)
		}

		return nil
	})

	require.NotContains(loops(), folder)

	three := b.createDebian("three")
	b.powerOff(three)
	b.kill()
	require.NoError(os.Remove(filepath.Join(b.folderOf(three), "droplet.json")))
	b.startAgain()
	require.NoDirExists(b.folderOf(three))
	require.NotContains(loops(), b.folderOf(three))
}
