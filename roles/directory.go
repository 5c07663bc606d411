package roles

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/hornero/hornero/internal/report"
)

// directory is a folder of roles that is being read.
type directory struct {
	manifests map[string]*Manifest
	broken    []string // folders whose manifests have problems
	problems  report.Problems
}

// load reads the role of one folder. Problems are collected, so that one run tells those of all manifests.
func (d *directory) load(fsys fs.FS, folder string) error {
	manifest, err := load(fsys, folder, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a folder that is no role's
	}

	found, ok := report.Of(err)

	switch {
	case ok:
		d.add(found)
		d.broken = append(d.broken, folder)
	case err != nil:
		return err
	default:
		d.manifests[manifest.Name] = manifest
	}

	return nil
}

// add takes problems up. Those of a piece come once for each role that includes it, and are told once.
func (d *directory) add(problems report.Problems) {
	for _, problem := range problems {
		if !slices.Contains(d.problems, problem) {
			d.problems = append(d.problems, problem)
		}
	}
}

// check looks for what one manifest says of another.
func (d *directory) check() {
	for _, name := range slices.Sorted(maps.Keys(d.manifests)) {
		manifest := d.manifests[name]

		// A piece is judged where it is included.
		if manifest.Abstract && name != Common {
			continue
		}

		d.checkWatches(manifest)
		d.checkFrom(manifest)
	}

	d.checkLeases()

	for _, manifest := range d.manifests {
		for _, part := range manifest.parts {
			if found, ok := report.Of(part.doc.Problems()); ok {
				d.add(found)
			}
		}
	}

	// Nothing is left to check.
	for _, manifest := range d.manifests {
		manifest.forget()
	}

	d.problems = d.problems.Sorted()
}

func (d *directory) checkWatches(manifest *Manifest) {
	for _, word := range slices.Sorted(maps.Keys(manifest.Watches)) {
		role := manifest.Watches[word]
		if d.has(role) {
			continue
		}

		part := manifest.part(func(p *Manifest) bool { return p.Watches[word] != "" })
		part.doc.Add("watches."+word, "%s", d.noSuch(role))
	}
}

func (d *directory) checkFrom(manifest *Manifest) {
	for _, part := range manifest.parts {
		for i, port := range part.Ports {
			for k, from := range port.From {
				if slices.Contains(anybody, from) || d.has(from) {
					continue
				}

				at := fmt.Sprintf("ports[%d].from[%d]", i, k)
				part.doc.Add(at, "%s, and it is none of %s", d.noSuch(from), strings.Join(anybody, ", "))
			}
		}
	}
}

// part is the last of the manifest's parts that is as asked: what it says holds.
func (m *Manifest) part(asked func(*Manifest) bool) *Manifest {
	for _, part := range slices.Backward(m.parts) {
		if asked(part) {
			return part
		}
	}

	return m.parts[len(m.parts)-1]
}

// has tells whether a Droplet can have the role. One whose manifest has problems is told of already.
func (d *directory) has(role string) bool {
	if slices.Contains(d.broken, role) {
		return true
	}

	manifest, there := d.manifests[role]

	return there && !manifest.Abstract
}

func (d *directory) noSuch(role string) string {
	var known []string
	for _, manifest := range Deployable(d.manifests) {
		known = append(known, manifest.Name)
	}

	if near := report.Nearest(role, known); near != "" {
		return fmt.Sprintf("there is no role %q; did you mean %q?", role, near)
	}

	return fmt.Sprintf("there is no role %q", role)
}

// checkLeases looks for a lease that two roles would take turns in.
func (d *directory) checkLeases() {
	holders := map[string]string{}

	for _, manifest := range Deployable(d.manifests) {
		own := manifest.parts[len(manifest.parts)-1]

		for _, name := range slices.Sorted(maps.Keys(own.Leases)) {
			lease := own.Leases[name]

			if holder := holders[lease]; holder != "" {
				own.doc.Add(
					"leases."+name,
					"role %s has a lease %q already; take it out here: its name will be %s.%s",
					holder, lease, manifest.Name, name,
				)

				continue
			}

			holders[lease] = manifest.Name
		}
	}
}
