//go:build root

package lab_test

import (
	"os"
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
	err := filepath.Walk(filepath.Dir(lab.FolderOf(testLab).TokenFile()), func(path string, info os.FileInfo, err error) error {
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

func TestADiskIsAsLargeAsItsSizeAndCanBeFull(t *testing.T) {
	b := newBench(t)
	droplet := b.create("one", godo.DropletCreateImage{Slug: "debian-13-x64"}, "")
	b.run(droplet, "cloud-init status --wait >/dev/null; true")
	size, before := b.capacity(droplet)
	require.InDelta(t, 25*gigabyte, size, gigabyte)
	require.Greater(t, before, 23*gigabyte)
	b.inside(droplet, "echo kept > /root/kept && sync")
	onComputer := taken(t)

	endpoint, err := lab.Locate(testLab)
	require.NoError(t, err)
	broken, err := endpoint.Break(t.Context(), api.FaultRequest{Kind: "fill", Groups: [][]int{{droplet.ID}}})
	require.NoError(t, err)
	_, free := b.capacity(droplet)
	require.Less(t, free, 1<<16)
	require.Contains(t, b.inside(droplet, "dd if=/dev/zero of=/root/more bs=1M count=2 conv=fsync 2>&1 || true"), "No space left on device")
	require.Equal(t, "kept", b.inside(droplet, "cat /root/kept"))
	require.Less(t, taken(t)-onComputer, int64(gigabyte), "this computer's disk is not filled")

	b.kill()
	require.True(t, b.start())
	require.Contains(t, b.inside(droplet, "head -c 2M /dev/zero > /root/more 2>&1 || true; sh -c 'head -c 2M /dev/zero > /root/more' 2>&1 || true"), "No space left")
	require.NoError(t, endpoint.Lift(t.Context(), broken.Name))
	b.inside(droplet, "rm -f /root/more; head -c 2M /dev/zero > /root/more && sync && rm /root/more")
	_, after := b.capacity(droplet)
	require.InDelta(t, before, after, gigabyte/4, "nothing of it is left")

	action, _, err := b.client.DropletActions.PowerOff(t.Context(), droplet.ID)
	require.NoError(t, err)
	b.done(action)
	action, _, err = b.client.DropletActions.Resize(t.Context(), droplet.ID, "s-1vcpu-2gb", true)
	require.NoError(t, err)
	b.done(action)
	b.status(droplet.ID, "off")
	action, _, err = b.client.DropletActions.PowerOn(t.Context(), droplet.ID)
	require.NoError(t, err)
	b.done(action)
	b.run(droplet, "true")
	size, _ = b.capacity(droplet)
	require.InDelta(t, 50*gigabyte, size, 2*gigabyte)
	require.Equal(t, "kept", b.inside(droplet, "cat /root/kept"))
}
