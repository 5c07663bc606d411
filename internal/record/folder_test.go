package record_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/record"
)

const text = `{"version": 1, "name": "hornero-web-debian-13-0123456789ab", "digest": "0123456789abcdef"}`

func TestARecordGetsItsImagesNumber(t *testing.T) {
	folder := record.Folder(filepath.Join(t.TempDir(), "deep", "folder"))
	name := record.ImageName("web", "debian-13", "0123456789abcdef")
	require.Equal(t, "hornero-web-debian-13-0123456789ab", name)

	packed, err := record.Contents{"/etc/a": "aa 0644 0:0"}.Pack()
	require.NoError(t, err)
	require.NoError(t, folder.Publish(name, 7), "a bake that kept no record")

	_, err = folder.Read(name, 7)
	require.ErrorIs(t, err, record.ErrNoRecord)
	require.Empty(t, folder.File(name, 7))

	require.NoError(t, folder.Save(
		name,
		[]byte(text),
		packed,
		[]byte("{}"),
	))

	_, err = folder.ReadContents(name, 7)
	require.ErrorIs(t, err, record.ErrNoRecord)
	require.NoError(t, folder.Publish(name, 7))

	image, err := folder.Read(name, 7)
	require.NoError(t, err)
	require.Equal(t, "0123456789abcdef", image.Digest)
	require.FileExists(t, folder.File(name, 7))

	contents, err := folder.ReadContents(name, 7)
	require.NoError(t, err)
	require.Equal(t, record.Contents{"/etc/a": "aa 0644 0:0"}, contents)

	require.NoError(t,
		folder.SaveAs(name, 8, []byte(text)),
		"the same content, baked twice, is two images",
	)

	require.NoError(t, folder.Delete(name, 7))
	require.NoError(t, folder.Delete(name, 7))

	left, err := os.ReadDir(string(folder))
	require.NoError(t, err)
	require.Len(t, left, 1)
}

func TestARecordThatIsNoneIsTold(t *testing.T) {
	for _, wrong := range []string{
		"",
		"[]",
		"{}",
		`{"version": 1}`,
		text[:20],
	} {
		_, err := record.Parse([]byte(wrong))
		require.ErrorContains(t, err, "read image record: ", wrong)
	}
}

func TestDefaultFolderFollowsTheEnvironment(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", "/data")
	folder, err := record.DefaultFolder()
	require.NoError(t, err)
	require.Equal(t, record.Folder("/data/hornero/images"), folder)
	t.Setenv("XDG_DATA_HOME", "")
	t.Setenv("HOME", "/home/me")

	folder, err = record.DefaultFolder()
	require.NoError(t, err)
	require.Equal(t, record.Folder("/home/me/.local/share/hornero/images"), folder)
}

func TestDiff(t *testing.T) {
	from := record.Image{
		Packages: map[string]string{
			"same":  "1",
			"newer": "1",
			"gone":  "1",
		},
		Files:   map[string]string{"/etc/a": "aa", "/etc/b": "bb"},
		Daemons: map[string]string{"/usr/sbin/x": "11"},
	}

	to := record.Image{
		Packages: map[string]string{
			"same":  "1",
			"newer": "2",
			"added": "1",
		},
		Files:   map[string]string{"/etc/a": "aa", "/etc/b": "cc"},
		Daemons: map[string]string{"/usr/sbin/x": "22", "/usr/sbin/y": "33"},
	}

	require.Equal(t, record.Difference{
		Packages: []record.Change{
			{"added", "", "1"},
			{"gone", "1", ""},
			{"newer", "1", "2"},
		},
		Files: []record.Change{
			{"/etc/b", "bb", "cc"},
			{"/usr/sbin/x", "11", "22"},
			{"/usr/sbin/y", "", "33"},
		},
	}, record.Diff(from, to))

	same := record.Diff(from, from)
	require.NotNil(t, same.Packages, "JSON has lists, not null")
	require.Empty(t, append(same.Packages, same.Files...))
}

func TestDiffContentsLeavesOutWhatBothRecordsName(t *testing.T) {
	from := record.Image{Varies: map[string]string{
		"/etc/when":     "the moment",
		"/var/cache/x/": "a cache",
		"/etc/*.stamp":  "stamps",
		"/etc/one":      "here only",
	}}

	to := record.Image{Varies: map[string]string{
		"/etc/when":     "the moment",
		"/var/cache/x/": "a cache",
		"/etc/*.stamp":  "stamps",
	}}

	differ, expected := record.DiffContents(from, to,
		record.Contents{
			"/etc/when":           "1",
			"/etc/one":            "1",
			"/var/cache/x/deep/y": "1",
			"/var/cache/xy":       "1",
			"/etc/a.stamp":        "1",
			"/etc/same":           "1",
			"/etc/gone":           "1",
		},
		record.Contents{
			"/etc/when":           "2",
			"/etc/one":            "2",
			"/var/cache/x/deep/y": "2",
			"/var/cache/xy":       "2",
			"/etc/a.stamp":        "2",
			"/etc/same":           "1",
		})

	require.Equal(t,
		[]record.Change{
			{"/etc/gone", "1", ""},
			{"/etc/one", "1", "2"},
			{"/var/cache/xy", "1", "2"},
		},
		differ,
	)

	require.Equal(t,
		[]record.Change{
			{"/etc/a.stamp", "1", "2"},
			{"/etc/when", "1", "2"},
			{"/var/cache/x/deep/y", "1", "2"},
		},
		expected,
	)
}

func TestAListOfFilesThatIsNoneIsTold(t *testing.T) {
	for _, wrong := range []string{"", "no gzip"} {
		require.ErrorContains(t,
			record.ReadPaths(strings.NewReader(wrong), func(string) {}),
			"read the list of files",
		)

		_, err := record.UnpackContents([]byte(wrong))
		require.ErrorContains(t, err, "read the list of files: ")
	}
}
