package roles

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"

	"github.com/hornero/hornero/internal/report"
)

// Common is the abstract role that is part of every image.
const Common = "common"

//go:embed arbitrator common db proxy web
var embedded embed.FS

// Embedded returns the role folders that come with Hornero.
func Embedded() fs.FS { return embedded }

// LoadDir reads every role.yaml one folder deep. All problems of all manifests come back together, as
// report.Problems.
func LoadDir(fsys fs.FS) (map[string]*Manifest, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}

	manifests := map[string]*Manifest{}
	var problems report.Problems

	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}

		manifest, err := Load(fsys, entry.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue // a folder that is no role's
		}

		// Problems are collected, so that one run tells those of all manifests.
		switch found, ok := report.Of(err); {
		case ok:
			problems = append(problems, found...)
		case err != nil:
			return nil, err
		default:
			manifests[manifest.Name] = manifest
		}
	}

	return manifests, problems.Err()
}

// Load reads the manifest of one role's folder.
func Load(fsys fs.FS, folder string) (*Manifest, error) {
	name := path.Join(folder, "role.yaml")
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("read role %s: %w", folder, err)
	}

	doc, err := report.Parse(name, data)
	if err != nil {
		return nil, err
	}

	manifest := &Manifest{}
	doc.Decode(manifest)

	if manifest.dir, err = fs.Sub(fsys, folder); err != nil {
		return nil, fmt.Errorf("read role %s: %w", folder, err)
	}

	// The folder is needed first: the check looks for the files that the manifest names.
	manifest.check(doc, folder)

	return manifest, doc.Problems()
}

// FS returns the role's folder.
func (m *Manifest) FS() fs.FS { return m.dir }

var (
	limitName  = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	secretName = regexp.MustCompile(`^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$`)
	drivers    = []string{"", "arbitrator", "galera", "haproxy"}
)

// fromReservedIP, in a port's from, is anybody who comes by the stack's reserved IP.
const fromReservedIP = "reserved_ip"

func (m *Manifest) check(doc *report.Document, folder string) {
	if m.Version != 1 {
		doc.Add("version", "must be 1, got %d", m.Version)
	}

	if m.Name != folder {
		doc.Add("name", "must be the folder's name, %q, got %q", folder, m.Name)
	}

	// An abstract role never runs by itself, so that it is no peer.
	if !m.Abstract && m.Peers != Member && m.Peers != Client {
		doc.Add("peers", "must be %q or %q, got %q", Member, Client, m.Peers)
	}

	if !slices.Contains(drivers, m.Driver) {
		doc.Add("driver", "must be arbitrator, galera, haproxy or left out, got %q", m.Driver)
	}

	checkSecrets(doc, "secrets", m.Secrets)

	if m.ReservedIP != nil {
		checkSecrets(doc, "reserved_ip.secrets", m.ReservedIP.Secrets)
	}

	// A sample of another name would never be used: most likely it is misspelt.
	for _, setting := range slices.Sorted(maps.Keys(m.Samples)) {
		if !slices.Contains(m.Settings, setting) {
			doc.Add("samples", "%q is none of the manifest's settings", setting)
		}
	}

	m.checkLimits(doc)
	m.checkVaries(doc)
	m.checkFiles(doc)
	m.checkPorts(doc)
}

func checkSecrets(doc *report.Document, path string, secrets []string) {
	for i, secret := range secrets {
		if !secretName.MatchString(secret) {
			doc.Add(fmt.Sprintf("%s[%d]", path, i), "must look like part.name, got %q", secret)
		}
	}
}

func (m *Manifest) checkPorts(doc *report.Document) {
	for i, port := range m.Ports {
		at := fmt.Sprintf("ports[%d]", i)

		if port.Port < 1 || port.Port > 65535 {
			doc.Add(at+".port", "must be from 1 to 65535, got %d", port.Port)
		}

		// The port would be open to anybody at an address that the role never has.
		if slices.Contains(port.From, fromReservedIP) && m.ReservedIP == nil {
			doc.Add(at+".from", "the role cannot hold the reserved IP; say so with reserved_ip: {}")
		}
	}
}

func (m *Manifest) checkLimits(doc *report.Document) {
	for _, release := range slices.Sorted(maps.Keys(m.Limits)) {
		for i, limit := range m.Limits[release] {
			if !limitName.MatchString(limit) {
				at := fmt.Sprintf("limits.%s[%d]", release, i)
				doc.Add(at, "must be lower-case words and hyphens, got %q", limit)
			}
		}
	}
}

func (m *Manifest) checkVaries(doc *report.Document) {
	for _, name := range slices.Sorted(maps.Keys(m.Bake.Varies)) {
		why := m.Bake.Varies[name]
		if !path.IsAbs(name) || why == "" {
			doc.Add("bake.varies", "must name absolute paths, and why each varies, got %q: %q", name, why)
		}
	}
}

func (m *Manifest) checkFiles(doc *report.Document) {
	for i, file := range m.Files {
		at := fmt.Sprintf("files[%d]", i)
		m.checkFile(doc, at, file.Source, file.Path, file.Mode)
		checkReleases(doc, at, file.Only, file.Except)
	}

	for i, template := range m.Templates {
		at := fmt.Sprintf("templates[%d]", i)
		m.checkFile(doc, at, template.Source, template.Path, template.Mode)
		checkReleases(doc, at, template.Only, template.Except)
	}
}

func checkReleases(doc *report.Document, at string, only, except []string) {
	if len(only) > 0 && len(except) > 0 {
		doc.Add(at+".except", "cannot stand beside only; keep one")
	}
}

func (m *Manifest) checkFile(doc *report.Document, at, source, target, mode string) {
	if info, err := fs.Stat(m.dir, source); err != nil || info.IsDir() {
		doc.Add(at+".source", "no file %q in the role's folder", source)
	}

	// Files are compared by path: one path must have one spelling.
	if !path.IsAbs(target) || path.Clean(target) != target {
		doc.Add(at+".path", "must be a clean absolute path, got %q", target)
	}

	if _, err := ParseMode(mode, 0); err != nil {
		doc.Add(at+".mode", "must be octal, as in \"0644\", got %q", mode)
	}
}

// ParseMode reads an octal file mode; an empty one is fallback.
func ParseMode(mode string, fallback fs.FileMode) (fs.FileMode, error) {
	if mode == "" {
		return fallback, nil
	}

	// Twelve bits: permissions, setuid, setgid and sticky.
	bits, err := strconv.ParseUint(mode, 8, 12)
	if err != nil {
		return 0, fmt.Errorf("read mode %q: %w", mode, err)
	}

	return fs.FileMode(bits), nil
}

// Deployable returns the roles that a Droplet can have, by name.
func Deployable(manifests map[string]*Manifest) []*Manifest {
	list := slices.Collect(maps.Values(manifests))
	list = slices.DeleteFunc(list, func(m *Manifest) bool { return m.Abstract })
	slices.SortFunc(list, func(a, b *Manifest) int {
		return cmp.Compare(a.Name, b.Name)
	})

	return list
}
