package state_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/state"
)

func open(t *testing.T, path string) *state.Store {
	store, err := state.Open(path, nil)
	require.NoError(t, err)
	return store
}

func TestAStateIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab", "state.json")
	store := open(t, path)

	err := store.Update(func(d *state.Document) error {
		d.Droplets = append(d.Droplets, state.Droplet{
			ID:     d.NextID(),
			Name:   "one",
			Public: netip.MustParseAddr("198.51.100.10"),
		})

		return nil
	})
	require.NoError(t, err)

	before := store.View()

	err = store.Update(func(d *state.Document) error {
		d.Droplets[0].Name = "renamed"
		return nil
	})
	require.NoError(t, err)

	require.Equal(t, "one", before.Droplets[0].Name, "a view stays as it was")
	require.Equal(t, store.View(), open(t, path).View())

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestARefusedOrUnwrittenChangeChangesNothing(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "lab")
	store := open(t, filepath.Join(folder, "state.json"))
	before := store.View()
	refusal := errors.New("refused")

	tagAnd := func(err error) func(*state.Document) error {
		return func(d *state.Document) error {
			d.Tags = append(d.Tags, "half")
			return err
		}
	}

	require.ErrorIs(t, store.Update(tagAnd(refusal)), refusal)
	require.Same(t, before, store.View())

	// a file where the folder was: nothing can be written
	require.NoError(t, os.RemoveAll(folder))
	require.NoError(t, os.WriteFile(folder, nil, 0o600))

	require.ErrorContains(t, store.Update(tagAnd(nil)), "keep the lab's state")
	require.Same(t, before, store.View())
}

func TestAnOlderStateIsUpgraded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	older := []byte(`{"version": 1, "last_id": 100007, "tags": ["kept"]}`)
	require.NoError(t, os.WriteFile(path, older, 0o600))

	upgraded := open(t, path).View()
	require.Equal(t, state.Version, upgraded.Version)
	require.Equal(t, []string{"kept"}, upgraded.Tags)
	require.Equal(t, upgraded, open(t, path).View(), "the upgrade is on disk")
}

func TestADamagedOrForeignStateIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"version": 99}`), 0o600))

	_, err := state.Open(path, nil)
	require.ErrorIs(t, err, state.ErrVersion)
	require.NoError(t, os.WriteFile(path, []byte(`{"versi`), 0o600))

	_, err = state.Open(path, nil)
	require.ErrorContains(t, err, "hornero lab reset")
}

func TestAddressesGoRoundAndAreUnique(t *testing.T) {
	public := netip.MustParsePrefix("198.18.7.0/28") // .10 to .14
	d := &state.Document{}
	take := func() string {
		address, ok := d.TakePublic(public)
		if !ok {
			return "none"
		}

		d.Droplets = append(d.Droplets, state.Droplet{Public: address})

		return address.String()
	}

	for last := 10; last <= 14; last++ {
		require.Equal(t, fmt.Sprintf("198.18.7.%d", last), take())
	}

	require.Equal(t, "none", take())

	d.Droplets = d.Droplets[2:]
	require.Equal(t, "198.18.7.10", take(), "round again, from the start")
	require.Equal(t, "198.18.7.11", take())
	require.Equal(t, "none", take())
}

func TestTrimKeepsWhatIsInProgress(t *testing.T) {
	d := &state.Document{}
	for i := range 5 {
		status := state.ActionCompleted
		if i == 0 {
			status = state.ActionInProgress
		}

		d.Actions = append(d.Actions, state.Action{ID: i, Status: status})
	}

	d.TrimActions(2)
	require.Len(t, d.Actions, 2)
	require.Equal(t, []int{0, 4}, []int{d.Actions[0].ID, d.Actions[1].ID})
}
