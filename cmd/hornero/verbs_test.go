package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// asked is a question with its input read.
type asked struct {
	role, name string
	words      []string
	input      string
	file       string
	group      string
}

// askVerb runs a command line with nobody to answer, and returns what would be asked.
func askVerb(t *testing.T, stdin string, arguments ...string) (asked, error) {
	t.Helper()

	var got asked
	ask := func(_ *cobra.Command, file string, q question) error {
		input, err := io.ReadAll(q.input)
		got = asked{q.role, q.Name, q.words, string(input), file, q.group}

		return err
	}

	root := &cobra.Command{Use: "hornero", SilenceErrors: true, SilenceUsage: true}
	file := root.PersistentFlags().StringP("file", "f", defaultStackFile, "")
	root.AddCommand(stackCommands(file)...)
	root.AddCommand(newImagesCommand(file))
	addVerbs(root, file, arguments, ask)
	root.SetArgs(arguments)
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&bytes.Buffer{})
	root.SetErr(&bytes.Buffer{})

	return got, root.ExecuteContext(t.Context())
}

func TestAVerbIsAsked(t *testing.T) {
	folder := toolStack(t)
	elsewhere := filepath.Join(folder, "stack.yaml")

	for name, c := range map[string]struct {
		in   string // the working folder, below the stack's
		line []string
		want asked
	}{
		"its input is not taken where it takes none": {
			line: []string{"seal", "east", "west"},
			want: asked{role: "vault", name: "seal", words: []string{"east", "west"}, file: "stack.yaml"},
		},
		"one group": {
			line: []string{"queue", "list", "--group", "east", "west"},
			want: asked{role: "api", name: "queue list", words: []string{"west"}, file: "stack.yaml", group: "east"},
		},
		"two words": {
			line: []string{"cache", "drop", "all"},
			want: asked{role: "api", name: "cache drop", words: []string{"all"}, file: "stack.yaml"},
		},
		"the first of two words is a command, too": {
			line: []string{"cache"},
			want: asked{role: "api", name: "cache", words: []string{}, input: "typed", file: "stack.yaml"},
		},
		"only two words": {
			line: []string{"queue", "list"},
			want: asked{role: "api", name: "queue list", words: []string{}, file: "stack.yaml"},
		},
		"flags behind a word are the program's": {
			line: []string{"seal", "east", "--format=json", "-f", "x"},
			want: asked{
				role:  "vault",
				name:  "seal",
				words: []string{"east", "--format=json", "-f", "x"},
				file:  "stack.yaml",
			},
		},
		"flags behind two dashes are the program's": {
			line: []string{"seal", "--", "--table"},
			want: asked{role: "vault", name: "seal", words: []string{"--table"}, file: "stack.yaml"},
		},
		"of one of two roles, from standard input": {
			line: []string{"tool", "--role", "vault", "open"},
			want: asked{role: "vault", name: "tool", words: []string{"open"}, input: "typed", file: "stack.yaml"},
		},
		"of one of two roles, with a text": {
			line: []string{"tool", "--role=vault", "-e", "SELECT 1"},
			want: asked{role: "vault", name: "tool", words: []string{}, input: "SELECT 1", file: "stack.yaml"},
		},
		"with no text at all": {
			line: []string{"tool", "--role=vault", "-e", ""},
			want: asked{role: "vault", name: "tool", words: []string{}, file: "stack.yaml"},
		},
		"of a stack elsewhere": {
			in:   "cache",
			line: []string{"-f", elsewhere, "seal"},
			want: asked{role: "vault", name: "seal", words: []string{}, file: elsewhere},
		},
		"of a stack that is named behind the verb": {
			in:   "cache",
			line: []string{"seal", "--file", elsewhere},
			want: asked{role: "vault", name: "seal", words: []string{}, file: elsewhere},
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := filepath.Join(folder, c.in)
			require.NoError(t, os.MkdirAll(in, 0o700))
			t.Chdir(in)

			got, err := askVerb(t, "typed", c.line...)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestAVerbIsRefused(t *testing.T) {
	toolStack(t)

	for name, c := range map[string]struct {
		line []string
		want string
	}{
		"two roles have it": {
			line: []string{"tool"},
			want: "several roles have this command: say --role with one of api, vault",
		},
		"another role": {
			line: []string{"tool", "--role", "safe"},
			want: `role "safe" has no such command; say one of api, vault`,
		},
		"a text for a role that takes none": {
			line: []string{"tool", "--role", "api", "-e", "x"},
			want: "role api takes no input for this command; leave -e out",
		},
		"a text for a verb that takes none": {
			line: []string{"seal", "-e", "x"},
			want: "unknown shorthand flag: 'e' in -e; the program's own flags stand behind two dashes: " +
				"hornero seal -- FLAG",
		},
		"a role for a verb that one role has": {
			line: []string{"seal", "--role", "vault"},
			want: "unknown flag: --role",
		},
		"half of two words": {
			line: []string{"queue", "lits"},
			want: `unknown command "lits" for "hornero queue"`,
		},
		"none of the stack's": {
			line: []string{"db"},
			want: `unknown command "db" for "hornero"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := askVerb(t, "", c.line...)
			require.ErrorContains(t, err, c.want)
			require.Empty(t, got, "nobody was asked")
		})
	}
}

func TestVerbsAreInTheHelp(t *testing.T) {
	toolStack(t)

	help := hornero(t, "--help")
	require.Zero(t, help.code)

	product, verbs, found := strings.Cut(help.stdout, "Commands of roles:\n")
	require.True(t, found, help.stdout)
	require.Contains(t, verbs, "seal        seal the vault\n")
	require.Contains(t, verbs, "queue       commands of role api\n")
	require.NotContains(t, help.stdout, "no one's", "the product's commands win")
	require.Contains(t, product, "  status      show what runs")
	require.NotContains(t, help.stdout, "Additional Commands")

	require.Contains(t, hornero(t, "help", "seal").stdout, "runs vault-seal --now\non every node of role vault.")
	require.Contains(t, hornero(t, "cache", "drop", "--help").stdout, "role api that holds the lease cache.")
	require.NotContains(t, hornero(t, "images", "--help").stdout, "sync")
}

func TestVerbsAreCompleted(t *testing.T) {
	toolStack(t)

	require.Contains(t, hornero(t, "__complete", "sea").stdout, "seal\tseal the vault\n")
	require.Contains(t, hornero(t, "__complete", "cache", "").stdout, "drop\tdrop what is kept\n")
	require.Contains(t, hornero(t, "__complete", "tool", "--role", "").stdout, "api\nvault\n")
}

// Help works anywhere; what is wrong with a stack is told by the command that needs it.
func TestWithoutAStackTheBuiltInRolesStandForIt(t *testing.T) {
	folder := emptyFolder(t)

	for _, text := range []string{"", "version: [", "version: 2\n"} {
		if text != "" {
			write(t, folder, "stack.yaml", text)
		}

		help := hornero(t, "--help")
		require.Zero(t, help.code)
		require.Regexp(t, `\n  db +run SQL as root`, help.stdout)
		require.Empty(t, help.stderr)

		ran := hornero(t, "db", "-e", "SELECT 1")
		require.Equal(t, 1, ran.code)
		require.Contains(t, ran.stderr, "stack.yaml")
		require.Empty(t, ran.stdout)
	}
}
