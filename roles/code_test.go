package roles_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

const (
	cafe = `version: 1
name: cafe
summary: takes code
peers: client
code:
  folders:
    dishes: {path: /usr/share/cafe/dishes}
    words: {path: /usr/share/cafe/words, flat: true}
  writable: {path: /usr/share/cafe, at: /var/lib/cafe, owner: "www-data:www-data"}
`
	sum64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF"
)

// folderOf is a folder of roles with these files.
func folderOf(files map[string]string) fstest.MapFS {
	folder := fstest.MapFS{}
	for name, text := range files {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}

	return folder
}

// The stack's own folder adds to a role whose manifest it has no copy of.
func TestMoreAddsToAManifest(t *testing.T) {
	manifest, err := roles.Load(folderOf(map[string]string{
		"cafe/role.yaml": cafe + "packages: {all: [milk]}\n",
		"cafe/more.yaml": "packages: {all: [sugar], debian-13: [honey]}\n" +
			"secrets: {cafe.key: {make: given, help: of the till}}\n" +
			"writable: [crumbs, dishes/soup/pot]\n" +
			"code:\n  dishes:\n    - {file: soup.zip, sha256: " + sum64 + ", omit: [tests]}\n" +
			"    - {url: 'https://example.org/cake.zip', sha256: " + sum64 + ", name: cake}\n",
	}), "cafe")
	require.NoError(t, err)

	require.Equal(t, []string{"milk", "sugar", "honey"}, manifest.PackagesFor("debian-13"))
	require.Equal(t, []string{"milk", "sugar"}, manifest.PackagesFor("debian-12"))
	require.True(t, manifest.Secrets["cafe.key"].Given())
	require.Equal(t, []string{"crumbs", "dishes/soup/pot"}, manifest.WritableNames())

	archives := manifest.Archives()
	require.Len(t, archives, 2)
	require.Equal(t, "soup.zip", archives[0].File)
	require.Equal(t, "dishes", archives[0].Kind)
	require.Equal(t, "cafe/more.yaml: code.dishes[1]", archives[1].Place)

	require.True(t, manifest.IsCode("dishes/soup/pot.php"))
	require.True(t, manifest.IsCode("soup.zip"))
	require.False(t, manifest.IsCode("dishes.txt"))
	require.False(t, manifest.IsCode("more.yaml"), "the node needs it for its secrets")
}

// A role that includes one that takes code takes it, too, from its own folder and from the other's.
func TestCodeIsFoundInTheRolesOwnFolderFirst(t *testing.T) {
	manifest, err := roles.Load(folderOf(map[string]string{
		"cafe/role.yaml":        cafe,
		"cafe/more.yaml":        "writable: [crumbs]\n",
		"cafe/dishes/soup/a":    "the piece's",
		"cafe/dishes/soup/b":    "the piece's",
		"cafe/dishes/.git/HEAD": "hidden",
		"bar/role.yaml":         "version: 1\nname: bar\nincludes: [cafe]\n",
		"bar/more.yaml":         "writable: [ash]\n",
		"bar/dishes/soup/a":     "its own",
		"bar/words/de.mo":       "flat",
	}), "bar")
	require.NoError(t, err)
	require.Equal(t, []string{"crumbs", "ash"}, manifest.WritableNames())

	files, err := manifest.CodeFiles()
	require.NoError(t, err)

	var found []string
	for _, file := range files {
		found = append(found, file.Kind+" "+file.Name+" "+string(file.Data))
	}

	require.Equal(t, []string{
		"dishes soup/a its own",
		"dishes soup/b the piece's",
		"words de.mo flat",
	}, found)
}

// A role's own files may lie in a folder of code: they are the role's, on the node, too.
func TestWhatTheManifestNamesIsNoCode(t *testing.T) {
	manifest, err := roles.Load(folderOf(map[string]string{
		"cafe/role.yaml":    cafe + "files: [{source: dishes/house, path: /usr/share/cafe/dishes/house}]\n",
		"cafe/dishes/house": "the role's",
		"cafe/dishes/guest": "the stack's",
	}), "cafe")
	require.NoError(t, err)
	require.False(t, manifest.IsCode("dishes/house"))
	require.True(t, manifest.IsCode("dishes/guest"))

	files, err := manifest.CodeFiles()
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.Equal(t, "guest", files[0].Name)
}

func TestWhatIsNoPlainFileIsNoCode(t *testing.T) {
	for name, wrong := range map[string]struct {
		file *fstest.MapFile
		want error
	}{
		"cafe/dishes/soup/link": {&fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("a")}, roles.ErrCodeLink},
		"cafe/dishes/pipe":      {&fstest.MapFile{Mode: fs.ModeNamedPipe}, roles.ErrCodeLink},
		`cafe/dishes/a\b`:       {&fstest.MapFile{}, roles.ErrCodeName},
		"cafe/dishes/a\nb":      {&fstest.MapFile{}, roles.ErrCodeName},
	} {
		folder := folderOf(map[string]string{"cafe/role.yaml": cafe})
		folder[name] = wrong.file

		manifest, err := roles.Load(folder, "cafe")
		require.NoError(t, err)

		_, err = manifest.CodeFiles()
		require.ErrorIs(t, err, wrong.want, name)
		require.ErrorContains(t, err, name)
	}
}

// wrongMores are texts of more.yaml, and what is said of each.
var wrongMores = []struct{ text, want string }{
	{"colour: red", "cafe/more.yaml:1:1: error: colour: "},
	{
		"code: {disches: []}",
		`cafe/more.yaml:1:8: error: code.disches: there is no code of this kind; did you mean "dishes"?`,
	},
	{
		"code: {dishes: [{file: a.zip, url: 'https://b/a.zip', sha256: SUM}]}",
		"must have file or url, and not both",
	},
	{"code: {dishes: [{sha256: SUM}]}", "must have file or url, and not both"},
	{"code: {dishes: [{file: ../a.zip, sha256: SUM}]}", "code.dishes[0].file: must be a path inside"},
	{"code: {dishes: [{url: 'file:///etc/passwd', sha256: SUM}]}", "code.dishes[0].url: must be an address"},
	{"code: {dishes: [{file: a.zip, sha256: abc}]}", "code.dishes[0].sha256: must be the archive's SHA-256"},
	{"code: {dishes: [{file: a.zip, name: .., sha256: SUM}]}", "code.dishes[0].name: must be a folder's name"},
	{"code: {dishes: [{file: a.zip, omit: [/a], sha256: SUM}]}", "code.dishes[0].omit[0]: must be a path"},
	{"code: {words: [5]}", "code.words[0]"},
	{"writable: [../etc]", "writable[0]: must be a folder's name"},
	{"writable: ['a b']", "writable[0]: must be a folder's name"},
	{"writable: [words/a/]", "writable[0]: must be a folder's name"},
	{"writable: [dishes]", "writable[0]: holds the dishes, which are code"},
	{"writable: {a: b}", "cafe/more.yaml:1:11: error: writable: "},
	{"secrets: {key: {}}", "cafe/more.yaml:1:10: error: secrets: a secret's name must look like part.name"},
	{"packages: [milk]", "cafe/more.yaml:1:11: error: packages: "},
	{"not: [closed", "cafe/more.yaml:"},
}

// Each problem is told where it stands.
func TestWrongCodeIsTold(t *testing.T) {
	for _, wrong := range wrongMores {
		_, err := roles.Load(folderOf(map[string]string{
			"cafe/role.yaml": cafe,
			"cafe/more.yaml": strings.ReplaceAll(wrong.text, "SUM", sum64) + "\n",
		}), "cafe")
		require.ErrorContains(t, err, wrong.want, wrong.text)
	}

	_, err := roles.Load(folderOf(map[string]string{
		"inn/role.yaml": "version: 1\nname: inn\npeers: client\n",
		"inn/more.yaml": "writable: [a]\ncode: {dishes: []}\n",
	}), "inn")
	require.ErrorContains(t, err, "inn/more.yaml:1:1: error: writable: the role has no place for folders")
	require.ErrorContains(t, err, "inn/more.yaml:2:8: error: code.dishes: the role takes no code of a stack's own")

	for from, to := range map[string]string{
		"/usr/share/cafe/words": "usr/share",
		"/var/lib/cafe":         "/usr/lib/cafe",
		"www-data:www-data":     "www-data",
		"dishes: {":             "Dishes: {",
		"flat: true":            "keep: [a/b]",
	} {
		_, err := roles.Load(folderOf(map[string]string{"cafe/role.yaml": strings.Replace(cafe, from, to, 1)}), "cafe")
		require.ErrorContains(t, err, "cafe/role.yaml:", to)
		require.ErrorContains(t, err, "code.", to)
	}
}

func TestAMoreThatCannotBeReadIsTold(t *testing.T) {
	folder := folderOf(map[string]string{"cafe/role.yaml": cafe})
	folder["cafe/more.yaml"] = &fstest.MapFile{Mode: fs.ModeDir}

	_, err := roles.Load(folder, "cafe")
	require.Error(t, err)
	require.False(t, errors.Is(err, fs.ErrNotExist))
}
