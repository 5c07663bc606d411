package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrNotConfirmed refuses to remove what cannot be made again, because nobody said that it may go.
var ErrNotConfirmed = errors.New("not confirmed")

// Removal is something that goes for good.
type Removal struct {
	What  string // "node db-4 (Droplet 12)"
	Loses string // what goes with it: "its copy of the data", "its address 203.0.113.7"
	Data  bool   // what goes is data, not only an address or a place to run
}

func (r Removal) String() string { return r.What + ", with " + r.Loses }

// confirm asks whether all of it may go. Nothing may be touched before: an operator who refuses finds everything as it
// was.
func (f *Fleet) confirm(ctx context.Context, removals ...Removal) error {
	if len(removals) == 0 {
		return nil
	}

	err := ErrNotConfirmed
	if f.Confirm != nil {
		err = f.Confirm(ctx, removals)
	}

	if err == nil {
		return nil
	}

	var lines strings.Builder
	for _, removal := range removals {
		fmt.Fprintf(&lines, "\n  %s", removal)
	}

	return fmt.Errorf("%w: this would remove for good:%s", err, lines.String())
}
