//go:build root

package lab_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab"
)

func TestVolumeInADroplet(t *testing.T) {
	b := newBench(t)
	droplet := b.create("one", godo.DropletCreateImage{Slug: "debian-13-x64"}, "")
	volume, _, err := b.client.Storage.CreateVolume(t.Context(), &godo.VolumeCreateRequest{Region: "nyc3", Name: "data", SizeGigaBytes: 1, FilesystemType: "ext4"})
	require.NoError(t, err)
	work := func(action *godo.Action, _ *godo.Response, err error) {
		t.Helper()
		require.NoError(t, err)
		b.done(action)
	}
	const disk = "/dev/disk/by-id/scsi-0DO_Volume_data"
	work(b.client.StorageActions.Attach(t.Context(), volume.ID, droplet.ID))
	b.run(droplet, fmt.Sprintf("mkdir -p /mnt/data && mount %s /mnt/data && echo kept > /mnt/data/file && umount /mnt/data", disk))
	work(b.client.DropletActions.Reboot(t.Context(), droplet.ID))
	require.Equal(t, "kept", b.run(droplet, fmt.Sprintf("mount %s /mnt/data && cat /mnt/data/file", disk)))
	work(b.client.StorageActions.Resize(t.Context(), volume.ID, 2, "nyc3"))
	require.Equal(t, "2147483648", b.run(droplet, "blockdev --getsize64 "+disk))

	b.kill()
	require.True(t, b.start())
	require.Equal(t, "kept", b.run(droplet, "cat /mnt/data/file"))
	b.run(droplet, "sync; umount /mnt/data")
	work(b.client.StorageActions.DetachByDropletID(t.Context(), volume.ID, droplet.ID))
	require.Equal(t, "gone", b.run(droplet, "test -e "+disk+" || echo gone"))
	require.NotContains(t, loops(), os.Getenv(lab.FolderVariable), "no loop device is left")

	work(b.client.StorageActions.Attach(t.Context(), volume.ID, droplet.ID))
	b.kill() // the clean-up's reset frees the device of a crashed lab
}

// loops lists the files that loop devices are on.
func loops() string {
	var found strings.Builder
	for n := range 256 {
		text, err := os.ReadFile(fmt.Sprintf("/sys/block/loop%d/loop/backing_file", n))
		if err == nil {
			found.Write(text)
		}
	}
	return found.String()
}
