package media_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/media"
)

// smallDisk is a disk of a node's own: its files are all that is on it.
type smallDisk struct {
	size int64
	peak atomic.Int64
}

// of measures what a node's files take, and keeps the most that they took.
func (d *smallDisk) of(n *node) func() (size, taken int64, err error) {
	return func() (int64, int64, error) {
		var taken int64

		err := filepath.WalkDir(n.files, func(_ string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return nil // it went meanwhile
			}

			if info, err := entry.Info(); err == nil {
				taken += info.Size()
			}

			return nil
		})

		d.peak.Store(max(d.peak.Load(), taken))

		return d.size, taken, err
	}
}

// A library twice as large as the disk moves in, and all of it is served. Nothing of it was read an hour ago.
func TestALibraryMayBeLargerThanTheDisk(t *testing.T) {
	const files, each = 500, 20_000

	all, store := newNodes(t, "web-1"), newStore(t)
	disk := &smallDisk{size: files * each / 2}

	one := all.by["web-1"]
	one.disk = disk.of(one)

	all.start("web-1", store.in, func(c *media.Config) { c.Share = 50 })

	socket := filepath.Join(t.TempDir(), "socket")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)

	server := httptest.NewUnstartedServer(one.daemon.LocalHandler())
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)

	text := func(i int) string { return strings.Repeat(fmt.Sprintf("%04d", i), each/4) }

	var (
		packed bytes.Buffer
		out    bytes.Buffer
	)

	archive := tar.NewWriter(&packed)

	for i := range files {
		header := &tar.Header{
			Name: fmt.Sprintf("2015/%04d.jpg", i),
			Mode: 0o600,
			Size: each,
		}
		require.NoError(t, archive.WriteHeader(header))

		_, err := archive.Write([]byte(text(i)))
		require.NoError(t, err)
	}

	require.NoError(t, archive.Close())
	require.NoError(t, media.Import(t.Context(), one.daemon.Config, socket, &packed, &out))
	require.Contains(t, out.String(), "500 files added")

	for i := range files {
		status, said := one.get(fmt.Sprintf("2015/%04d.jpg", i))
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, text(i), said)
	}

	_, _, err = one.disk()
	require.NoError(t, err)
	require.Less(t, disk.peak.Load(), disk.size)
	require.Less(t, one.daemon.Status().Here, files)

	// Whatever went can be had: the Space has all of it.
	require.Equal(t, files, one.daemon.Status().Files)
	require.Zero(t, one.held().Count)
}
