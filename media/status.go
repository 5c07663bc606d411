package media

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// Status is what a node tells of its library.
type Status struct {
	Node    string   `json:"node"`
	Store   string   `json:"store"`
	Files   int      `json:"files"`
	Bytes   int64    `json:"bytes"`
	Here    int      `json:"here"`    // files whose bytes are on this node
	Only    int      `json:"only"`    // files that nobody else has
	Pending int      `json:"pending"` // changes that are not kept yet
	Aside   int      `json:"aside"`   // versions that lost
	Peers   []string `json:"peers"`   // other nodes that are alive
	Alone   bool     `json:"alone"`   // there is no other node to keep files
	Trouble []string `json:"trouble"` // for people
}

// maxTrouble is how many files are told by name.
const maxTrouble = 10

func (l *Library) status() Status {
	s := Status{Node: l.settings.Node, Pending: l.jobs.count(), Aside: l.folder.asides(AsideLife), Trouble: []string{}}

	for _, known := range l.index.all() {
		if known.Deleted {
			continue
		}

		s.Files++
		s.Bytes += known.Size

		if known.here() {
			s.Here++
		}

		if known.here() && len(known.Holders) == 0 {
			s.Only++
		}
	}

	failing := l.jobs.failing()

	var paths []string
	for path := range failing {
		paths = append(paths, path)
	}

	slices.Sort(paths)

	for i, path := range paths {
		if i == maxTrouble {
			s.Trouble = append(
				s.Trouble,
				fmt.Sprintf("and %d more", len(paths)-maxTrouble),
			)
			break
		}

		s.Trouble = append(s.Trouble, path+": "+failing[path])
	}

	return s
}

// Verify reads all files here and compares them with what is known, and says what is wrong, a line each.
func (l *Library) Verify(ctx context.Context, out io.Writer) (wrong int, err error) {
	l.watch.drain()

	for _, known := range l.index.all() {
		if ctx.Err() != nil {
			return wrong, ctx.Err()
		}

		text := l.verify(known)
		if text == "" {
			continue
		}

		wrong++

		if _, err := fmt.Fprintf(out, "%s: %s\n", known.Path, text); err != nil {
			return wrong, err
		}
	}

	return wrong, nil
}

func (l *Library) verify(known state) string {
	switch {
	case known.Deleted:
		return ""
	case known.Pending:
		return "is not kept yet"
	case !known.here() && len(known.Holders) == 0:
		return "nobody has it"
	case !known.here():
		return ""
	}

	entry, _, err := l.folder.measure(known.Path)

	switch {
	case err != nil:
		return err.Error()
	case !entry.sameContent(known.Entry) && l.index.get(known.Path).Version == known.Version:
		return "has other bytes than were kept"
	}

	return ""
}

// Daemon's own times.
const (
	startTimeout = 10 * time.Second
	askEvery     = 5 * time.Second // nodes that did not answer
	tryEvery     = time.Minute     // a Space that did not
)
