package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// body is a function of that name around the lines.
func body(name string, lines ...string) string {
	return "package p\n\nfunc " + name + "() {\n\t" + strings.Join(lines, "\n\t") + "\n}\n"
}

func repeat(line string, times int) []string {
	lines := make([]string, times)
	for i := range lines {
		lines[i] = line
	}

	return lines
}

// spaced puts a blank line after the first.
func spaced(lines []string) []string {
	return append([]string{lines[0], ""}, lines[1:]...)
}

func TestFaultsOfAFile(t *testing.T) {
	cases := []struct {
		name   string
		source string
		want   []string
	}{
		{
			name:   "forty statements are enough",
			source: body("f", spaced(repeat("g()", 40))...),
		},
		{
			name:   "one more is too much",
			source: body("f", spaced(repeat("g()", 41))...),
			want:   []string{"p.go:3:6: function f: 41 statements, at most 40: give its steps names"},
		},
		{
			name: "statements of a function literal count where it stands",
			source: body("f", spaced(append(
				append([]string{"g(func() {"}, repeat("h()", 40)...),
				"})",
			))...),
			want: []string{"p.go:3:6: function f: 41 statements, at most 40: give its steps names"},
		},
		{
			name:   "complexity counts operators that skip",
			source: body("f", "if a"+strings.Repeat(" && a", 15)+" {", "}"),
			want:   []string{"p.go:3:6: function f: a cyclomatic complexity of 17, at most 15"},
		},
		{
			name:   "fourteen lines may be one block",
			source: body("f", repeat("g()", 14)...),
		},
		{
			name:   "fifteen may not",
			source: body("f", repeat("g()", 15)...),
			want:   []string{"p.go:3:6: function f: 15 lines in one block: put a blank line between its steps"},
		},
		{
			name:   "a tab is four columns, a letter with an accent is one",
			source: body("f", `g("`+strings.Repeat("é", 112)+`")`),
			want:   []string{"p.go:4:121: 121 columns, at most 120: break the line, or name a part of it"},
		},
		{
			name:   "a directive cannot be broken",
			source: "//go:generate " + strings.Repeat("x", 120) + "\n\npackage p\n",
		},
		{
			name:   "a file that is too long",
			source: "package p\n\nvar (\n" + strings.Repeat("\t_ = 1\n", 398) + ")\n",
			want: []string{
				"p.go:1:1: 401 lines of code, at most 400: split the file by noun, or give a reason in " +
					longFilesPath,
			},
		},
		{
			name:   "blank lines and comments do not make it longer",
			source: "package p\n\nvar (\n" + strings.Repeat("\t// why\n\n\t_ = 1\n", 397) + ")\n",
		},
	}

	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, err := newPage("p.go", []byte(c.source))
			require.NoError(t, err)

			var got []string

			for _, f := range p.faults(&longFiles{met: map[string]bool{}}) {
				got = append(got, f.String())
			}

			require.Equal(t, c.want, got)
		})
	}
}

func TestFaultsOfAPackage(t *testing.T) {
	dense, err := newPage("p/p.go", []byte(body("f", repeat("g(a, b, c, d, e)", 20)...)))
	require.NoError(t, err)

	r := room{path: "p"}
	r.add(dense)

	var got []string

	for _, f := range r.faults() {
		got = append(got, f.String())
	}

	require.Equal(t, []string{
		"p: 10.78 tokens a line, at most 7.0: one call or one field a line",
		"p: 0.0 % blank lines in functions, at least 8 %",
	}, got)
}

func TestARawStringHoldsCodeOnEachOfItsLines(t *testing.T) {
	p, err := newPage("p.go", []byte("package p\n\nvar s = `a\n\nb`\n"))
	require.NoError(t, err)

	require.Equal(t, 4, p.codeLines)
	require.Equal(t, 6, p.tokens)
}

func TestTheListOfLongFiles(t *testing.T) {
	root := t.TempDir()
	list := filepath.Join(root, longFilesPath)
	require.NoError(t, os.MkdirAll(filepath.Dir(list), 0o755))

	write := func(text string) {
		err := os.WriteFile(list, []byte(text), 0o644)
		require.NoError(t, err)
	}

	write("# why\na.go: one table\nb.go: another\n")

	allowed, err := readLongFiles(root)
	require.NoError(t, err)
	require.True(t, allowed.has("a.go"))
	require.False(t, allowed.has("c.go"))

	unused := allowed.unused()
	require.Len(t, unused, 1)
	require.Equal(t, longFilesPath+":3:1: b.go is not that long, or not there: remove the line", unused[0].String())

	write("a.go\n")

	_, err = readLongFiles(root)
	require.EqualError(t, err, longFilesPath+`:1:1: want PATH: REASON, got "a.go"`)
}
