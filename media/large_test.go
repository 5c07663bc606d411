package media_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/internal/space"
	"github.com/hornero/hornero/media"
)

// What a library of many files may cost. `make bench-media` has its files as large as pictures are.
const (
	largeFiles = 10_000
	smallFile  = 20_000 // bytes

	listedAtOnce  = 1_000   // objects in one answer of a Space
	ofOneFile     = 2 << 10 // bytes of memory, index and all
	uploadsBeside = 8
	viewed        = 200 // pictures, each twice
)

// largeSize is how many bytes each file has.
func largeSize(t *testing.T) int {
	t.Helper()

	text := os.Getenv("MEDIA_FILE_SIZE")
	if text == "" {
		return smallFile
	}

	size, err := strconv.Atoi(text)
	require.NoError(t, err, "MEDIA_FILE_SIZE")

	return size
}

// needRoom looks whether a disk has room for the Space and for a node's copy.
func needRoom(t *testing.T, bytes uint64) {
	t.Helper()

	var disk unix.Statfs_t
	require.NoError(t, unix.Statfs(t.TempDir(), &disk))

	free := disk.Bavail * uint64(disk.Bsize)
	require.Greaterf(t, free, bytes, "%d MB are wanted where the test's files are", bytes>>20)
}

func largeName(i int) string { return fmt.Sprintf("%d/%05d.jpg", 2000+i%20, i) }

// fill puts files into the Space, as a plugin did before.
func (s *store) fill(t *testing.T, files, size int) {
	t.Helper()

	var group errgroup.Group
	group.SetLimit(uploadsBeside)

	for i := range files {
		group.Go(func() error {
			body := largeText(i, size)

			return s.client.Put(t.Context(), space.Upload{
				Key:  "wp-content/uploads/" + largeName(i),
				Body: bytes.NewReader(body),
				Size: int64(size),
				Sum:  fmt.Sprintf("%x", sha256.Sum256(body)),
				Type: "image/jpeg",
				ACL:  space.Public,
			})
		})
	}

	require.NoError(t, group.Wait())
}

func largeText(i, size int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%05d", i), size/5)
}

// inMemory is what the process holds when what nobody uses is given back, in bytes.
func inMemory() int64 {
	var memory runtime.MemStats

	runtime.GC()
	runtime.ReadMemStats(&memory)

	return int64(memory.HeapAlloc)
}

// firstPicture starts a node on a Space, and tells how long it took until it served a picture that only the Space has.
func firstPicture(t *testing.T, store *store, size int) (*node, time.Duration) {
	t.Helper()

	all := newNodes(t, "web-1")
	began := time.Now()
	one := all.start("web-1", store.in, func(c *media.Config) { c.Share = 90 })

	status, said := one.get(largeName(7))
	require.Equal(t, http.StatusOK, status)

	took := time.Since(began)
	require.Equal(t, string(largeText(7, size)), said)

	return one, took
}

// A new node serves a large library at once: it waits for no listing, and asks the Space for what it is asked for.
// What it has by then the web server serves from its disk, and nobody is asked.
func TestANewNodeServesALargeLibraryAtOnce(t *testing.T) {
	size := largeSize(t)
	needRoom(t, uint64(2*size*largeFiles))

	// Beside one that has the one picture only.
	small, store := newStore(t), newStore(t)
	small.fill(t, 8, size)
	store.fill(t, largeFiles, size)

	few, quick := firstPicture(t, small, size)
	few.stop()

	before := inMemory()
	one, took := firstPicture(t, store, size)
	byThen := store.asked.Load()

	pages := largeFiles/listedAtOnce + 1
	require.LessOrEqual(t, byThen, int64(pages+10), "requests to the Space until the first picture")

	one.eventually("all files are known", func() bool { return one.daemon.Status().Files == largeFiles })

	grown := inMemory() - before
	require.Less(t, grown, int64(largeFiles*ofOneFile))

	for i := range viewed {
		status, said := one.get(largeName(i))
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, string(largeText(i, size)), said)
	}

	// One of them was asked for above.
	all := store.asked.Load()
	require.LessOrEqual(t, all, byThen+int64(pages+10+viewed), "each picture is fetched once")

	for i := range viewed {
		require.Equal(t, string(largeText(i, size)), one.read(largeName(i)), "the web server finds it on its disk")
	}

	for i := range viewed {
		status, _ := one.get(largeName(i))
		require.Equal(t, http.StatusOK, status)
	}

	require.Equal(t, all, store.asked.Load(), "the second view asks the Space for nothing")

	t.Logf("figure: %d files of %d bytes: the first picture after %.2f s (%.2f s with 8 files in the Space), by %d "+
		"requests; listing and %d pictures by %d; %.1f MB of memory", largeFiles, size, took.Seconds(), quick.Seconds(),
		byThen, viewed, all, float64(grown)/(1<<20))
}
