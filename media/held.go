package media

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
)

// maxHeld is how many files are named.
const maxHeld = 10

// Held is what would be lost with this node: files that nobody else has, and changes that nobody else knows.
type Held struct {
	Count int      `json:"count"`
	Paths []string `json:"paths"` // the first ten, sorted
}

// heldOf looks for it among states.
func heldOf(states []state) Held {
	held := Held{Paths: []string{}}

	for _, known := range states {
		if !known.Pending && (!known.here() || len(known.Holders) > 0) {
			continue
		}

		held.Count++
		held.Paths = append(held.Paths, known.Path)
	}

	slices.SortFunc(held.Paths, strings.Compare)
	held.Paths = held.Paths[:min(len(held.Paths), maxHeld)]

	return held
}

// Held is what would be lost with the node, after all that was written until now was looked at.
func (d *Daemon) Held(ctx context.Context) (Held, error) {
	if err := d.library.drain(ctx); err != nil {
		return Held{}, err
	}

	return heldOf(d.library.index.all()), nil
}

// AskHeld asks the daemon of this node.
func AskHeld(ctx context.Context, socket string) (Held, error) {
	answer, err := ask(
		ctx,
		socket,
		http.MethodGet,
		"/held",
		nil,
	)
	if err != nil {
		return Held{}, err
	}
	defer answer.Body.Close()

	var held Held

	return held, json.NewDecoder(answer.Body).Decode(&held)
}

// ReadHeld reads it where no daemon runs, from what that wrote down.
func ReadHeld(config string) (Held, error) {
	c, err := LoadConfig(config)
	if err != nil {
		return Held{}, err
	}

	states, err := readStates(filepath.Join(c.State, indexFile))
	if err != nil {
		return Held{}, err
	}

	return heldOf(slices.Collect(maps.Values(states))), nil
}
