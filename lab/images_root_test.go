//go:build root

package lab_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/machine"
)

// disk makes a disk image with a system in its second partition, of the base image's files.
func (b *bench) disk(folder string) string {
	b.Helper()

	host, err := machine.New(machine.Config{
		Name:   "none",
		State:  b.TempDir(),
		Cache:  "/var/cache/hornero",
		Public: netip.MustParsePrefix("198.18.79.0/24"),
	})
	require.NoError(b, err)

	base, err := host.Base(
		b.Context(),
		"debian-13",
		nil,
	)
	require.NoError(b, err)

	raw := filepath.Join(folder, "disk.raw")
	b.shell(`truncate -s 2G "$1"
printf 'label: dos\nstart=2048, size=20480, type=83\nstart=22528, type=83\n' | sfdisk -q "$1"
mkfs.ext4 -q -F -E offset=$((22528*512)) -d "$2" "$1" 2000000k`, raw, base.Layers[0])

	return raw
}

func (b *bench) shell(script string, args ...string) {
	b.Helper()

	text, err := exec.CommandContext(
		b.Context(),
		"sh",
		append([]string{"-ec", script, "sh"}, args...)...,
	).CombinedOutput()
	require.NoError(b, err, "%s", text)
}

func gzipped(t *testing.T, path string) {
	t.Helper()
	require := require.New(t)
	from, err := os.Open(path)
	require.NoError(err)
	defer from.Close()

	to, err := os.Create(path + ".gz")
	require.NoError(err)
	defer to.Close()

	packed, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
	require.NoError(err)

	_, err = io.Copy(packed, from)
	require.NoError(err)
	require.NoError(packed.Close())
}

func TestCustomImageBoots(t *testing.T) {
	b := newBench(t)
	require := require.New(t)
	folder := t.TempDir()
	raw := b.disk(folder)
	qcow := filepath.Join(folder, "disk.qcow2")
	b.shell(`qemu-img convert -O qcow2 "$1" "$2"`, raw, qcow)
	gzipped(t, qcow)
	b.shell(`qemu-img create -q -f qcow2 -F raw -b /etc/shadow "$1" 2>/dev/null
printf 'no disk at all, only text that goes on for a while: %0100d' 0 > "$2"
truncate -s 1M "$3"
head -c 3000000 /dev/urandom | gzip | head -c 2000000 > "$4"`,
		filepath.Join(folder, "thief.qcow2"),
		filepath.Join(folder, "text"),
		filepath.Join(folder, "empty"),
		filepath.Join(folder, "cut.gz"),
	)

	files := httptest.NewServer(http.FileServer(http.Dir(folder)))
	defer files.Close()

	image := b.imports(files.URL + "/disk.qcow2.gz")
	require.Equal("available", image.Status, image.ErrorMessage)
	require.Equal(2, image.MinDiskSize)

	droplet := b.create(
		"from-it",
		godo.DropletCreateImage{ID: image.ID},
		"",
	)
	b.prints(droplet, "hostname", "from-it")

	for path, reason := range map[string]string{
		"/thief.qcow2": "refers to another file",
		"/text":        "no ext3 or ext4",
		"/empty":       "no ext3 or ext4",
		"/cut.gz":      "cut off",
		"/not-there":   "404",
	} {
		refused := b.imports(files.URL + path)
		require.Equal("deleted", refused.Status, path)
		require.Contains(refused.ErrorMessage, reason, path)
	}
}

// imports waits for the end of a custom image's import.
func (b *bench) imports(url string) *godo.Image {
	b.Helper()

	image, _, err := b.client.Images.Create(b.Context(), &godo.CustomImageCreateRequest{
		Name:         "mine",
		Url:          url,
		Region:       "nyc3",
		Distribution: "Debian",
	})
	require.NoError(b, err)

	require.Eventually(b, func() bool {
		image, _, err = b.client.Images.GetByID(b.Context(), image.ID)
		return err == nil && (image.Status == "available" || image.Status == "deleted")
	}, time.Minute, 50*time.Millisecond)

	return image
}
