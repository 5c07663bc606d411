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
	droplet := b.createDebian("one")

	volume, _, err := b.client.Storage.CreateVolume(t.Context(), &godo.VolumeCreateRequest{
		Region:         "nyc3",
		Name:           "data",
		SizeGigaBytes:  1,
		FilesystemType: "ext4",
	})
	require.NoError(t, err)

	const disk = "/dev/disk/by-id/scsi-0DO_Volume_data"
	b.attach(volume, droplet)

	b.run(droplet, fmt.Sprintf(
		"mkdir -p /mnt/data && mount %s /mnt/data && echo kept > /mnt/data/file && umount /mnt/data",
		disk,
	))

	b.reboot(droplet)

	b.prints(
		droplet,
		fmt.Sprintf("mount %s /mnt/data && cat /mnt/data/file", disk),
		"kept",
	)

	b.act(b.client.StorageActions.Resize(t.Context(), volume.ID, 2, "nyc3"))
	b.prints(droplet, "blockdev --getsize64 "+disk, "2147483648")

	b.kill()
	b.startAgain()
	b.prints(droplet, "cat /mnt/data/file", "kept")
	b.run(droplet, "sync; umount /mnt/data")
	b.detach(volume, droplet)
	b.prints(droplet, "test -e "+disk+" || echo gone", "gone")
	require.NotContains(
		t,
		loops(),
		volume.ID+".volume",
		"no loop device is left",
	)

	b.attach(volume, droplet)
	b.kill() // the clean-up's reset frees the device of a crashed lab
}

func (b *bench) attach(volume *godo.Volume, droplet *godo.Droplet) {
	b.Helper()
	b.act(b.client.StorageActions.Attach(
		b.Context(),
		volume.ID,
		droplet.ID,
	))
}

func (b *bench) detach(volume *godo.Volume, droplet *godo.Droplet) {
	b.Helper()
	b.act(b.client.StorageActions.DetachByDropletID(
		b.Context(),
		volume.ID,
		droplet.ID,
	))
}

func TestVolumeIsPulledAndCopied(t *testing.T) {
	b := newBench(t)
	require := require.New(t)
	one := b.createDebian("one")

	volume, _, err := b.client.Storage.CreateVolume(t.Context(), &godo.VolumeCreateRequest{
		Region:          "nyc3",
		Name:            "data",
		SizeGigaBytes:   1,
		FilesystemType:  "xfs",
		FilesystemLabel: "data",
	})
	require.NoError(err)

	b.attach(volume, one)

	b.run(one,
		"mkdir -p '/mnt/my data' && mount /dev/disk/by-id/scsi-0DO_Volume_data '/mnt/my data' && echo kept > "+
			"'/mnt/my data/file'",
	)

	snapshot, _, err := b.client.Storage.CreateSnapshot(t.Context(), &godo.SnapshotCreateRequest{
		VolumeID: volume.ID,
		Name:     "moment",
	})
	require.NoError(err)

	b.run(one,
		"echo lost > '/mnt/my data/file'; sync; systemd-run --quiet --service-type=exec "+
			"--working-directory='/mnt/my data' sleep 1000",
	)

	// A disk that is pulled while it is mounted and in use: one's file system is gone, and another Droplet has
	// the disk to itself.
	b.detach(volume, one)
	b.prints(one, "grep -q '/mnt/my' /proc/mounts || echo gone", "gone")

	require.Equal(
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
	require.NoError(err)

	two, _, err := b.client.Droplets.Create(t.Context(), &godo.DropletCreateRequest{
		Name:    "two",
		Region:  "nyc3",
		Size:    "s-1vcpu-1gb",
		Image:   debian13,
		SSHKeys: []godo.DropletCreateSSHKey{{ID: b.key.ID}},
		Volumes: []godo.DropletCreateVolume{
			{ID: volume.ID},
			{ID: twin.ID},
		},
	})
	require.NoError(err)

	two = b.status(two.ID, "active")
	const read = "mount -o nouuid /dev/disk/by-id/scsi-0DO_Volume_%s /mnt && cat /mnt/file && umount /mnt"
	b.prints(
		two,
		fmt.Sprintf(read, "data"),
		"lost",
	)
	b.prints(
		two,
		fmt.Sprintf(read, "twin"),
		"kept",
	)

	b.run(two, "mount -o nouuid /dev/disk/by-id/scsi-0DO_Volume_data /mnt")

	b.volumesOutliveTheirDroplets(
		[]*godo.Droplet{one, two},
		volume,
		twin,
	)
}

func (b *bench) volumesOutliveTheirDroplets(droplets []*godo.Droplet, volume, twin *godo.Volume) {
	b.Helper()

	// What a Droplet had is free once it is gone: its volumes stay, 409 until then, and no device of them is left.
	for _, droplet := range droplets {
		b.delete(droplet)
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
