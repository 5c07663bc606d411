package roles_test

import (
	"io/fs"
	"regexp"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// goName is what no message for a person has in it: a type's or a package's name of Go's.
var goName = regexp.MustCompile(`\b(roles|report|reflect|yaml)\.[A-Z]|map\[string\]|interface \{\}`)

// A role.yaml of whatever bytes is a manifest, or a list of problems that have a place in it.
func FuzzLoad(f *testing.F) {
	for _, role := range []string{"common", "arbitrator", "cache", "db", "haproxy", "proxy", "web"} {
		text, err := fs.ReadFile(roles.Embedded(), role+"/role.yaml")
		require.NoError(f, err)
		f.Add(text)
	}

	f.Add([]byte("version: 1\nname: fuzz\nsummary: &a [*a]\npeers: client\n"))
	f.Add([]byte(`version: 1
name: fuzz
peers: client
files: [{source: x, path: /etc/x, mode: "07777"}]
bake: {commands: ['{{var "x"}}']}
`))

	f.Fuzz(func(t *testing.T, text []byte) {
		folder := fstest.MapFS{
			"fuzz/role.yaml": {Data: text},
			"fuzz/x":         {Data: []byte("x")},
		}

		manifest, err := roles.Load(folder, "fuzz")
		if err != nil {
			requireProblems(t, err)
			return
		}

		require.Equal(t, "fuzz", manifest.Name)
		require.Equal(t, 1, manifest.Version)

		again, err := roles.Load(folder, "fuzz")
		require.NoError(t, err)
		require.Equal(t, manifest, again)

		for _, release := range []string{"debian-13", "", "all"} {
			manifest.PackagesFor(release)
			manifest.ExcludedFor(release)
		}

		for _, file := range manifest.Files {
			_, err := roles.ParseMode(file.Mode, 0)
			require.NoError(t, err)

			_, err = file.Data()
			require.NoError(t, err, "a file that was checked is there")
		}
	})
}

// requireProblems holds an error to be problems that a person can find and read.
func requireProblems(t *testing.T, err error) {
	t.Helper()
	problems, ok := report.Of(err)
	require.True(t, ok, "%T: %v", err, err)
	require.NotEmpty(t, problems)

	for _, problem := range problems {
		require.Positive(t, problem.Line)
		require.Positive(t, problem.Column)
		require.NotEmpty(t, problem.Message)
		require.NotRegexp(t, goName, problem.Message)
	}
}
