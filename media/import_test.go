package media_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/media"
)

// socket is where the daemon answers programs of its node.
func (n *node) socket() string {
	n.t.Helper()

	path := filepath.Join(n.t.TempDir(), "socket")
	listener, err := net.Listen("unix", path)
	require.NoError(n.t, err)

	server := httptest.NewUnstartedServer(n.daemon.LocalHandler())
	server.Listener = listener
	server.Start()
	n.t.Cleanup(server.Close)

	return path
}

func TestOldUploadsMoveIn(t *testing.T) {
	all, store := newNodes(t, "web-1"), newStore(t)
	one := all.start("web-1", store.in)
	socket := one.socket()

	var packed bytes.Buffer

	zipped := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zipped)

	for i := range 250 {
		text := fmt.Sprint("old picture ", i)
		header := &tar.Header{Name: fmt.Sprintf("./2015/%03d.jpg", i), Mode: 0o600, Size: int64(len(text))}
		require.NoError(t, archive.WriteHeader(header))

		_, err := archive.Write([]byte(text))
		require.NoError(t, err)
	}

	require.NoError(t, archive.WriteHeader(&tar.Header{Name: "../evil.php", Size: 0}))
	require.NoError(t, archive.Close())
	require.NoError(t, zipped.Close())

	// Meanwhile all is compared: what is on its way is not taken for gone.
	for _, want := range []string{
		"250 files added, 0 were there, 1 passed over",
		"0 files added, 250 were there, 1 passed over",
	} {
		var out bytes.Buffer

		one.daemon.CompareNow()

		config := one.daemon.Config
		require.NoError(t, media.Import(t.Context(), config, socket, bytes.NewReader(packed.Bytes()), &out))
		require.Contains(t, out.String(), want)
	}

	require.Equal(
		t,
		"old picture 249",
		store.has(t, "2015/249.jpg"),
	)
	require.Equal(
		t,
		"old picture 249",
		one.read("2015/249.jpg"),
	)

	var out bytes.Buffer

	wrong, err := media.AskVerify(t.Context(), socket, &out)
	require.NoError(t, err)
	require.False(t, wrong, out.String())

	// A file that is lost, and one that was changed behind the daemon's back.
	require.NoError(t, store.client.Delete(t.Context(), "wp-content/uploads/2015/001.jpg"))
	store.put(t, "wp-content/uploads/2015/002.jpg", "other")

	wrong, err = media.AskVerify(
		context.Background(),
		socket,
		&out,
	)
	require.NoError(t, err)
	require.True(t, wrong)
	require.Contains(
		t,
		out.String(),
		"2015/001.jpg: is not in the Space\n2015/002.jpg: is another file in the Space\n",
	)
}
