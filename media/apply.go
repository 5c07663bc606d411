package media

import (
	"fmt"
	"io"
	"slices"
)

// Apply takes over what another node says of a path, with its bytes or without them (nil). It returns what this node
// knows of the path after: a newer version where there is one.
func (l *Library) Apply(from string, entry Entry, body io.Reader) (Entry, error) {
	if err := checkPath(entry.Path); err != nil {
		return Entry{}, err
	}

	// What was written here before counts as such.
	l.watch.drain()
	l.clock.saw(entry.Version)

	known := l.index.get(entry.Path)

	switch order := entry.Version.Compare(known.Version); {
	case order < 0:
		return known.Entry, l.refuse(known, entry, body)
	case order == 0 && (known.here() || known.Deleted || body == nil):
		l.holds(from, entry)
		return entry, nil
	case body == nil:
		return entry, l.adopt(entry, from)
	}

	err := l.folder.install(entry, body, func(whole Entry, mark stamp) error {
		return l.takePlace(whole, mark, from)
	})

	return entry, err
}

// refuse keeps what lost against a newer version, unless that was made from it.
func (l *Library) refuse(known state, lost Entry, body io.Reader) error {
	if body == nil || known.Base == lost.Version || known.sameContent(lost) {
		return nil
	}

	aside, err := openFolder(
		l.folder.aside,
		l.folder.owner,
		"",
	)
	if err != nil {
		return err
	}
	defer aside.root.Close()

	lost.Path += "~" + lost.Version.String()

	return aside.install(lost, body, func(Entry, stamp) error { return nil })
}

// holds remembers that a node has a version.
func (l *Library) holds(node string, entry Entry) {
	known := l.index.get(entry.Path)
	if known.Version != entry.Version || node == "" || slices.Contains(known.Holders, node) {
		return
	}

	l.set(entry.Path, func(s *state) bool {
		if s.Version != entry.Version || slices.Contains(s.Holders, node) {
			return false
		}

		s.Holders = append(s.Holders, node)

		return true
	})
}

// adopt takes over a newer version without its bytes: a deletion, or a file that is fetched when it is asked for.
func (l *Library) adopt(entry Entry, from string) error {
	l.place.Lock()
	defer l.place.Unlock()

	known := l.index.get(entry.Path)
	if entry.Version.Compare(known.Version) <= 0 {
		return nil
	}

	// The same bytes, found or written here: there is nothing to fetch.
	if known.here() && known.sameContent(entry) {
		l.set(entry.Path, func(s *state) bool {
			s.Entry, s.Pending = entry, false
			s.Holders = holders(from)

			return true
		})

		return nil
	}

	if err := l.giveWay(known, entry); err != nil {
		return err
	}

	l.set(entry.Path, func(s *state) bool {
		s.Entry, s.Stamp, s.Pending = entry, stamp{}, false
		s.Holders = holders(from)

		return true
	})

	return l.folder.remove(entry.Path)
}

// takePlace makes a file that is whole, beside its place, the newest that is known. It comes before the rename.
func (l *Library) takePlace(entry Entry, mark stamp, from string) error {
	l.place.Lock()
	defer l.place.Unlock()

	known := l.index.get(entry.Path)
	if entry.Version.Compare(known.Version) < 0 {
		return fmt.Errorf(
			"%s: %w: a newer version came meanwhile",
			entry.Path,
			ErrNotKept,
		)
	}

	if err := l.giveWay(known, entry); err != nil {
		return err
	}

	l.set(entry.Path, func(s *state) bool {
		if s.Version != entry.Version {
			s.Holders = nil
		}

		s.Entry, s.Stamp, s.Pending = entry, mark, false

		if from != "" && !slices.Contains(s.Holders, from) {
			s.Holders = append(s.Holders, from)
		}

		return true
	})

	return nil
}

// giveWay sets the file here aside where a version wins that was not made from it.
func (l *Library) giveWay(known state, winner Entry) error {
	mark, there := l.folder.stat(winner.Path)
	if !there {
		return nil
	}

	// What was written here a moment ago gets its own version first: it is the later one.
	if !known.here() || !mark.equal(known.Stamp) {
		l.jobs.add(winner.Path)
		return fmt.Errorf(
			"%s: %w: it was written here meanwhile",
			winner.Path,
			ErrNotKept,
		)
	}

	made := winner.Base == known.Version || !known.Pending && winner.Base.Compare(known.Version) > 0
	if made || known.sameContent(winner) || !known.Pending && winner.Deleted {
		return nil
	}

	l.log.Warn(
		"two versions of a file; the older one is kept aside",
		"path",
		known.Path,
		"version",
		known.Version,
	)

	return l.folder.setAside(known.Path, known.Version)
}

func holders(node string) []string {
	if node == "" {
		return nil
	}

	return []string{node}
}
