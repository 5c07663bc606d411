package machine

import (
	"errors"
	"io/fs"
	"os"
)

// elsewhere is the folder where another lab of that name keeps its Droplets. One that crashed is still up: what it left
// running is found by its name. It counts no longer when its folder is gone.
func (r raised) elsewhere(name, state string) string {
	other := r.States[name]
	if other == "" || other == state {
		return ""
	}

	there, err := os.Stat(other)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}

	here, missing := os.Stat(state)
	if err == nil && missing == nil && os.SameFile(there, here) { // by another path
		return ""
	}

	return other
}

// Elsewhere is the folder where another lab of the same name keeps its Droplets while it is up; empty when there is
// none.
func (h *Host) Elsewhere() (string, error) {
	var state raised

	if err := readJSON(limitsFile, &state); err != nil {
		return "", ignoreMissing(err)
	}

	return state.elsewhere(h.Name, h.State), nil
}
