package lab_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab"
	"github.com/hornero/hornero/lab/machine"
)

func TestAFolderHasTheDefaultLabOrOneOfItsOwn(t *testing.T) {
	const (
		mine   = "/src/mine/stack.yaml"
		beside = "/src/mine/staging.yaml"
		theirs = "/src/theirs/stack.yaml"
	)

	own := lab.OwnName("/src/mine")
	def := lab.DefaultName

	cases := []struct {
		name      string
		situation lab.Situation
		want      lab.Choice
	}{
		{
			name:      "nobody has the default lab, or it is from before owners were kept",
			situation: lab.Situation{Stack: mine},
			want:      lab.Choice{Name: def},
		},
		{
			name:      "the folder owns it",
			situation: lab.Situation{Stack: mine, Owner: mine},
			want:      lab.Choice{Name: def},
		},
		{
			name:      "another stack's file of the folder owns it",
			situation: lab.Situation{Stack: mine, Owner: beside},
			want:      lab.Choice{Name: def},
		},
		{
			name:      "that file is no more",
			situation: lab.Situation{Stack: mine, Owner: beside, Gone: true},
			want:      lab.Choice{Name: def},
		},
		{
			name:      "another folder owns it",
			situation: lab.Situation{Stack: mine, Owner: theirs},
			want:      lab.Choice{Name: own, Other: "/src/theirs"},
		},
		{
			name:      "the other folder's stack is no more",
			situation: lab.Situation{Stack: mine, Owner: theirs, Gone: true},
			want:      lab.Choice{Name: def, Other: "/src/theirs", Gone: true},
		},
		{
			name:      "it is free, and the folder has a lab of its own from before",
			situation: lab.Situation{Stack: mine, Started: true},
			want:      lab.Choice{Name: own},
		},
		{
			name:      "the owner is no more, and the folder has a lab of its own from before",
			situation: lab.Situation{Stack: mine, Started: true, Owner: theirs, Gone: true},
			want:      lab.Choice{Name: own, Other: "/src/theirs", Gone: true},
		},
		{
			name:      "no stack, and nobody has the default lab",
			situation: lab.Situation{},
			want:      lab.Choice{Name: def},
		},
		{
			name:      "no stack, and a folder owns it",
			situation: lab.Situation{Owner: theirs},
			want:      lab.Choice{Name: def, Other: "/src/theirs"},
		},
	}

	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, lab.Choose(c.situation))
		})
	}
}

func TestALabIsCalledAfterItsFolder(t *testing.T) {
	require.Regexp(t, `^hornero-[0-9a-f]{6}$`, lab.OwnName("/src/hornero"))
	require.Regexp(t, `^a-folder-with-[0-9a-f]{6}$`, lab.OwnName("/src/a folder with a long name"))
	require.Regexp(t, `^my-site-2-[0-9a-f]{6}$`, lab.OwnName("/src/_My.Site 2_"))
	require.Regexp(t, `^lab-[0-9a-f]{6}$`, lab.OwnName("/src/дом"))
	require.Regexp(t, `^lab-[0-9a-f]{6}$`, lab.OwnName("/"))
	require.NotEqual(t, lab.OwnName("/one/hornero"), lab.OwnName("/two/hornero"))

	// of so many some have a hash that begins with six digits
	for n := range 200 {
		_, err := machine.New(machine.Config{
			Name:   lab.OwnName(fmt.Sprintf("/src/%d/hornero", n)),
			State:  "/var/lib/lab",
			Cache:  "/var/cache/lab",
			Public: netip.MustParsePrefix("198.18.77.0/24"),
		})
		require.NoError(t, err)
	}
}

// stackIn makes a folder with a stack's file.
func stackIn(t *testing.T) string {
	t.Helper()

	file := filepath.Join(t.TempDir(), "stack.yaml")
	require.NoError(t, os.WriteFile(file, nil, 0o600))

	return file
}

// nameFor is the lab that a stack's file means now.
func nameFor(t *testing.T, stackFile string) string {
	t.Helper()

	choice, err := lab.NameFor(stackFile)
	require.NoError(t, err)

	return choice.Name
}

func TestTheFirstFolderKeepsTheDefaultLab(t *testing.T) {
	folders(t)
	first, second := stackIn(t), stackIn(t)
	require.Equal(t, lab.DefaultName, nameFor(t, first))
	require.Equal(t, lab.DefaultName, nameFor(t, second))

	require.NoError(t, lab.FolderOf(lab.DefaultName).StartedFor(first))
	require.Equal(t, lab.DefaultName, nameFor(t, first))

	own := nameFor(t, second)
	require.Equal(t, lab.OwnName(filepath.Dir(second)), own)

	status, err := lab.StatusOf(t.Context(), lab.DefaultName)
	require.NoError(t, err)
	require.Equal(t, filepath.Dir(first), status.Owner)

	require.NoError(t, os.Remove(first))
	require.Equal(t, lab.DefaultName, nameFor(t, second), "its owner is no more, and nothing is in the other lab")

	require.NoError(t, lab.FolderOf(own).StartedFor(second))
	require.Equal(t, own, nameFor(t, second), "what it launched is there")
}

func TestALabFromBeforeOwnersIsAdopted(t *testing.T) {
	folders(t)
	first, second := stackIn(t), stackIn(t)

	_, err := lab.FolderOf(lab.DefaultName).ChooseRange(netip.Prefix{}, free)
	require.NoError(t, err)
	require.NoError(t, lab.Adopt(lab.DefaultName, ""))
	require.Equal(t, lab.DefaultName, nameFor(t, second), "nobody is its owner where there is no stack")

	require.NoError(t, lab.Adopt(lab.DefaultName, first))
	require.NoError(t, lab.Adopt(lab.DefaultName, second))
	require.Equal(t, lab.DefaultName, nameFor(t, first))
	require.NotEqual(t, lab.DefaultName, nameFor(t, second))

	public, err := lab.FolderOf(lab.DefaultName).ChooseRange(netip.Prefix{}, free)
	require.NoError(t, err)
	require.Equal(t, "198.51.100.0/24", public.String(), "all else that it keeps is as it was")

	require.NoError(t, os.Remove(first))
	require.NoError(t, lab.Adopt(lab.DefaultName, second))
	require.Equal(t, lab.DefaultName, nameFor(t, second))
}

func TestOfManyFoldersAtOnceOneGetsTheDefaultLab(t *testing.T) {
	folders(t)
	_, err := lab.FolderOf(lab.DefaultName).ChooseRange(netip.Prefix{}, free)
	require.NoError(t, err)

	var files [20]string
	for n := range files {
		files[n] = stackIn(t)
	}

	var adopting sync.WaitGroup
	var failed [len(files)]error

	for n, file := range files {
		adopting.Go(func() { failed[n] = lab.Adopt(lab.DefaultName, file) })
	}

	adopting.Wait()

	owners := 0

	for n, file := range files {
		require.NoError(t, failed[n])

		if nameFor(t, file) == lab.DefaultName {
			owners++
		}
	}

	require.Equal(t, 1, owners)
}

func TestADamagedLabHasNoOwner(t *testing.T) {
	folder := folders(t)
	require.NoError(t, lab.FolderOf(lab.DefaultName).StartedFor(stackIn(t)))

	settings := filepath.Join(folder, lab.DefaultName, "lab.json")
	require.NoError(t, os.WriteFile(settings, []byte(`{"owner": "/src`), 0o600))
	require.Equal(t, lab.DefaultName, nameFor(t, stackIn(t)), "a reset finds it")
}
