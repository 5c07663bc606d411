package roles

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/report"
)

// Releases are those that a manifest may name: images/ has a file for each.
func Releases() []string {
	return []string{"debian-9", "debian-12", "debian-13"}
}

// everyRelease stands in the place of a release's name.
const everyRelease = "all"

var (
	ownerName    = regexp.MustCompile(`^[a-z_][a-z0-9_-]*(:[a-z_][a-z0-9_-]*)?$`)
	unitName     = regexp.MustCompile(`^[A-Za-z0-9:_.@\\-]+\.[a-z]+$`)
	packageName  = regexp.MustCompile(`^[a-z0-9][a-z0-9+.:~=/-]*$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// checkValues looks at values that could be read, and that an image or a node would stumble over.
func (m *Manifest) checkValues(doc *report.Document) {
	checkOneLine(doc, "summary", m.Summary)

	m.checkReleaseNames(doc)
	m.checkPackages(doc)
	m.checkFileValues(doc)
	m.checkUnits(doc)
	m.checkPrograms(doc)
	m.checkServeValues(doc)
	m.checkSamples(doc)
	m.checkRepeated(doc)
}

// checkReleaseNames looks at the releases that parts of the manifest are for: a misspelt one would be left out of every
// image.
func (m *Manifest) checkReleaseNames(doc *report.Document) {
	named := func(key string, releases []string) {
		for _, release := range releases {
			if release != everyRelease {
				checkRelease(doc.AddKey, key+"."+release, release)
			}
		}
	}

	named("packages", slices.Sorted(maps.Keys(m.Packages)))
	named("excluded", slices.Sorted(maps.Keys(m.Excluded)))
	named("variables", slices.Sorted(maps.Keys(m.Variables)))
	named("limits", slices.Sorted(maps.Keys(m.Limits)))

	m.eachFile(func(at string, file fileValues) {
		for i, release := range file.only {
			checkRelease(doc.Add, fmt.Sprintf("%s.only[%d]", at, i), release)
		}

		for i, release := range file.except {
			checkRelease(doc.Add, fmt.Sprintf("%s.except[%d]", at, i), release)
		}
	})
}

func checkRelease(add func(at, format string, args ...any), at, release string) {
	known := Releases()
	if slices.Contains(known, release) {
		return
	}

	if near := report.Nearest(release, known); near != "" {
		add(at, "there is no release %q; did you mean %q?", release, near)
		return
	}

	add(at, "there is no release %q; write one of %s", release, strings.Join(known, ", "))
}

func (m *Manifest) checkPackages(doc *report.Document) {
	for key, lists := range map[string]map[string][]string{"packages": m.Packages, "excluded": m.Excluded} {
		for release, list := range lists {
			for i, name := range list {
				if !packageName.MatchString(name) {
					doc.Add(fmt.Sprintf("%s.%s[%d]", key, release, i), "must be a package's name, got %q", name)
				}
			}
		}
	}
}

// fileValues are what a file and a template have in common.
type fileValues struct {
	path         string
	owner        string
	checks       map[string][]string
	only, except []string
}

// eachFile visits the files, the programs and the templates, with the place of each.
func (m *Manifest) eachFile(visit func(at string, file fileValues)) {
	for i, file := range m.Files {
		visit(fmt.Sprintf("files[%d]", i), fileValues{
			path:   file.Path,
			owner:  file.Owner,
			checks: map[string][]string{"check": file.Check},
			only:   file.Only,
			except: file.Except,
		})
	}

	for i, program := range m.Programs {
		visit(fmt.Sprintf("programs[%d]", i), fileValues{
			path:   program.Target(),
			only:   program.Only,
			except: program.Except,
		})
	}

	for i, template := range m.Templates {
		visit(fmt.Sprintf("templates[%d]", i), fileValues{
			path:   template.Path,
			owner:  template.Owner,
			checks: map[string][]string{"check": template.Check, "bake_check": template.BakeCheck},
			only:   template.Only,
			except: template.Except,
		})
	}
}

func (m *Manifest) checkFileValues(doc *report.Document) {
	m.eachFile(func(at string, file fileValues) {
		if file.path == "/" {
			doc.Add(at+".path", "must be a file's path, got the root folder")
		}
		if file.owner != "" && !ownerName.MatchString(file.owner) {
			doc.Add(at+".owner", "must be user:group, as in root:root, got %q", file.owner)
		}

		for key, words := range file.checks {
			checkProgram(doc, at+"."+key, words)
		}
	})
}

func (m *Manifest) checkUnits(doc *report.Document) {
	each := func(at string, units []string) {
		for i, unit := range units {
			checkUnit(doc, fmt.Sprintf("%s[%d]", at, i), unit)
		}
	}

	for i, service := range m.Services {
		checkUnit(doc, fmt.Sprintf("services[%d].unit", i), service.Unit)
	}

	for i, template := range m.Templates {
		at := fmt.Sprintf("templates[%d]", i)
		each(at+".reload", template.Reload)
		each(at+".restart", template.Restart)
	}
}

func checkUnit(doc *report.Document, at, unit string) {
	// One that differs between releases is a template.
	if !unitName.MatchString(unit) && !strings.Contains(unit, "{{") {
		doc.Add(at, "must be a unit's whole name, as in api.service, got %q", unit)
	}
}

// checkPrograms looks at what is run: on nodes, and when an operator asks.
func (m *Manifest) checkPrograms(doc *report.Document) {
	for i, task := range m.Tasks {
		at := fmt.Sprintf("tasks[%d]", i)
		checkProgram(doc, at+".run", task.Run)
		checkDuration(doc, at+".every", task.Every)
		checkDuration(doc, at+".timeout", task.Timeout)

		for _, name := range slices.Sorted(maps.Keys(task.Env)) {
			if !variableName.MatchString(name) {
				doc.AddKey(at+".env."+name, "a variable's name must be letters, digits and _, got %q", name)
			}
		}
	}

	for i, command := range m.Commands {
		at := fmt.Sprintf("commands[%d]", i)
		checkProgram(doc, at+".run", command.Run)
		checkOneLine(doc, at+".help", command.Help)
	}

	for i, guard := range m.Guards {
		at := fmt.Sprintf("guards[%d]", i)
		checkProgram(doc, at+".run", guard.Run)
		checkOneLine(doc, at+".help", guard.Help)
	}
}

// checkProgram looks at words that begin with a program's name; a list of none is another check's.
func checkProgram(doc *report.Document, at string, words []string) {
	if len(words) > 0 && strings.TrimSpace(words[0]) == "" {
		doc.Add(at+"[0]", "must be a program's name, as in /usr/bin/true, got %q", words[0])
	}
}

func checkDuration(doc *report.Document, at string, duration time.Duration) {
	if duration < 0 {
		doc.Add(at, "must not be negative, got %s", duration)
	}
}

func checkOneLine(doc *report.Document, at, text string) {
	if strings.ContainsFunc(text, isControl) {
		doc.Add(at, "must be one line without control characters, got %q", text)
	}
}

func (m *Manifest) checkServeValues(doc *report.Document) {
	for i, port := range m.Ports {
		checkOneLine(doc, fmt.Sprintf("ports[%d].name", i), port.Name)
	}

	for i, serve := range m.Serves {
		at := fmt.Sprintf("serves[%d]", i)
		checkOneLine(doc, at+".name", serve.Name)
		checkStatus(doc, at+".ready.status", serve.Ready.Status)
		checkRequest(doc, at+".ready.path", serve.Ready.Path)

		if serve.Health != nil {
			checkStatus(doc, at+".health.status", serve.Health.Status)
			checkRequest(doc, at+".health.path", serve.Health.Path)
			checkRequest(doc, at+".health.first", serve.Health.First)
			checkDuration(doc, at+".health.interval", serve.Health.Interval)
		}
	}
}

// checkStatus looks at a status code of HTTP; 0 is one that is left out.
func checkStatus(doc *report.Document, at string, status int) {
	if status != 0 && (status < 100 || status > 599) {
		doc.Add(at, "must be a status code of HTTP, from 100 to 599, got %d", status)
	}
}

// checkRequest looks at the path of a request, which no space may end.
func checkRequest(doc *report.Document, at, path string) {
	if strings.ContainsFunc(path, func(r rune) bool { return isControl(r) || r == ' ' }) {
		doc.Add(at, "must have no spaces or control characters, got %q", path)
	}
}

// checkSamples holds samples to the rules of their settings: the image's self-test has them.
func (m *Manifest) checkSamples(doc *report.Document) {
	kinds := map[string]string{TypeNumber: "number", TypeBoolean: "boolean"}

	for _, name := range slices.Sorted(maps.Keys(m.Settings)) {
		setting, at := m.Settings[name], "settings."+name
		checkOneLine(doc, at+".help", setting.Help)

		// A list's sample has a word a line; a wrong pattern or bound has its own problem.
		if _, err := regexp.Compile(setting.Match); err != nil || setting.Type == TypeList {
			continue
		}

		for i, value := range setting.OneOf {
			one := Setting{Type: TypeText, Match: setting.Match}
			if err := one.checkText(value); err != nil {
				doc.Add(fmt.Sprintf("%s.one_of[%d]", at, i), "%v", err)
			}
		}

		if setting.Sample != "" {
			written := Value{Scalar: setting.Sample, Kind: kinds[setting.Type]}
			if _, err := setting.Parse(written); err != nil {
				doc.Add(at+".sample", "%v", err)
			}
		}
	}
}

// checkRepeated looks for two items of a list that take each other's place.
func (m *Manifest) checkRepeated(doc *report.Document) {
	for _, release := range Releases() {
		seen := map[string]string{}

		m.eachFile(func(at string, file fileValues) {
			if !appliesTo(release, file.only, file.except) {
				return
			}
			if first := seen[file.path]; first != "" {
				doc.Add(at+".path", "%s is at %s already, on %s", first, file.path, release)
			}

			seen[file.path] = at
		})
	}

	checkNames(doc, "services", ".unit", m.Services, func(s Service) string { return s.Unit })
	checkNames(doc, "ports", ".name", m.Ports, func(p Port) string { return p.Name })
	checkNames(doc, "serves", ".name", m.Serves, func(s Serve) string { return s.Name })
	checkNames(doc, "databases", ".name", m.Databases, func(d Database) string { return d.Name })
	checkNames(doc, "tasks", ".name", m.Tasks, func(t Task) string { return t.Name })
	checkNames(doc, "commands", ".name", m.Commands, func(c Command) string { return c.Name })
	checkNames(doc, "guards", ".name", m.Guards, func(g Guard) string { return g.Name })
	checkNames(doc, "spaces", ".key", m.Spaces, func(s Space) string { return s.Key })
}

// checkNames looks for a name that two items of a list have.
func checkNames[T any](doc *report.Document, list, key string, items []T, name func(T) string) {
	first := map[string]int{}

	for i, item := range items {
		at, twice := first[name(item)]

		// A name that is missing has its own problem.
		if twice && name(item) != "" {
			doc.Add(fmt.Sprintf("%s[%d]%s", list, i, key), "%s[%d] has the name %q already", list, at, name(item))
			continue
		}

		first[name(item)] = i
	}
}
