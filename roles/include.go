package roles

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hornero/hornero/internal/report"
)

// loadPieces reads what the manifest includes, in its order. A piece may include others: all of them come back, each
// once, and before those that include it.
func (m *Manifest) loadPieces(doc *report.Document, fsys fs.FS, including []string) ([]*Manifest, error) {
	var parts []*Manifest
	var problems report.Problems

	chain := append(slices.Clone(including), m.folders[0].Name)

	for i, name := range m.Includes {
		at := fmt.Sprintf("includes[%d]", i)

		if slices.Contains(chain, name) {
			doc.Add(at, "%s includes itself: %s", name, strings.Join(append(chain, name), " -> "))
			continue
		}

		if !IsName(name) {
			doc.Add(at, "must be the name of a folder of roles, got %q", name)
			continue
		}

		if _, err := fs.Stat(fsys, path.Join(name, "role.yaml")); err != nil {
			doc.Add(at, "there is no role %q", name)
			continue
		}

		// Problems are collected, so that one run tells those of all pieces.
		piece, err := load(fsys, name, chain)
		if found, ok := report.Of(err); ok {
			problems = append(problems, found...)
			continue
		}

		if err != nil {
			return nil, err
		}

		for _, part := range piece.parts {
			if !slices.ContainsFunc(parts, part.sameAs) {
				parts = append(parts, part)
			}
		}

		m.addFolders(piece)
	}

	return parts, problems.Err()
}

func (m *Manifest) sameAs(other *Manifest) bool { return m.Name == other.Name }

// include makes a piece part of the manifest. What the manifest says already stays: a file at the same path, a setting
// of the same name.
func (m *Manifest) include(piece *Manifest) {
	m.Packages = mergeLists(piece.Packages, m.Packages)
	m.Excluded = mergeLists(piece.Excluded, m.Excluded)
	m.Limits = mergeLists(piece.Limits, m.Limits)
	m.Variables = mergeValues(piece.Variables, m.Variables)

	m.Files = mergeNamed(piece.Files, m.Files, func(f File) string {
		return variant(f.Path, f.Only, f.Except)
	})
	m.Programs = mergeNamed(piece.Programs, m.Programs, func(p Program) string {
		return variant(p.Target(), p.Only, p.Except)
	})
	m.Templates = mergeNamed(piece.Templates, m.Templates, func(t Template) string {
		return variant(t.Path, t.Only, t.Except)
	})
	m.Services = mergeNamed(piece.Services, m.Services, func(s Service) string { return s.Unit })
	m.Ports = mergeNamed(piece.Ports, m.Ports, func(p Port) string { return p.Name })
	m.Egress = mergeNamed(piece.Egress, m.Egress, func(e Egress) string { return e.User })
	m.Certificates = mergeNamed(piece.Certificates, m.Certificates, func(c Certificate) string { return c.Authority })
	m.Serves = mergeNamed(piece.Serves, m.Serves, func(s Serve) string { return s.Name })
	m.Databases = mergeNamed(piece.Databases, m.Databases, func(d Database) string { return d.Name })
	m.includePrograms(piece)
	m.Spaces = mergeNamed(piece.Spaces, m.Spaces, func(s Space) string { return s.Key })

	m.Secrets = mergeMaps(piece.Secrets, m.Secrets)
	m.Settings = mergeMaps(piece.Settings, m.Settings)
	m.Watches = mergeMaps(piece.Watches, m.Watches)
	m.Bake.Varies = mergeMaps(piece.Bake.Varies, m.Bake.Varies)
	m.Bake.Commands = slices.Concat(piece.Bake.Commands, m.Bake.Commands)

	m.includeCode(piece)

	if m.Peers == "" {
		m.Peers = piece.Peers
	}
	if m.Driver == "" {
		m.Driver = piece.Driver
	}
	m.Sites = m.Sites || piece.Sites

	if m.ReservedIP == nil {
		m.ReservedIP = piece.ReservedIP
	}
}

// includePrograms takes over what is run: on nodes, and when an operator asks.
func (m *Manifest) includePrograms(piece *Manifest) {
	m.Tasks = mergeNamed(piece.Tasks, m.Tasks, func(t Task) string { return t.Name })
	m.Commands = mergeNamed(piece.Commands, m.Commands, func(c Command) string { return c.Name })
	m.Guards = mergeNamed(piece.Guards, m.Guards, func(g Guard) string { return g.Name })
}

// variant names what is at a path on some releases.
func variant(path string, only, except []string) string {
	return strings.Join(slices.Concat([]string{path}, only, []string{"except"}, except), " ")
}

// addFolders adds the folders of a piece. One that two others include is there once.
func (m *Manifest) addFolders(piece *Manifest) {
	for _, folder := range piece.folders {
		if !slices.ContainsFunc(m.folders, func(f Folder) bool { return f.Name == folder.Name }) {
			m.folders = append(m.folders, folder)
		}
	}
}

// mergeNamed puts the piece's items first, without those that the manifest has under the same name.
func mergeNamed[T any](piece, own []T, name func(T) string) []T {
	taken := map[string]bool{}
	for _, item := range own {
		taken[name(item)] = true
	}

	kept := slices.DeleteFunc(slices.Clone(piece), func(item T) bool { return taken[name(item)] })

	return append(kept, own...)
}

func mergeMaps[V any](piece, own map[string]V) map[string]V {
	if len(piece) == 0 {
		return own
	}

	merged := maps.Clone(piece)
	maps.Copy(merged, own)

	return merged
}

// mergeLists joins lists by release; what both name is there once.
func mergeLists(piece, own map[string][]string) map[string][]string {
	merged := map[string][]string{}
	for release, list := range piece {
		merged[release] = slices.Clone(list)
	}

	for release, list := range own {
		for _, item := range list {
			if !slices.Contains(merged[release], item) {
				merged[release] = append(merged[release], item)
			}
		}
	}

	return merged
}

func mergeValues(piece, own map[string]Values) map[string]Values {
	merged := map[string]Values{}
	for release, values := range piece {
		merged[release] = maps.Clone(values)
	}

	for release, values := range own {
		merged[release] = mergeMaps(merged[release], values)
	}

	return merged
}
