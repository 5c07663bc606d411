package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab"
)

// checkout makes a folder with a stack's file and goes there.
func checkout(t *testing.T) string {
	t.Helper()

	folder, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, defaultStackFile), nil, 0o600))
	t.Chdir(folder)

	return folder
}

func TestTheStacksFileIsFound(t *testing.T) {
	folder := checkout(t)
	deep := filepath.Join(folder, "docs", "examples")
	require.NoError(t, os.MkdirAll(deep, 0o700))

	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(folder, link))

	inside := filepath.Join(t.TempDir(), "inside")
	require.NoError(t, os.Symlink(deep, inside))

	cases := []struct {
		in, file, want string
	}{
		{in: folder, file: defaultStackFile, want: filepath.Join(folder, "stack.yaml")},
		{in: deep, file: defaultStackFile, want: filepath.Join(folder, "stack.yaml")},
		{in: inside, file: defaultStackFile, want: filepath.Join(folder, "stack.yaml")},
		{in: link, file: defaultStackFile, want: filepath.Join(folder, "stack.yaml")},
		{in: deep, file: "../../stack.yaml", want: filepath.Join(folder, "stack.yaml")},
		{in: "/", file: filepath.Join(link, "staging.yaml"), want: filepath.Join(folder, "staging.yaml")},
		{in: deep, file: "other.yaml", want: filepath.Join(deep, "other.yaml")},
	}

	for _, c := range cases {
		t.Chdir(c.in)

		found, err := findStack(c.file)
		require.NoError(t, err)
		require.Equal(t, c.want, found, "%s in %s", c.file, c.in)
	}

	_, err := findStack("nowhere/stack.yaml")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestALabThatIsNamedIsMeant(t *testing.T) {
	t.Setenv(lab.FolderVariable, t.TempDir())
	t.Setenv("LAB", "")
	folder := checkout(t)
	file := "nowhere/stack.yaml"

	name := labFlag{file: &file}
	_, err := name.choose()
	require.ErrorContains(t, err, "--name or LAB names one")

	t.Setenv("LAB", "one")
	choice, err := name.choose()
	require.NoError(t, err)
	require.Equal(t, "one", choice.Name)

	name.name = "two"
	file = defaultStackFile
	choice, err = name.choose()
	require.NoError(t, err)
	require.Equal(t, "two", choice.Name)
	require.Equal(t, filepath.Join(folder, "stack.yaml"), choice.stack, "it becomes the owner, if nobody is")
}

func TestAChoiceIsTold(t *testing.T) {
	other := lab.Choice{Name: "mine-1a2b3c", Other: "/src/theirs"}
	theirs := lab.Choice{Name: "default", Other: "/src/theirs"}
	free := lab.Choice{Name: "default", Other: "/src/theirs", Gone: true}

	cases := []struct {
		name    string
		choice  labChoice
		started bool
		want    string
	}{
		{
			name:    "the default lab",
			choice:  labChoice{Choice: lab.Choice{Name: "default"}},
			started: true,
		},
		{
			name:    "one of its own",
			choice:  labChoice{Choice: other},
			started: true,
			want:    "lab mine-1a2b3c: default belongs to /src/theirs\n",
		},
		{
			name:   "one of its own, which runs already",
			choice: labChoice{Choice: other},
		},
		{
			name:    "another folder's, where there is no stack",
			choice:  labChoice{Choice: theirs},
			started: true,
			want:    "lab default: it belongs to /src/theirs\n",
		},
		{
			name:   "one that is taken over while it runs",
			choice: labChoice{Choice: free},
			want:   "lab default: taken over from /src/theirs, where the stack's file is no more\n",
		},
		{
			name:    "one of its own from before",
			choice:  labChoice{Choice: lab.Choice{Name: "mine-1a2b3c", Other: "/src/theirs", Gone: true}},
			started: true,
		},
	}

	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var said bytes.Buffer
			c.choice.tell(&said, c.started)
			require.Equal(t, c.want, said.String())
		})
	}
}

func TestAnotherFoldersLabIsResetByNameOnly(t *testing.T) {
	theirs := labChoice{Choice: lab.Choice{Name: "default", Other: "/src/theirs"}}
	require.ErrorContains(t, theirs.mayReset(), "it belongs to /src/theirs; say --name default")

	theirs.Gone = true
	require.NoError(t, theirs.mayReset())

	require.NoError(t, labChoice{Choice: lab.Choice{Name: "default"}, named: true}.mayReset())
	require.NoError(t, labChoice{Choice: lab.Choice{Name: "mine-1a2b3c", Other: "/src/theirs"}}.mayReset())
}
