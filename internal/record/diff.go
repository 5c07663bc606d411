package record

import (
	"maps"
	"slices"
)

// Change is one name that two images do not have alike. An empty side is an image that does not have it.
type Change struct {
	Name string `json:"name"`
	From string `json:"from"`
	To   string `json:"to"`
}

// Difference is what differs between two images.
type Difference struct {
	Packages []Change `json:"packages"` // versions
	Files    []Change `json:"files"`    // SHA-256, of Hornero's files and of daemons
}

// Diff tells what became of one image's packages and files in another, by name.
func Diff(from, to Image) Difference {
	return Difference{
		Packages: changes(from.Packages, to.Packages),
		Files:    changes(from.files(), to.files()),
	}
}

func (i Image) files() map[string]string {
	all := maps.Clone(i.Daemons)
	if all == nil {
		all = map[string]string{}
	}

	// Hornero's own files win where a daemon's unit is one of them.
	maps.Copy(all, i.Files)

	return all
}

func changes(from, to map[string]string) []Change {
	names := map[string]bool{}
	for name := range from {
		names[name] = true
	}

	for name := range to {
		names[name] = true
	}

	list := []Change{}

	for _, name := range slices.Sorted(maps.Keys(names)) {
		// A name that one side lacks reads as empty there, which no digest is.
		if from[name] != to[name] {
			list = append(list, Change{
				Name: name,
				From: from[name],
				To:   to[name],
			})
		}
	}

	return list
}
