package archive

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"pault.ag/go/debian/version"
)

// Lists are the packages that a release's security and update suites offer.
type Lists struct {
	Published   time.Time // when the security suite's list was made
	Unreachable error     // why a list is the kept one though its time has come; nil when none is

	offered map[string]offer // by the package's name
}

// offer is the newest version of a package.
type offer struct {
	version  version.Version
	source   string
	security bool // the security suite has it
}

// Update is a newer version of what an image has. The packages of one source are one update.
type Update struct {
	Source   string   `json:"source"`
	Packages []string `json:"packages"` // those of the image, sorted
	From     string   `json:"from"`     // the first one's version in the image
	To       string   `json:"to"`
	Security bool     `json:"security"`
}

// String is the update as people read it.
func (u Update) String() string {
	return u.Source + " " + u.From + " -> " + u.To
}

// add takes in a component's list.
func (l *Lists) add(text []byte, security bool) error {
	all := newParagraphs(bytes.NewReader(text))

	for {
		fields, err := all.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the list of packages: %w", err)
		}

		name := fields.Get("Package")
		parsed, err := version.Parse(fields.Get("Version"))
		if err != nil {
			return fmt.Errorf("read the version of package %s: %w", name, err)
		}

		// Its version, in parentheses, is there where it is not the package's.
		source, _, _ := strings.Cut(fields.Get("Source"), " ")

		known, there := l.offered[name]
		if !there || version.Compare(parsed, known.version) > 0 {
			l.offered[name] = offer{
				version:  parsed,
				source:   cmp.Or(source, name),
				security: security,
			}
		}
	}
}

// Outdated are the updates for packages, versions by name: security updates first, by source.
func (l *Lists) Outdated(packages map[string]string) []Update {
	updates := map[string]*Update{}

	for _, name := range slices.Sorted(maps.Keys(packages)) {
		offered, there := l.offered[name]
		if !there {
			continue
		}

		// A record's version that is none is of a package that is not Debian's.
		have, err := version.Parse(packages[name])
		if err != nil || version.Compare(have, offered.version) >= 0 {
			continue
		}

		update := updates[offered.source]
		if update == nil {
			update = &Update{
				Source: offered.source,
				From:   packages[name],
				To:     offered.version.String(),
			}
			updates[offered.source] = update
		}

		update.Packages = append(update.Packages, name)
		update.Security = update.Security || offered.security
	}

	found := []Update{}
	for _, update := range updates {
		found = append(found, *update)
	}

	slices.SortFunc(found, func(a, b Update) int {
		return cmp.Or(before(a.Security, b.Security), cmp.Compare(a.Source, b.Source))
	})

	return found
}

// before has what is so come before what is not.
func before(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}

	return 1
}
