package builder

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/hornero/hornero/images"
	"github.com/hornero/hornero/internal/report"
)

// Release is one Debian release: a file of images/releases.
type Release struct {
	Name  string `yaml:"name"`  // as in debian-13
	Suite string `yaml:"suite"` // as in trixie
	Base  string `yaml:"base"`  // the base image's slug
	Notes string `yaml:"notes"`
}

// Releases lists the names of the known releases, in order.
func Releases() []string {
	files, _ := fs.Glob(images.FS(), "releases/*.yaml") // fails only on a malformed pattern
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = strings.TrimSuffix(path.Base(file), ".yaml")
	}
	slices.Sort(names)
	return names
}

// LoadRelease reads one release's file.
func LoadRelease(name string) (Release, error) {
	if !slices.Contains(Releases(), name) {
		return Release{}, fmt.Errorf("unknown release %q; known are %s", name, strings.Join(Releases(), ", "))
	}
	file := "releases/" + name + ".yaml"
	data, err := fs.ReadFile(images.FS(), file)
	if err != nil {
		return Release{}, fmt.Errorf("read release %s: %w", name, err)
	}
	doc, err := report.Parse(file, data)
	if err != nil {
		return Release{}, err
	}
	release := Release{}
	doc.Decode(&release)
	if release.Name != name {
		doc.Add("name", "must be the file's name, %q, got %q", name, release.Name)
	}
	if release.Base == "" {
		doc.Add("base", "must name the base image's slug")
	}
	return release, doc.Problems()
}
