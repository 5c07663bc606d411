//go:build root

package lab_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab"
)

func TestVolumeInADroplet(t *testing.T) {
	b := newBench(t)
	droplet := b.create("one", godo.DropletCreateImage{Slug: "debian-13-x64"}, "")

	volume, _, err := b.client.Storage.CreateVolume(t.Context(), &godo.VolumeCreateRequest{
		Region:         "nyc3",
		Name:           "data",
		SizeGigaBytes:  1,
		FilesystemType: "ext4",
	})
	require.NoError(t, err)

	const disk = "/dev/disk/by-id/scsi-0DO_Volume_data"
	b.act(b.client.StorageActions.Attach(t.Context(), volume.ID, droplet.ID))

	b.run(droplet, fmt.Sprintf(
		"mkdir -p /mnt/data && mount %s /mnt/data && echo kept > /mnt/data/file && umount /mnt/data",
		disk,
	))

	b.act(b.client.DropletActions.Reboot(t.Context(), droplet.ID))

	require.Equal(t,
		"kept",
		b.run(droplet, fmt.Sprintf("mount %s /mnt/data && cat /mnt/data/file", disk)),
	)

	b.act(b.client.StorageActions.Resize(t.Context(), volume.ID, 2, "nyc3"))
	require.Equal(t, "2147483648", b.run(droplet, "blockdev --getsize64 "+disk))

	b.kill()
	require.True(t, b.start())
	require.Equal(t, "kept", b.run(droplet, "cat /mnt/data/file"))
	b.run(droplet, "sync; umount /mnt/data")
	b.act(b.client.StorageActions.DetachByDropletID(t.Context(), volume.ID, droplet.ID))
	require.Equal(t, "gone", b.run(droplet, "test -e "+disk+" || echo gone"))
	require.NotContains(t, loops(), volume.ID+".volume", "no loop device is left")

	b.act(b.client.StorageActions.Attach(t.Context(), volume.ID, droplet.ID))
	b.kill() // the clean-up's reset frees the device of a crashed lab
}

func TestVolumeIsPulledAndCopied(t *testing.T) {
	b := newBench(t)
	one := b.create("one", godo.DropletCreateImage{Slug: "debian-13-x64"}, "")

	volume, _, err := b.client.Storage.CreateVolume(t.Context(), &godo.VolumeCreateRequest{
		Region:          "nyc3",
		Name:            "data",
		SizeGigaBytes:   1,
		FilesystemType:  "xfs",
		FilesystemLabel: "data",
	})
	require.NoError(t, err)

	b.act(b.client.StorageActions.Attach(t.Context(), volume.ID, one.ID))

	b.run(one,
		"mkdir -p '/mnt/my data' && mount /dev/disk/by-id/scsi-0DO_Volume_data '/mnt/my data' && echo kept > "+
			"'/mnt/my data/file'",
	)

	snapshot, _, err := b.client.Storage.CreateSnapshot(t.Context(), &godo.SnapshotCreateRequest{
		VolumeID: volume.ID,
		Name:     "moment",
	})
	require.NoError(t, err)

	b.run(one,
		"echo lost > '/mnt/my data/file'; sync; systemd-run --quiet --service-type=exec "+
			"--working-directory='/mnt/my data' sleep 1000",
	)

	// A disk that is pulled while it is mounted and in use: one's file system is gone, and another Droplet has
	// the disk to itself.
	b.act(b.client.StorageActions.DetachByDropletID(t.Context(), volume.ID, one.ID))
	require.Equal(t, "gone", b.run(one, "grep -q '/mnt/my' /proc/mounts || echo gone"))

	require.Equal(t,
		"I/O error",
		b.run(one,
			`ls /proc/$(pgrep -xo sleep)/cwd/ 2>&1 |
	grep -o "I/O error\|Input/output error" | sed "s,Input/output,I/O," | head -1`,
		),
	)

	twin, _, err := b.client.Storage.CreateVolume(t.Context(), &godo.VolumeCreateRequest{
		Name:       "twin",
		SnapshotID: snapshot.ID,
	})
	require.NoError(t, err)

	two, _, err := b.client.Droplets.Create(t.Context(), &godo.DropletCreateRequest{
		Name:    "two",
		Region:  "nyc3",
		Size:    "s-1vcpu-1gb",
		Image:   godo.DropletCreateImage{Slug: "debian-13-x64"},
		SSHKeys: []godo.DropletCreateSSHKey{{ID: b.key.ID}},
		Volumes: []godo.DropletCreateVolume{
			{ID: volume.ID},
			{ID: twin.ID},
		},
	})
	require.NoError(t, err)

	two = b.status(two.ID, "active")
	const read = "mount -o nouuid /dev/disk/by-id/scsi-0DO_Volume_%s /mnt && cat /mnt/file && umount /mnt"
	require.Equal(t, "lost", b.run(two, fmt.Sprintf(read, "data")))
	require.Equal(t, "kept", b.run(two, fmt.Sprintf(read, "twin")))

	b.run(two, "mount -o nouuid /dev/disk/by-id/scsi-0DO_Volume_data /mnt")

	b.volumesOutliveTheirDroplets([]*godo.Droplet{one, two}, volume, twin)
}

func (b *bench) volumesOutliveTheirDroplets(droplets []*godo.Droplet, volume, twin *godo.Volume) {
	b.Helper()

	// What a Droplet had is free once it is gone: its volumes stay, 409 until then, and no device of them is left.
	for _, droplet := range droplets {
		_, err := b.client.Droplets.Delete(b.Context(), droplet.ID)
		require.NoError(b, err)
	}

	_, answer, _ := b.client.Storage.GetVolume(b.Context(), volume.ID)
	require.Equal(b, 200, answer.StatusCode)

	b.until(30*time.Second, "volumes deleted", func() error {
		for _, id := range []string{volume.ID, twin.ID} {
			answer, err := b.client.Storage.DeleteVolume(b.Context(), id)
			if err != nil && answer.StatusCode != 404 {
				require.Equal(b, 409, answer.StatusCode)
				return err
			}
		}

		return nil
	})

	b.until(10*time.Second, "no loop device left", func() error {
		if left := loops(); strings.Contains(left, os.Getenv(lab.FolderVariable)) {
			return errors.New(left)
		}

		return nil
	})
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
