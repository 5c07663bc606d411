package media_test

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/space"
	"github.com/hornero/hornero/lab/spaces"
	"github.com/hornero/hornero/media"
)

// store is a Space that can fail, and counts what it is asked.
type store struct {
	*httptest.Server

	client *space.Client // past the failures, with its own key

	mu    sync.Mutex
	fails func(*http.Request) int // a status instead of an answer; 0 for none
	holds func(*http.Request)     // called between an answer that is made and its way out
	asked atomic.Int64
}

// cutBody is a failure that is no status: the answer begins well, and its body breaks off.
const cutBody = -1

// grantsOf are what keys may do.
var grantsOf = map[string][]spaces.Grant{
	"KEY": {{Permission: spaces.FullAccess}},
	"OWN": {{Permission: spaces.FullAccess}},
	"ONE": {{Bucket: "pictures", Permission: spaces.ReadWrite}},
	"OLD": {{Bucket: "old-pictures", Permission: spaces.Read}},
}

func newStore(t *testing.T) *store {
	t.Helper()

	served, err := spaces.Open(spaces.Config{
		Folder: t.TempDir(),
		Keys: func(access string) (spaces.Key, bool) {
			grants, known := grantsOf[access]
			return spaces.Key{Secret: "secret of " + access, Grants: grants}, known
		},
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	require.NoError(t, err)

	s := &store{}
	handler := served.Handler("fra1")

	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Authorization"), "=OWN/") {
			handler.ServeHTTP(w, r)
			return
		}

		s.asked.Add(1)

		switch status := s.failure(r); status {
		case 0:
		case cutBody:
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "half of")
			panic(http.ErrAbortHandler)

		default:
			w.WriteHeader(status)
			return
		}

		s.serve(handler, w, r)
	}))
	t.Cleanup(s.Close)

	s.client = &space.Client{
		Endpoint: s.URL,
		Region:   "fra1",
		Bucket:   "pictures",
		Key:      "OWN",
		Secret:   "secret of OWN",
		HTTP:     space.NewHTTP(),
	}
	require.NoError(t, s.client.MakeBucket(t.Context()))

	return s
}

// serve answers, at once or when it is let go.
func (s *store) serve(handler http.Handler, w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	holds := s.holds
	s.mu.Unlock()

	if holds == nil {
		handler.ServeHTTP(w, r)
		return
	}

	made := httptest.NewRecorder()
	handler.ServeHTTP(made, r)
	holds(r)

	maps.Copy(w.Header(), made.Header())
	w.WriteHeader(made.Code)
	_, _ = w.Write(made.Body.Bytes())
}

func (s *store) failure(r *http.Request) int {
	s.mu.Lock()
	fails := s.fails
	s.mu.Unlock()

	if fails == nil {
		return 0
	}

	return fails(r)
}

func (s *store) set(fails func(*http.Request) int) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.fails = fails
}

// hold has answers wait that are made already.
func (s *store) hold(holds func(*http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.holds = holds
}

// has is what the Space has of a file; empty when nothing.
func (s *store) has(t *testing.T, name string) string {
	t.Helper()

	_, body, err := s.client.Get(
		t.Context(),
		"wp-content/uploads/"+name,
	)
	if err != nil {
		require.ErrorIs(t, err, space.ErrNotThere)
		return ""
	}
	defer body.Close()

	data, err := io.ReadAll(body)
	require.NoError(t, err)

	return string(data)
}

// put puts an object as somebody else did before.
func (s *store) put(t *testing.T, key, text string) {
	t.Helper()

	require.NoError(t, s.client.Put(t.Context(), space.Upload{
		Key:  key,
		Body: strings.NewReader(text),
		Size: int64(len(text)),
		Sum:  "UNSIGNED-PAYLOAD",
		Type: "text/plain",
		ACL:  space.Public,
	}))
}

// in has a node keep its files in the Space.
func (s *store) in(c *media.Config) {
	c.Store = media.StoreSpaces
	c.Private = []string{"private"}
	c.Space = media.SpaceConfig{
		Endpoint: s.URL,
		Region:   "fra1",
		Bucket:   "pictures",
		Prefix:   "wp-content/uploads",
		Key:      "KEY",
		Secret:   "secret of KEY",
	}
}

func TestAFileIsInTheSpaceWhenItIsKept(t *testing.T) {
	all, store := newNodes(t, "web-1", "web-2"), newStore(t)
	one, two := all.start("web-1", store.in), all.start("web-2", store.in)

	const name = "2026/12/süß & 100% +.jpg"

	one.write(name, "first")
	one.settled(name)
	require.Equal(t, "first", store.has(t, name))

	// Everybody may read it, but not what is private.
	one.write("private/list.csv", "private")
	one.write("code.php", "<?php")
	one.settled()

	for path, want := range map[string]int{
		"2026/12/s%C3%BC%C3%9F%20%26%20100%25%20%2B.jpg": http.StatusOK,
		"private/list.csv": http.StatusForbidden,
		"code.php":         http.StatusForbidden,
	} {
		answer, err := http.Get(store.URL + "/pictures/wp-content/uploads/" + path)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, want, answer.StatusCode, path)
	}

	// The other node fetches it when it is asked for, and drops it when it becomes another.
	require.NoError(t, two.daemon.Fetch(t.Context(), name))
	require.Equal(t, "first", two.read(name))

	one.write(name, "second")
	one.settled(name)
	require.Empty(t, two.read(name))
	require.NoError(t, two.daemon.Fetch(t.Context(), name))
	require.Equal(t, "second", two.read(name))

	status, said := two.ask("/delete", name)
	require.Equal(t, http.StatusNoContent, status, said)
	two.settled()
	require.Empty(t, store.has(t, name))
	require.Empty(t, one.read(name))

	status, _ = one.get("2026/12/none.jpg")
	require.Equal(t, http.StatusNotFound, status)
}

// PHP may be there before the daemon has looked through the folder: what it asks about is not kept before it is.
func TestNothingIsKeptBeforeTheDaemonLooks(t *testing.T) {
	all, store := newNodes(t, "web-1"), newStore(t)

	config := all.config("web-1", "web-1")
	store.in(&config)

	one := all.by["web-1"]
	one.open(config)
	one.write("early.jpg", "early")

	// It is kept by nobody, and so nobody says that it is.
	impatient := &http.Client{Timeout: 200 * time.Millisecond}
	_, err := impatient.PostForm(one.local.URL+"/settle", url.Values{"path[]": {"early.jpg"}})
	require.ErrorContains(t, err, "Timeout")

	one.begin()
	one.settled("early.jpg")
	require.Equal(t, "early", store.has(t, "early.jpg"))
}

// Whoever asks for what is not there does not ask the Space, once it is known what there is.
func TestStrangersDoNotAskTheSpace(t *testing.T) {
	all, store := newNodes(t, "web-1", "web-2"), newStore(t)
	one, two := all.start("web-1", store.in), all.start("web-2", store.in)

	one.write("a.txt", "a")
	one.settled("a.txt")
	two.eventually("has listed the Space", func() bool { return two.daemon.Listed() && one.daemon.Listed() })

	before := store.asked.Load()

	for i := range 50 {
		status, _ := two.get(fmt.Sprintf("2026/guess-%d.jpg", i))
		require.Equal(t, http.StatusNotFound, status)
	}

	require.Equal(t, before, store.asked.Load())

	// Many who ask for one file at once are one request.
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if status, text := two.get("a.txt"); status != http.StatusOK || text != "a" {
				t.Errorf("%d %s", status, text)
			}
		})
	}

	wait.Wait()
	require.Equal(t, before+1, store.asked.Load())
}

func TestASpaceThatFailsIsToldAndTriedAgain(t *testing.T) {
	all, store := newNodes(t, "web-1"), newStore(t)
	one := all.start("web-1", store.in)
	one.write("before.txt", "before")
	one.settled("before.txt")

	// One or two refusals are nobody's business.
	var left atomic.Int64

	left.Store(2)
	store.set(func(r *http.Request) int {
		if r.Method == http.MethodPut && left.Add(-1) >= 0 {
			return http.StatusServiceUnavailable
		}

		return 0
	})
	one.write("busy.txt", "busy")
	one.settled("busy.txt")
	require.Equal(t, "busy", store.has(t, "busy.txt"))

	// A Space that is down refuses an upload, and no reader.
	store.set(func(*http.Request) int { return http.StatusServiceUnavailable })
	one.write("down.txt", "down")

	status, said := one.ask("/settle", "down.txt")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(
		t,
		said,
		"down.txt: not kept: put wp-content/uploads/down.txt: 503",
	)
	one.settled()
	require.Equal(t, "before", one.read("before.txt"))
	require.Contains(
		t,
		strings.Join(one.daemon.Status().Trouble, "\n"),
		"down.txt",
	)

	store.set(nil)
	one.eventually("keeps what was refused", func() bool { return one.daemon.Status().Pending == 0 })
	require.Equal(t, "down", store.has(t, "down.txt"))
	require.NotContains(
		t,
		strings.Join(one.daemon.Status().Trouble, "\n"),
		"down.txt",
	)
}

// Of a hundred uploads while one in twenty requests fails, none is refused.
func TestAFewFailuresRefuseNothing(t *testing.T) {
	all, store := newNodes(t, "web-1", "web-2"), newStore(t)
	one := all.start("web-1", store.in)
	all.start("web-2", store.in)

	var count atomic.Int64

	store.set(func(*http.Request) int {
		if count.Add(1)%20 == 0 {
			return http.StatusServiceUnavailable
		}

		return 0
	})

	for i := range 100 {
		name := fmt.Sprintf("many/%d.txt", i)
		one.write(name, name)
		one.settled(name)
		require.Equal(t, name, store.has(t, name))
	}
}

// A disk that is smaller than the library is a cache of it.
func TestTheDiskIsACache(t *testing.T) {
	all, store := newNodes(t, "web-1"), newStore(t)
	one := all.start("web-1", store.in)
	old := time.Now().Add(-48 * time.Hour)

	age := func() {
		for name, at := range map[string]time.Time{
			"old.jpg":   old,
			"older.jpg": old.Add(-time.Hour),
		} {
			require.NoError(t, os.Chtimes(filepath.Join(one.files, name), at, at))
		}
	}

	for _, name := range []string{"old.jpg", "older.jpg", "new.jpg"} {
		one.write(name, strings.Repeat("x", 1000)+name)
		one.settled(name)
	}

	age()

	// Touched, they are looked at once more before they may go.
	_, err := one.daemon.Evict(1 << 40)
	require.NoError(t, err)
	one.settled()
	age() // that was a reading

	// One that the Space does not have stays, whatever its age.
	store.set(func(r *http.Request) int {
		if r.Method == http.MethodPut {
			return http.StatusServiceUnavailable
		}

		return 0
	})
	one.write("unkept.jpg", strings.Repeat("y", 1000))
	require.NoError(t, os.Chtimes(filepath.Join(one.files, "unkept.jpg"), old, old.Add(-99*time.Hour)))

	status, _ := one.ask("/settle", "unkept.jpg")
	require.Equal(t, http.StatusServiceUnavailable, status)

	count, err := one.daemon.Evict(3200)
	require.NoError(t, err)
	require.Equal(t, 1, count)
	require.Empty(t, one.read("older.jpg"))
	require.NotEmpty(t, one.read("old.jpg"))

	// It is asked for again.
	status, text := one.get("older.jpg")
	require.Equal(t, http.StatusOK, status)
	require.True(t, strings.HasSuffix(text, "older.jpg"))
	require.NotEmpty(t, one.read("older.jpg"))

	// An eviction is no deletion, nor is what was read young enough for one.
	require.NoError(t, os.Chtimes(filepath.Join(one.files, "old.jpg"), old, old))

	count, err = one.daemon.Evict(0)
	require.NoError(t, err)
	require.Equal(t, 1, count, "old.jpg alone")
	one.settled()
	require.NotEmpty(t, store.has(t, "old.jpg"))
}

func TestAWrongKeyIsToldAtOnce(t *testing.T) {
	all, store := newNodes(t, "web-1"), newStore(t)
	one := all.start("web-1", store.in, func(c *media.Config) { c.Space.Secret = "wrong" })

	one.eventually("says so", func() bool {
		said := strings.Join(one.daemon.Status().Trouble, "\n")
		return strings.Contains(said, "try the Space") && strings.Contains(said, space.ErrRefused.Error())
	})
	require.NotContains(
		t,
		fmt.Sprint(one.daemon.Status()),
		"wrong\n",
	)
}
