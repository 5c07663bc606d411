package manual_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/tools/release/manual"
)

func TestParseHelp(t *testing.T) {
	const text = `Kiln bakes.

Two things are to know about what it bakes, and here they are:
  no heading has so many words

Usage:
  kiln [flags]
  kiln [command]

Commands:
  heat        make it warm
  help        Help about any command
  slow-baking take two days

Commands of roles:
  glaze       paint  what stands

Flags:
  -f, --file string   the kiln's file (default "kiln.yaml")
      --slow          take two days

Global Flags:
  -q, --quiet   say nothing

Use "kiln [command] --help" for more information about a command.
`

	require.Equal(t, manual.Help{
		Text: "Kiln bakes.\n\nTwo things are to know about what it bakes, and here they are:\n" +
			"  no heading has so many words",
		Usage: []string{"kiln [flags]", "kiln [command]"},
		Groups: []manual.Group{
			{
				Title: "Commands",
				Commands: []manual.Entry{
					{Name: "heat", Text: "make it warm"},
					{Name: "help", Text: "Help about any command"},
					{Name: "slow-baking", Text: "take two days"},
				},
			},
			{
				Title:    "Commands of roles",
				Commands: []manual.Entry{{Name: "glaze", Text: "paint  what stands"}},
			},
		},
		Flags: []manual.Entry{
			{Name: "-f, --file string", Text: `the kiln's file (default "kiln.yaml")`},
			{Name: "--slow", Text: "take two days"},
		},
		Global: []manual.Entry{{Name: "-q, --quiet", Text: "say nothing"}},
	}, manual.ParseHelp(text))
}

func TestPageText(t *testing.T) {
	page := manual.Page{
		Command: []string{"kiln", "heat"},
		Short:   "make it warm",
		Date:    time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
		Version: "1.2",
		Help: manual.Help{
			Text:  "A \\ is a backslash.\n\n.kiln is a file,\n'quoted' is a word.",
			Usage: []string{"kiln heat [flags]"},
			Groups: []manual.Group{{
				Title:    "Commands",
				Commands: []manual.Entry{{Name: "up", Text: "more"}, {Name: "help", Text: "help"}},
			}},
			Flags: []manual.Entry{{Name: "--slow", Text: "take two days"}},
		},
	}

	require.Equal(t, "kiln-heat", page.Name())
	require.Equal(t, `.TH "KILN\-HEAT" 1 "2026\-02\-03" "kiln 1.2"
.nh
.ad l
.SH NAME
kiln\-heat \- make it warm
.SH SYNOPSIS
.nf
kiln heat [flags]
.fi
.SH DESCRIPTION
A \e is a backslash.
.PP
\&.kiln is a file,
\&'quoted' is a word.
.SH "COMMANDS"
.TP
\fBup\fR
more
.TP
\fBhelp\fR
help
.SH "OPTIONS"
.TP
\fB\-\-slow\fR
take two days
.SH "SEE ALSO"
.BR kiln (1),
.BR kiln\-heat\-up (1)
`, page.Text())
}

// A program is asked for all that its help names, and for nothing of cobra's own.
func TestPages(t *testing.T) {
	pages, err := standin(t).Pages(t.Context())
	require.NoError(t, err)

	found := map[string]string{}
	for _, page := range pages {
		found[page.Name()] = page.Short
	}

	require.Equal(t, map[string]string{
		"hornero":             "Standin launches what stack.yaml says",
		"hornero-images":      "list and bake images",
		"hornero-images-bake": "bake what changed",
	}, found)
	require.Contains(t, pages[2].Text(), "Bakes one image per role:\n.PP\n\\&.cache is where Packer is looked for.\n")
}

func TestProgramThatFails(t *testing.T) {
	program := standin(t)

	_, err := program.Completion(t.Context(), "csh")
	require.ErrorContains(t, err, "completion csh: exit status 1: standin: nothing to say to [completion csh]")

	program.Path, err = exec.LookPath("echo")
	require.NoError(t, err)
	_, err = program.Pages(t.Context())
	require.ErrorContains(t, err, "echo --help says: it has no usage")
}

func TestWriteTwiceIsTheSame(t *testing.T) {
	program := standin(t)

	first, second := write(t, program), write(t, program)
	require.NotEmpty(t, first)
	require.Equal(t, first, second)
}

func write(t *testing.T, program manual.Program) map[string]string {
	t.Helper()

	folder := t.TempDir()
	require.NoError(t, program.Write(context.Background(), folder))

	files := map[string]string{}
	for _, name := range []string{
		"man/hornero.1.gz",
		"man/hornero-images.1.gz",
		"man/hornero-images-bake.1.gz",
		"completions/bash/hornero",
		"completions/zsh/_hornero",
		"completions/fish/hornero.fish",
	} {
		contents, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		files[name] = string(contents)
	}

	return files
}

func standin(t *testing.T) manual.Program {
	t.Helper()

	path := filepath.Join(t.TempDir(), "hornero")
	said, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "../testdata/standin").CombinedOutput()
	require.NoError(t, err, string(said))

	return manual.Program{
		Path:    path,
		Dir:     t.TempDir(),
		Date:    time.Unix(0, 0),
		Version: "1.2",
	}
}
