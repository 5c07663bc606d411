package code_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder/code"
	"github.com/hornero/hornero/roles"
)

const cafe = `version: 1
name: cafe
summary: takes code
peers: client
code:
  folders:
    dishes: {path: /usr/share/cafe/dishes}
    words: {path: /usr/share/cafe/words, flat: true}
    kitchen: {path: /usr/share/cafe, flat: true, clear: [oven, sink], keep: [dishes, door]}
  writable: {path: /usr/share/cafe, at: /var/lib/cafe, owner: "www-data:adm"}
`

// entry is a file of a zip; one whose name ends in "/" is a folder.
type entry struct {
	name string
	text string
	mode fs.FileMode
}

func plain(names ...string) []entry {
	var entries []entry
	for _, name := range names {
		entries = append(entries, entry{name: name, text: "text of " + name})
	}

	return entries
}

func zipOf(t *testing.T, entries []entry) []byte {
	t.Helper()

	var out bytes.Buffer
	writer := zip.NewWriter(&out)

	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate}

		if e.mode != 0 {
			header.SetMode(e.mode)
		}

		file, err := writer.CreateHeader(header)
		require.NoError(t, err)

		_, err = file.Write([]byte(e.text))
		require.NoError(t, err)
	}

	require.NoError(t, writer.Close())

	return out.Bytes()
}

func sumOf(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

// read reads the code of the role cafe with these files beside its manifest.
func read(t *testing.T, files map[string]string) (code.Code, error) {
	t.Helper()

	folder := fstest.MapFS{"cafe/role.yaml": &fstest.MapFile{Data: []byte(cafe)}}
	for name, text := range files {
		folder["cafe/"+name] = &fstest.MapFile{Data: []byte(text)}
	}

	manifest, err := roles.Load(folder, "cafe")
	require.NoError(t, err)

	return code.Read(t.Context(), manifest, code.Cache(t.TempDir()))
}

// unzipped reads one archive of a kind; more is what more.yaml says of it besides.
func unzipped(t *testing.T, kind, more string, entries []entry) ([]string, error) {
	t.Helper()
	data := zipOf(t, entries)

	found, err := read(t, map[string]string{
		"a.zip":     string(data),
		"more.yaml": fmt.Sprintf("code: {%s: [{file: a.zip, sha256: %s%s}]}\n", kind, sumOf(data), more),
	})

	return paths(found), err
}

func paths(found code.Code) []string {
	var names []string
	for _, file := range found.Files {
		names = append(names, file.Path)
	}

	return names
}

func TestAnArchiveBecomesAFolder(t *testing.T) {
	const at = "/usr/share/cafe/dishes/"

	entries := append(
		plain(
			"soup/a.php",
			"soup/in/b (1).css",
			"soup/.git/HEAD",
			"__MACOSX/soup/._a.php",
		),
		entry{
			name: "soup/in/",
			mode: fs.ModeDir | 0o755,
		},
	)

	found, err := unzipped(t, "dishes", "", entries)
	require.NoError(t, err)

	require.Equal(t, []string{
		at + "soup/a.php",
		at + "soup/in/b (1).css",
	}, found)

	entries = plain(
		"soup-1.2/a.php",
		"soup-1.2/tests/b",
		"soup-1.2/tests.php",
		"soup-1.2/c.php",
	)

	found, err = unzipped(t, "dishes", ", name: cake, omit: [tests, c.php]", entries)
	require.NoError(t, err)

	require.Equal(t, []string{
		at + "cake/a.php",
		at + "cake/tests.php",
	}, found)

	found, err = unzipped(t, "dishes", ", name: cake", plain("a.php", "in/b.php"))
	require.NoError(t, err)

	require.Equal(t, []string{
		at + "cake/a.php",
		at + "cake/in/b.php",
	}, found)

	found, err = unzipped(t, "words", "", plain("de_DE.mo", "plugins/soup-de_DE.mo"))
	require.NoError(t, err)

	require.Equal(t, []string{
		"/usr/share/cafe/words/de_DE.mo",
		"/usr/share/cafe/words/plugins/soup-de_DE.mo",
	}, found)
}

// What takes the place of something of Debian's removes that first, and leaves alone what is to stay.
func TestAnArchiveTakesAnothersPlace(t *testing.T) {
	data := zipOf(t, plain("house/oven/a", "house/door", "house/dishes/b", "house/roof"))
	found, err := read(t, map[string]string{
		"a.zip":     string(data),
		"more.yaml": "code: {kitchen: [{file: a.zip, sha256: " + sumOf(data) + "}]}\n",
	})
	require.NoError(t, err)

	require.Equal(t, []string{
		"/usr/share/cafe/oven/a",
		"/usr/share/cafe/roof",
	}, paths(found))

	require.Equal(t, []string{
		"/usr/share/cafe/oven",
		"/usr/share/cafe/sink",
	}, found.Clear)

	found, err = read(t, map[string]string{"dishes/soup/a": "a"})
	require.NoError(t, err)
	require.Empty(t, found.Clear)
}

// hostile are archives that are not baked, and what is said of each.
var hostile = []struct {
	name    string
	entries []entry
	want    string
}{{
	name:    "above",
	entries: plain("soup/a", "soup/../../../etc/cron.d/a"),
	want:    "outside of its folder",
}, {
	name:    "above at once",
	entries: plain("../a"),
	want:    "outside of its folder",
}, {
	name:    "absolute",
	entries: plain("/etc/cron.d/a"),
	want:    "outside of its folder",
}, {
	name:    "backslashes",
	entries: plain(`soup\..\..\a`),
	want:    "no backslash",
}, {
	name: "a device",
	entries: []entry{{
		name: "soup/null",
		mode: fs.ModeDevice | 0o666,
	}},
	want: "no plain file",
}, {
	name: "a link",
	entries: append(plain("soup/a"), entry{
		name: "soup/link",
		text: "/etc/passwd",
		mode: fs.ModeSymlink | 0o777,
	}),
	want: "link",
}, {
	name: "a hidden link",
	entries: append(plain("soup/a"), entry{
		name: "soup/.l",
		mode: fs.ModeSymlink | 0o777,
	}),
	want: "link",
}, {
	name: "a pipe",
	entries: []entry{{
		name: "soup/p",
		mode: fs.ModeNamedPipe | 0o666,
	}},
	want: "no plain file",
}, {
	name:    "a line's end",
	entries: plain("soup/a\nb"),
	want:    "no control character",
}, {
	name:    "not UTF-8",
	entries: plain("soup/\xff"),
	want:    "no clean path",
}, {
	name:    "twice",
	entries: plain("soup/a", "soup/a"),
	want:    "in it twice",
}, {
	name:    "file, folder",
	entries: plain("soup/a", "soup/a/b"),
	want:    "a file and a folder",
}, {
	name:    "empty",
	entries: nil,
	want:    "no files to bake",
}, {
	name:    "hidden only",
	entries: plain("soup/.git/HEAD"),
	want:    "no files to bake",
}, {
	name:    "several tops",
	entries: plain("soup/a", "cake/b"),
	want:    "several files or folders at its top",
}, {
	name:    "a file on top",
	entries: plain("soup/a", "b.php"),
	want:    "several files or folders at its top",
}, {
	name: "a link as dir",
	entries: []entry{{
		name: "soup/",
		mode: fs.ModeSymlink | 0o777,
	}, {
		name: "soup/a",
	}},
	want: "link",
}, {
	name:    "dots within",
	entries: plain("soup/./a"),
	want:    "no clean path",
}, {
	name:    "empty within",
	entries: plain("soup//a"),
	want:    "no clean path",
}}

func TestAHostileArchiveIsRefused(t *testing.T) {
	for _, wrong := range hostile {
		_, err := unzipped(t, "dishes", "", wrong.entries)
		require.ErrorIs(t, err, code.ErrCode, wrong.name)
		require.ErrorContains(t, err, wrong.want, wrong.name)

		require.ErrorContains(
			t,
			err,
			"cafe/more.yaml: code.dishes[0]: ",
			wrong.name,
		)
	}

	_, err := unzipped(t, "words", ", name: words", plain("a"))
	require.ErrorContains(t, err, "leave the name out")

	_, err = read(t, map[string]string{
		"a.zip":     "no zip",
		"more.yaml": "code: {dishes: [{file: a.zip, sha256: " + sumOf([]byte("no zip")) + "}]}\n",
	})
	require.ErrorContains(t, err, "read the archive: zip: not a valid zip file")
}

// A zip of a thousand bytes may be a megabyte of zeros.
func TestAnArchiveThatUnpacksToTooMuchIsRefused(t *testing.T) {
	defer code.SetMaxBytes(1 << 20)()

	zeros := string(make([]byte, 600<<10))
	_, err := unzipped(t, "dishes", "", []entry{
		{name: "soup/a", text: zeros},
		{name: "soup/b", text: zeros},
	})
	require.ErrorContains(t, err, "it unpacks to more than 1 MB")

	_, err = unzipped(t, "dishes", "", []entry{{name: "soup/a", text: zeros}})
	require.NoError(t, err)
}

func TestAnAddressIsFetchedOnceAndHeldToItsSum(t *testing.T) {
	data := zipOf(t, plain("soup/a"))
	asked := atomic.Int32{}

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)

		if r.URL.Path != "/soup.zip" {
			http.NotFound(w, r)
			return
		}

		_, _ = w.Write(data)
	}))
	defer server.Close()

	cache := code.Cache(t.TempDir())
	get := func(path, sum string) (code.Code, error) {
		manifest, err := roles.Load(fstest.MapFS{
			"cafe/role.yaml": &fstest.MapFile{Data: []byte(cafe)},
			"cafe/more.yaml": &fstest.MapFile{Data: []byte(
				"code: {dishes: [{url: '" + server.URL + path + "', sha256: " + sum + "}]}\n",
			)},
		}, "cafe")
		require.NoError(t, err)

		return code.Read(t.Context(), manifest, cache)
	}

	for range 2 {
		found, err := get("/soup.zip", sumOf(data))
		require.NoError(t, err)
		require.Equal(t, "text of soup/a", string(found.Files[0].Data))
	}

	require.EqualValues(t, 1, asked.Load(), "the second bake has it already")

	_, err := get("/soup.zip", sumOf([]byte("other")))
	require.ErrorIs(t, err, code.ErrCode)
	require.ErrorContains(t, err, "its SHA-256 is "+sumOf(data)+", not "+sumOf([]byte("other")))

	_, err = get("/cake.zip", sumOf([]byte("other")))
	require.ErrorContains(t, err, "404 Not Found")
}

func TestAFileIsHeldToItsSum(t *testing.T) {
	_, err := read(t, map[string]string{
		"a.zip":     "changed",
		"more.yaml": "code: {dishes: [{file: a.zip, sha256: " + sumOf([]byte("other")) + "}]}\n",
	})
	require.ErrorContains(t, err, "its SHA-256 is "+sumOf([]byte("changed")))

	_, err = read(t, map[string]string{
		"more.yaml": "code: {dishes: [{file: a.zip, sha256: " + sumOf([]byte("other")) + "}]}\n",
	})
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// Nobody guesses which of two is meant.
func TestCodeThatComesTwiceIsRefused(t *testing.T) {
	data := zipOf(t, plain("soup/a"))
	_, err := read(t, map[string]string{
		"a.zip":         string(data),
		"more.yaml":     "code: {dishes: [{file: a.zip, sha256: " + sumOf(data) + "}]}\n",
		"dishes/soup/b": "b",
	})
	require.ErrorContains(t, err, "/usr/share/cafe/dishes/soup comes from the folder dishes already: keep one")
}

// What a program writes to is no code, and is not compared with what was baked.
func TestAWritableFolderIsALinkOutOfTheCode(t *testing.T) {
	found, err := read(t, map[string]string{
		"more.yaml":               "writable: [crumbs, dishes/soup/pot]\n",
		"dishes/soup/pot/a.php":   "left out",
		"dishes/soup/potatoes":    "kept",
		"dishes/soup/in/pot/.php": "hidden",
	})
	require.NoError(t, err)
	require.Equal(t, []string{"/usr/share/cafe/dishes/soup/potatoes"}, paths(found))

	require.Equal(t, []code.Link{{
		Path:  "/usr/share/cafe/crumbs",
		At:    "/var/lib/cafe/crumbs",
		Owner: "www-data:adm",
	}, {
		Path:  "/usr/share/cafe/dishes/soup/pot",
		At:    "/var/lib/cafe/dishes/soup/pot",
		Owner: "www-data:adm",
	}}, found.Links)
}
