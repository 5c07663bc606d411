package media_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/space"
	"github.com/hornero/hornero/media"
)

// What the operator gives on standard input.
const (
	oldKey  = "OLD\nsecret of OLD\n"
	fullKey = "KEY\nsecret of KEY\n"
)

// bucket makes another bucket of the service, and puts objects into it.
func (s *store) bucket(t *testing.T, name string, objects map[string]string) *space.Client {
	t.Helper()

	client := *s.client
	client.Bucket = name
	require.NoError(t, client.MakeBucket(t.Context()))

	other := &store{client: &client}
	for key, text := range objects {
		other.put(t, key, text)
	}

	return &client
}

// oldSpace has the objects of an old site: many pictures, and a few that no library holds.
func (s *store) oldSpace(t *testing.T, pictures int) *space.Client {
	t.Helper()

	objects := map[string]string{
		"uploads/2024/":                 "",
		"uploads/2024/05/süß & 1+1.jpg": "odd",
		"uploads/cache/a.css":           "a cache",
		"uploads/a/../b.jpg":            "a climber",
		"uploads/both":                  "a file",
		"uploads/both/and.jpg":          "in a folder of its name",
		"elsewhere/c.jpg":               "another folder's",

		"uploads/" + strings.Repeat("long", 70) + ".jpg": "long",
	}

	for i := range pictures {
		objects[fmt.Sprintf("uploads/2024/%02d/%04d.jpg", i%12+1, i)] = fmt.Sprint("old picture ", i)
	}

	return s.bucket(t, "old-pictures", objects)
}

// spaceImport is an import into a node's library, and what it says.
type spaceImport struct {
	node    *node
	address string
	input   string
	dryRun  bool
	stall   time.Duration
}

func (i spaceImport) run(ctx context.Context) (string, error) {
	i.node.t.Helper()

	from, err := space.ParseAddress(i.address, "fra1")
	require.NoError(i.node.t, err)

	var out, progress bytes.Buffer

	err = media.ImportSpace(
		ctx,
		i.node.daemon.Config,
		i.node.socket(),
		media.SpaceImport{
			From:     from,
			DryRun:   i.dryRun,
			Out:      &out,
			Progress: &progress,
			Pause:    time.Millisecond,
			Stall:    i.stall,
		},
		strings.NewReader(i.input),
	)

	return out.String(), err
}

// counter counts requests of a kind.
type counter struct {
	store *store
	of    func(*http.Request) bool
	count atomic.Int64
}

func (s *store) counts(of func(*http.Request) bool) *counter {
	c := &counter{store: s, of: of}

	s.set(func(r *http.Request) int {
		if of(r) {
			c.count.Add(1)
		}

		return 0
	})

	return c
}

func isOldObject(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/old-pictures/")
}

func isPut(r *http.Request) bool {
	return r.Method == http.MethodPut && !strings.Contains(r.URL.Path, ".hornero-media")
}

func TestASpaceMovesIn(t *testing.T) {
	all, store := newNodes(t, "web-1", "web-2"), newStore(t)
	store.oldSpace(t, 250)

	one, two := all.start("web-1"), all.start("web-2")
	read := store.counts(isOldObject)
	job := spaceImport{
		node:    one,
		address: store.URL + "/old-pictures/uploads/",
		input:   oldKey,
		dryRun:  true,
	}

	out, err := job.run(t.Context())
	require.NoError(t, err, out)
	require.Contains(
		t,
		out,
		"252 files would be added, 0 MiB; 0 are there, 0 are the stack's own already, 4 are passed",
	)
	require.Zero(t, one.daemon.Status().Files)
	require.Zero(t, read.count.Load())

	job.dryRun = false
	out, err = job.run(t.Context())
	require.NoError(t, err, out)
	require.Contains(
		t,
		out,
		"252 files added, 0 MiB; 0 were there, 0 are the stack's own already, 4 passed over, 0 not",
	)

	for _, said := range []string{
		"passed over: uploads/cache/a.css: such files stay on the node that makes them\n",
		"passed over: uploads/a/../b.jpg: not a path of the library\n",
		"passed over: uploads/both: it is a folder of other objects, too\n",
		"longlong.jpg: a part of its name is longer than a disk takes\n",
	} {
		require.Contains(t, out, said)
	}

	// Kept, not only here.
	for _, n := range []*node{one, two} {
		require.Equal(t, "old picture 249", n.read("2024/10/0249.jpg"))
		require.Equal(t, "odd", n.read("2024/05/süß & 1+1.jpg"))
		require.Equal(t, "in a folder of its name", n.read("both/and.jpg"))
	}

	require.Equal(t, int64(252), read.count.Load())

	// Again, nothing is read but the listing. What changed meanwhile is.
	out, err = job.run(t.Context())
	require.NoError(t, err, out)
	require.Contains(t, out, "0 files added, 0 MiB; 252 were there")
	require.Equal(t, int64(252), read.count.Load())

	store.bucket(
		t,
		"newer",
		map[string]string{"u/2024/10/0249.jpg": "edited", "u/2024/10/0009.jpg": "old picture 9"},
	)
	job.address, job.input = store.URL+"/newer/u", fullKey
	out, err = job.run(t.Context())
	require.NoError(t, err, out)
	require.Contains(t, out, "1 files added, 0 MiB; 1 were there")
	require.Equal(t, "edited", two.read("2024/10/0249.jpg"))
}

func TestAnImportThatWasKilledGoesOn(t *testing.T) {
	all, store := newNodes(t, "web-1"), newStore(t)
	store.oldSpace(t, 250)

	one := all.start("web-1")
	job := spaceImport{
		node:    one,
		address: store.URL + "/old-pictures/uploads",
		input:   oldKey,
	}

	ctx, kill := context.WithCancel(t.Context())
	defer kill()

	var read atomic.Int64

	store.set(func(r *http.Request) int {
		if isOldObject(r) && read.Add(1) == 150 {
			kill()
		}

		return 0
	})

	_, err := job.run(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "begin again to go on")

	before := read.Load()
	out, err := job.run(t.Context())
	require.NoError(t, err, out)
	require.Equal(t, 252, one.daemon.Status().Files)
	require.LessOrEqual(
		t,
		read.Load()-before,
		int64(152+8),
		"what was copied is not copied again",
	)
	require.Equal(t, "old picture 249", one.read("2024/10/0249.jpg"))
}

// What a program was writing when it was killed goes with the next start of the daemon, unless somebody may be at it.
func TestWhatAKilledImportWasWritingGoes(t *testing.T) {
	all := newNodes(t, "web-1")
	one := all.by["web-1"]

	names := []string{"2024/.hornero-OLD.part", "2024/.hornero-NEW.part", "2024/.htaccess"}
	for _, name := range names {
		one.write(name, "half a film")

		if name != names[1] {
			old := time.Now().Add(-2 * time.Hour)
			require.NoError(t, os.Chtimes(filepath.Join(one.files, name), old, old))
		}
	}

	all.start("web-1").settled()
	require.Empty(t, one.read(names[0]))
	require.NotEmpty(t, one.read(names[1]))
	require.NotEmpty(t, one.read(names[2]))
}

// The service copies where the stack's own key may read the other bucket: no byte passes the node.
func TestASpaceIsCopiedWithinItsService(t *testing.T) {
	all, store := newNodes(t, "web-1", "web-2"), newStore(t)
	store.oldSpace(t, 30)

	one, two := all.start("web-1", store.in), all.start("web-2", store.in)
	two.eventually("knows what there is", two.daemon.Listed)

	read := store.counts(isOldObject)
	job := spaceImport{
		node:    one,
		address: store.URL + "/old-pictures/uploads",
	}

	out, err := job.run(t.Context())
	require.NoError(t, err, out)
	require.Contains(t, out, "32 files added")
	require.Zero(t, read.count.Load())
	require.Empty(t, one.read("2024/05/0004.jpg"))
	require.Equal(t, "old picture 4", store.has(t, "2024/05/0004.jpg"))

	// The other node was told, and gives it at once.
	status, text := two.get("2024/05/0004.jpg")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "old picture 4", text)

	answer, err := http.Get(store.URL + "/pictures/wp-content/uploads/2024/05/0004.jpg")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(
		t,
		http.StatusOK,
		answer.StatusCode,
		"everybody may read it",
	)

	out, err = job.run(t.Context())
	require.NoError(t, err, out)
	require.Contains(t, out, "0 files added, 0 MiB; 32 were there")
}

// A key for the stack's Space alone, as hornero up makes it: the bytes pass the node.
func TestASpaceIsCopiedByTheNodeWhereItsKeyMayNotReadIt(t *testing.T) {
	all, store := newNodes(t, "web-1"), newStore(t)
	store.oldSpace(t, 30)

	ownKey := func(c *media.Config) { c.Space.Key, c.Space.Secret = "ONE", "secret of ONE" }
	one := all.start("web-1", store.in, ownKey)
	read := store.counts(isOldObject)
	job := spaceImport{
		node:    one,
		address: store.URL + "/old-pictures/uploads",
	}

	_, err := job.run(t.Context())
	require.ErrorIs(
		t,
		err,
		space.ErrRefused,
		"its own key cannot list the other",
	)

	job.input = oldKey
	out, err := job.run(t.Context())
	require.NoError(t, err, out)
	require.Contains(t, out, "32 files added")
	require.Equal(t, int64(32), read.count.Load())
	require.Equal(t, "old picture 4", store.has(t, "2024/05/0004.jpg"))
}

// A Space that a plugin filled is the stack's own from now on: nothing of it is written.
func TestASpaceIsAdopted(t *testing.T) {
	for _, prefix := range []string{"wp-content/uploads", "/"} {
		t.Run(prefix, func(t *testing.T) {
			all, store := newNodes(t, "web-1", "web-2"), newStore(t)
			within := strings.Trim(prefix, "/")

			for i := range 30 {
				store.put(
					t,
					path.Join(within, fmt.Sprintf("2024/01/%d.jpg", i)),
					fmt.Sprint("picture ", i),
				)
			}

			here := func(c *media.Config) { c.Space.Prefix = prefix }
			one, two := all.start("web-1", store.in, here), all.start("web-2", store.in, here)
			one.eventually("knows its Space", one.daemon.Listed)

			// One that came while nobody looked.
			store.put(t, path.Join(within, "2024/02/late.jpg"), "late")

			puts := store.counts(isPut)
			job := spaceImport{
				node:    one,
				address: store.URL + "/pictures/" + within,
			}
			out, err := job.run(t.Context())
			require.NoError(t, err, out)
			require.Contains(
				t,
				out,
				"0 files added, 0 MiB; 0 were there, 31 are the stack's own already, 0 passed over",
			)
			require.Zero(t, puts.count.Load())

			// Its own addresses answer, and so do the site's.
			answer, err := http.Get(store.URL + path.Join("/pictures", within, "2024/01/7.jpg"))
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, http.StatusOK, answer.StatusCode)

			for _, n := range []*node{one, two} {
				status, text := n.get("2024/02/late.jpg")
				require.Equal(t, http.StatusOK, status)
				require.Equal(t, "late", text)
			}
		})
	}
}

// A plugin may have written its objects under other names than the files': lines on standard input say which.
func TestObjectsAreMappedToTheirFiles(t *testing.T) {
	all, store := newNodes(t, "web-1"), newStore(t)
	store.bucket(t, "old-pictures", map[string]string{
		"uploads/2024/01/02103045/a.jpg":         "a",
		"uploads/2024/01/02103045/a-300x200.jpg": "a, small",
		"uploads/2024/01/b.jpg":                  "b",
	})
	store.put(t, "wp-content/uploads/2024/03/09080706/c.jpg", "c")

	const names = "old-pictures\tuploads/2024/01/02103045/a.jpg\t2024/01/a.jpg\n" +
		"old-pictures\tuploads/2024/01/02103045/a-300x200.jpg\t2024/01/a-300x200.jpg\n" +
		"another\tuploads/2024/01/b.jpg\t2024/01/wrong.jpg\n" +
		"pictures\twp-content/uploads/2024/03/09080706/c.jpg\t2024/03/c.jpg\n"

	one := all.start("web-1", store.in)

	job := spaceImport{
		node:    one,
		address: store.URL + "/old-pictures/uploads",
		input:   oldKey + names,
	}
	out, err := job.run(t.Context())
	require.NoError(t, err, out)
	require.Contains(t, out, "3 files added")
	require.Equal(t, "a", store.has(t, "2024/01/a.jpg"))
	require.Equal(t, "a, small", store.has(t, "2024/01/a-300x200.jpg"))
	require.Equal(t, "b", store.has(t, "2024/01/b.jpg"))

	// In the stack's own Space, too: the object stays, and there is one more.
	job.address, job.input = store.URL+"/pictures/wp-content/uploads", names
	out, err = job.run(t.Context())
	require.NoError(t, err, out)
	require.Contains(
		t,
		out,
		"1 files added, 0 MiB; 0 were there, 3 are the stack's own already",
	)
	require.Equal(t, "c", store.has(t, "2024/03/c.jpg"))
	require.Equal(t, "c", store.has(t, "2024/03/09080706/c.jpg"))
}
