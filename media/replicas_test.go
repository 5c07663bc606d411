package media_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/media"
)

func TestAFileIsOnAllNodesWhenItIsKept(t *testing.T) {
	all := newNodes(t, "web-1", "web-2", "web-3")
	one, two, three := all.start("web-1"), all.start("web-2"), all.start("web-3")

	one.write("2026/12/a.jpg", "first")
	one.settled("2026/12/a.jpg")
	require.Equal(t, "first", two.read("2026/12/a.jpg"))
	require.Equal(t, "first", three.read("2026/12/a.jpg"))

	// The same name again, elsewhere.
	three.write("2026/12/a.jpg", "second")
	three.settled()
	require.Equal(t, "second", one.read("2026/12/a.jpg"))
	require.Equal(t, "second", two.read("2026/12/a.jpg"))

	require.NoError(t, os.Remove(filepath.Join(two.files, "2026/12/a.jpg")))
	two.settled()
	require.Empty(t, one.read("2026/12/a.jpg"))
	require.Empty(t, three.read("2026/12/a.jpg"))

	status, _ := one.get("2026/12/a.jpg")
	require.Equal(t, http.StatusNotFound, status)
	require.Empty(
		t,
		slices.Concat(one.asides(), two.asides(), three.asides()),
		"nothing was in conflict",
	)
}

// A program that makes folders, renames and links is not asked to know the daemon.
func TestWhatIsWrittenInAnyWayIsKept(t *testing.T) {
	all := newNodes(t, "web-1", "web-2")
	one, two := all.start("web-1"), all.start("web-2")

	one.write("a/b/c/deep.css", "deep")
	one.write("a/top.css", "top")
	require.NoError(t, os.WriteFile(filepath.Join(one.files, "a/.x.tmp"), []byte("renamed"), 0o644))
	require.NoError(t, os.Rename(filepath.Join(one.files, "a/.x.tmp"), filepath.Join(one.files, "a/x.css")))
	require.NoError(t, os.Link(filepath.Join(one.files, "a/x.css"), filepath.Join(one.files, "a/linked.css")))
	one.write("a/debug.log", "a log")
	one.write("cache/page.html", "a cache")
	one.settled()

	require.Equal(t, "deep", two.read("a/b/c/deep.css"))
	require.Equal(t, "top", two.read("a/top.css"))
	require.Equal(t, "renamed", two.read("a/x.css"))
	require.Equal(t, "renamed", two.read("a/linked.css"))
	require.Empty(t, two.read("a/debug.log"))
	require.Empty(t, two.read("cache/page.html"))

	// A folder that moves takes its files along.
	require.NoError(t, os.Rename(filepath.Join(one.files, "a"), filepath.Join(one.files, "z")))
	one.settled()
	require.Equal(t, "deep", two.read("z/b/c/deep.css"))
	require.Empty(t, two.read("a/b/c/deep.css"))
	require.Empty(t, two.read("a/top.css"))

	require.NoError(t, os.RemoveAll(filepath.Join(two.files, "z")))
	two.settled()
	require.Empty(t, one.read("z/b/c/deep.css"))
	require.Empty(t, one.read("z/top.css"))
}

// A link that leads out of the library is no file of it: what PHP can link to is not shown to the world.
func TestALinkLeadsNowhere(t *testing.T) {
	all := newNodes(t, "web-1", "web-2")
	one, two := all.start("web-1"), all.start("web-2")

	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	require.NoError(t, os.Symlink(secret, filepath.Join(one.files, "link.txt")))
	one.write("after.txt", "after")
	one.settled()

	require.Equal(t, "after", two.read("after.txt"))
	require.Empty(t, two.read("link.txt"))

	for _, path := range []string{"../" + filepath.Base(two.state) + "/index.jsonl", "/etc/passwd", "a/../../b"} {
		status, _ := one.ask("/fetch", path)
		require.Equal(t, http.StatusBadRequest, status, path)
	}
}

func TestTheMinorityRefuses(t *testing.T) {
	all := newNodes(t, "web-1", "web-2", "web-3")
	one, two, three := all.start("web-1"), all.start("web-2"), all.start("web-3")

	one.write("shared.txt", "before")
	one.settled("shared.txt")

	all.cut("web-1", "web-2", true)
	all.cut("web-1", "web-3", true)

	one.write("alone.txt", "of the minority")
	one.write("shared.txt", "of the minority")

	status, said := one.ask("/settle", "alone.txt")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, said, "0 of 1 other nodes have it")

	// The majority goes on.
	two.write("shared.txt", "of the majority")
	two.settled("shared.txt")
	require.Equal(
		t,
		"of the majority",
		three.read("shared.txt"),
	)

	// Nobody who only reads waits for what cannot be kept.
	one.settled()

	all.cut("web-1", "web-2", false)
	all.cut("web-1", "web-3", false)
	one.daemon.Reload(all.config("web-1", all.names...))

	for _, node := range []*node{one, two, three} {
		node.eventually("has what was refused", func() bool { return node.read("alone.txt") == "of the minority" })
		node.eventually("has the later one", func() bool { return node.read("shared.txt") == "of the majority" })
	}

	require.Contains(
		t,
		slices.Concat(one.asides(), two.asides(), three.asides()),
		"of the minority",
	)
}

// Two nodes of which one is replaced: the peer set says that it is gone, and the other is not stopped by that.
func TestWhoIsLeftAloneGoesOn(t *testing.T) {
	all := newNodes(t, "web-1", "web-2")
	one := all.start("web-1")

	one.write("a.txt", "a")

	status, said := one.ask("/settle", "a.txt")
	require.Equal(
		t,
		http.StatusServiceUnavailable,
		status,
		said,
	)

	one.daemon.Reload(all.config("web-1"))
	one.write("b.txt", "b")
	one.settled("b.txt")
	one.eventually("kept alone", func() bool { return one.daemon.Status().Pending == 0 })
	require.True(t, one.daemon.Status().Alone)
	require.Equal(t, 2, one.daemon.Status().Only)

	// The new one gets all of it, and then it is no more here only.
	two := all.start("web-2")
	one.daemon.Reload(all.config("web-1", "web-2"))
	two.eventually("has both", func() bool { return two.read("a.txt") == "a" && two.read("b.txt") == "b" })
	one.eventually("knows that", func() bool { return one.daemon.Status().Only == 0 })
	require.False(t, one.daemon.Status().Alone)
}

// A new node serves everything at once, and has everything soon.
func TestANewNodeServesBeforeItIsWhole(t *testing.T) {
	all := newNodes(t, "web-1", "web-2")
	one := all.start("web-1", func(c *media.Config) { c.Peers = nil })

	for _, name := range []string{"1.txt", "2.txt", "3/3.txt"} {
		one.write(name, "text of "+name)
	}

	one.settled("1.txt", "2.txt", "3/3.txt")

	two := all.start("web-2")
	status, text := two.get("3/3.txt")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "text of 3/3.txt", text)

	// It counts as one more node when it has what one node alone had: then that one may be taken away.
	two.eventually("is ready", func() bool { return two.daemon.Ready() == nil })

	for _, name := range []string{"1.txt", "2.txt", "3/3.txt"} {
		require.Equal(t, "text of "+name, two.read(name))
	}

	status, _ = two.get("none.txt")
	require.Equal(t, http.StatusNotFound, status)
}

// What was deleted while a node was away does not come back with it.
func TestADeletionIsRemembered(t *testing.T) {
	all := newNodes(t, "web-1", "web-2", "web-3")
	one, two, three := all.start("web-1"), all.start("web-2"), all.start("web-3")

	one.write("a.txt", "a")
	one.settled("a.txt")
	require.Equal(t, "a", three.read("a.txt"))
	three.stop()

	status, said := two.ask(
		"/delete",
		filepath.Join(two.files, "a.txt"),
	)
	require.Equal(t, http.StatusNoContent, status, said)
	two.settled()
	require.Empty(t, one.read("a.txt"))

	door := three.door
	three.door = nil // closed with the daemon
	require.NotNil(t, door)
	three.run(all.config("web-3", all.names...))
	three.eventually("knows of it", func() bool { return three.read("a.txt") == "" })
	require.Empty(t, one.read("a.txt"))
}

// A restart is no change.
func TestARestartSendsNothing(t *testing.T) {
	all := newNodes(t, "web-1", "web-2")
	one, two := all.start("web-1"), all.start("web-2")

	one.write("a.txt", "a")
	one.settled("a.txt")
	one.stop()
	one.door = nil

	info, err := os.Stat(filepath.Join(two.files, "a.txt"))
	require.NoError(t, err)

	one.run(all.config("web-1", all.names...))
	one.write("b.txt", "b")
	one.settled()
	require.Equal(t, "b", two.read("b.txt"))

	after, err := os.Stat(filepath.Join(two.files, "a.txt"))
	require.NoError(t, err)
	require.True(
		t,
		os.SameFile(info, after),
		"it was sent again",
	)
}

func TestANameIsTakenWhateverItsCapitals(t *testing.T) {
	all := newNodes(t, "web-1", "web-2")
	one, two := all.start("web-1"), all.start("web-2")

	one.write("2026/Photo.JPG", "a")
	one.settled()

	status, _ := two.ask("/taken", "2026/photo.png")
	require.Equal(t, http.StatusConflict, status)

	status, _ = two.ask("/taken", "2026/photo-1.png")
	require.Equal(t, http.StatusNoContent, status)
}
