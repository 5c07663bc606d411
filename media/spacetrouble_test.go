package media_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/space"
	"github.com/hornero/hornero/media"
)

func TestAnImportSaysWhatIsWrong(t *testing.T) {
	all, store := newNodes(t, "web-1"), newStore(t)
	store.bucket(
		t,
		"old-pictures",
		map[string]string{"uploads/files/a.jpg": "a"},
	)

	one := all.start("web-1", func(c *media.Config) { c.Prefix = "/uploads/" })

	const uploads = "/old-pictures/uploads"

	type row struct {
		path  string
		input string
		is    error
		says  string
	}

	for name, want := range map[string]row{
		"wrong secret": {
			path:  uploads,
			input: "OLD\nwrong\n",
			is:    space.ErrRefused,
			says:  "list old-pictures",
		},
		"another's bucket": {
			path:  "/pictures/",
			input: oldKey,
			is:    space.ErrRefused,
			says:  "list pictures",
		},
		"no such bucket": {
			path:  "/nothing/uploads",
			input: fullKey,
			is:    space.ErrNotThere,
			says:  "404 NoSuchBucket",
		},
		"no such prefix": {
			path:  "/old-pictures/other",
			input: oldKey,
			is:    media.ErrNotThere,
			says:  `in bucket old-pictures begins with "other/"`,
		},
		"no prefix": {
			path:  "/old-pictures",
			input: oldKey,
			is:    media.ErrPath,
			says:  "begin with uploads/; write that at the end",
		},
		"no key": {
			path: uploads,
			is:   media.ErrConfig,
			says: "on standard input, a line each",
		},
		"no secret": {
			path:  uploads,
			input: "OLD\n",
			is:    media.ErrConfig,
			says:  "no secret in the line after it",
		},
		"more lines": {
			path:  uploads,
			input: oldKey + "and so on\n",
			is:    media.ErrConfig,
			says:  "line 3 of standard input",
		},
	} {
		t.Run(name, func(t *testing.T) {
			job := spaceImport{
				node:    one,
				address: store.URL + want.path,
				input:   want.input,
			}

			_, err := job.run(t.Context())
			require.ErrorIs(t, err, want.is)
			require.ErrorContains(t, err, want.says)
			require.NotContains(t, err.Error(), "secret of")
			require.Zero(t, one.daemon.Status().Files)
		})
	}
}

// One in five requests fails, each object's first body is cut, one object is private to others and one is gone.
func TestAnImportFromASpaceThatFails(t *testing.T) {
	all, store := newNodes(t, "web-1"), newStore(t)
	store.oldSpace(t, 40)

	one := all.start("web-1")

	var (
		count atomic.Int64
		cut   sync.Map
	)

	store.set(func(r *http.Request) int {
		switch {
		case !strings.HasPrefix(r.URL.Path, "/old-pictures"):
			return 0
		case strings.HasSuffix(r.URL.Path, "/0001.jpg"):
			return http.StatusForbidden
		case strings.HasSuffix(r.URL.Path, "/0002.jpg"):
			return http.StatusNotFound
		case count.Add(1)%5 == 0:
			return http.StatusServiceUnavailable
		}

		if _, again := cut.LoadOrStore(r.URL.Path, true); !again && isOldObject(r) {
			return cutBody
		}

		return 0
	})

	job := spaceImport{
		node:    one,
		address: store.URL + "/old-pictures/uploads",
		input:   oldKey,
	}
	out, err := job.run(t.Context())
	require.ErrorIs(t, err, media.ErrIncomplete)
	require.ErrorContains(t, err, "2 were not copied")
	require.Contains(t, out, "40 files added")
	require.Regexp(
		t,
		`not copied: uploads/2024/02/0001.jpg: get .*: the Space's key is refused: 403\n`,
		out,
	)
	require.Regexp(
		t,
		`not copied: uploads/2024/03/0002.jpg: get .*: not in the Space: 404\n`,
		out,
	)
	require.Equal(t, "old picture 39", one.read("2024/04/0039.jpg"))

	// One that is down ends it, after a few tries.
	count.Store(0)
	store.set(func(*http.Request) int {
		count.Add(1)
		return http.StatusServiceUnavailable
	})

	_, err = job.run(t.Context())
	require.ErrorContains(t, err, "import: list old-pictures: 503")
	require.Equal(t, int64(7), count.Load())
}

// A daemon that cannot keep what was copied is told of, and nothing counts as done.
func TestAnImportThatIsNotKeptSaysSo(t *testing.T) {
	all, store := newNodes(t, "web-1"), newStore(t)
	store.bucket(t, "old-pictures", map[string]string{"uploads/a.jpg": "a"})

	ownKey := func(c *media.Config) { c.Space.Key, c.Space.Secret = "ONE", "secret of ONE" }
	one := all.start("web-1", store.in, ownKey)
	one.eventually("knows its Space", one.daemon.Listed)

	store.set(func(r *http.Request) int {
		if r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") == "" {
			return http.StatusServiceUnavailable
		}

		return 0
	})

	job := spaceImport{
		node:    one,
		address: store.URL + "/old-pictures/uploads",
		input:   oldKey,
	}
	_, err := job.run(t.Context())
	require.ErrorContains(
		t,
		err,
		"not kept: put wp-content/uploads/a.jpg: 503",
	)
	require.False(t, errors.Is(err, media.ErrIncomplete))

	store.set(nil)

	out, err := job.run(t.Context())
	require.NoError(t, err, out)
	require.Equal(t, "a", store.has(t, "a.jpg"))
}

// An import waits for what takes its time, where a visitor's upload is refused.
func TestAnImportHasTime(t *testing.T) {
	all, store := newNodes(t, "web-1"), newStore(t)
	store.bucket(t, "old-pictures", map[string]string{"uploads/a.jpg": "a"})

	config := all.config("web-1", "web-1")
	store.in(&config)

	config.Space.Key, config.Space.Secret = "ONE", "secret of ONE"

	one := all.by["web-1"]
	one.open(config)

	one.daemon.First, one.daemon.Settle = patience, 50*time.Millisecond
	one.begin()
	one.eventually("knows its Space", one.daemon.Listed)

	goOn := make(chan struct{})

	store.hold(func(r *http.Request) {
		if isPut(r) && r.Header.Get("X-Amz-Copy-Source") == "" {
			<-goOn
		}
	})

	ended := make(chan error, 1)

	go func() {
		job := spaceImport{
			node:    one,
			address: store.URL + "/old-pictures/uploads",
			input:   oldKey,
		}
		_, err := job.run(t.Context())
		ended <- err
	}()

	one.eventually("has the picture", func() bool { return one.read("a.jpg") == "a" })

	// More often than the import would try again.
	for range 20 {
		status, said := one.ask("/settle", "a.jpg")
		require.Equal(t, http.StatusServiceUnavailable, status, said)
	}

	close(goOn)
	require.NoError(t, <-ended)
	require.Equal(t, "a", store.has(t, "a.jpg"))
}
