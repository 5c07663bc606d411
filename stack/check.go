package stack

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

var (
	namePattern = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$`)
	slugPattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
)

// releases that images/ has a file for.
func releases() []string { return roles.Releases() }

// check walks a decoded stack and adds a problem for each thing that cannot be; never two at one place.
type check struct {
	doc     *report.Document
	taken   map[string]bool
	roles   map[string]*roles.Manifest
	launch  []string // names of roles that a Droplet can have
	unknown []string // keys at the top of the file that no stack.yaml has
	// instead holds better words for what the reader has told of a place.
	instead map[string]string
}

func newCheck(doc *report.Document, manifests map[string]*roles.Manifest) *check {
	c := &check{
		doc:     doc,
		taken:   map[string]bool{},
		roles:   manifests,
		instead: map[string]string{},
	}

	// What the reader has told of a place is not told again in other words.
	problems, _ := report.Of(doc.Problems())
	for _, problem := range problems {
		c.taken[problem.Path] = true
		if meant := misspelt(problem); meant != "" {
			c.taken[meant] = true // it is not missing as well
		}
		if strings.HasPrefix(problem.Message, "unknown key") && !strings.ContainsAny(problem.Path, ".[") {
			c.unknown = append(c.unknown, problem.Path)
		}
	}

	for _, manifest := range roles.Deployable(manifests) {
		c.launch = append(c.launch, manifest.Name)
	}

	return c
}

var suggestion = regexp.MustCompile(`^unknown key; did you mean "(.*)"\?$`)

// misspelt is the path that an unknown key was most likely meant to be; "" when none is near.
func misspelt(problem report.Problem) string {
	found := suggestion.FindStringSubmatch(problem.Message)
	if found == nil {
		return ""
	}

	return problem.Path[:strings.LastIndex(problem.Path, ".")+1] + found[1]
}

// problems are all that is wrong with the file, in order of line.
func (c *check) problems() error {
	problems, _ := report.Of(c.doc.Problems())
	for i, problem := range problems {
		if better := c.instead[problem.Path]; better != "" {
			problems[i].Message = better
		}
	}

	return problems.Err()
}

func (c *check) add(path, format string, args ...any) {
	// The first problem at a place is the one to mend; more would only distract.
	if !c.taken[path] {
		c.taken[path] = true
		c.doc.Add(path, format, args...)
	}
}

// addKey is add for what is wrong with a key, not with its value.
func (c *check) addKey(path, format string, args ...any) {
	if !c.taken[path] {
		c.taken[path] = true
		c.doc.AddKey(path, format, args...)
	}
}

// need adds a problem when a path is missing, with what to write there.
func (c *check) need(path, example string) bool {
	if !c.doc.Has(path) {
		c.add(path, "is missing; write %s", example)
		return false
	}

	return true
}

func (c *check) stack(s *Stack) {
	if c.need("version", "version: 1") && s.Version != Version {
		c.add("version", "must be %d, got %d", Version, s.Version)
	}

	if c.need("name", "a name for the stack, as in name: blog") {
		c.name("name", s.Name)
	}

	if c.need("cloud", "cloud: lab, or cloud: digitalocean") {
		c.oneOf("cloud", s.Cloud, []string{CloudDigitalOcean, CloudLab})
	}

	if c.need("region", "a region's slug, as in region: fra1") {
		c.slug("region", s.Region, "fra1")
	}

	if c.doc.Has("release") {
		c.oneOf("release", s.Release, releases())
	}

	if c.doc.Has("secrets") && s.Secrets == "" {
		c.add("secrets", "must name a file, as in secrets: %s", DefaultSecrets)
	}

	c.drift(s)
	c.images(s.Images)
	c.groups(s.Nodes)
	c.databases(s)
	c.schemas(s)
	c.secrets(s)
	c.settings(s)
	c.balancers(s)
	c.sites(s)
	c.sitesApart(s)
	c.acme(s)
	c.reserved(s)
	c.operators(s)
	c.clients(s)
	c.vpc(s)
	c.project(s)
	c.sshKeys(s)
	c.domain(s)
}

// minDriftEvery keeps a node from reading its disk all the time.
const minDriftEvery = time.Minute

func (c *check) drift(s *Stack) {
	if c.doc.Has("drift") {
		c.oneOf("drift", s.Drift, []string{DriftQuarantine, DriftReport})
	}
	if c.doc.Has("drift_every") && s.DriftEvery < minDriftEvery {
		c.add("drift_every", "must be at least %s, as in 6h, got %s", minDriftEvery, s.DriftEvery)
	}
}

func (c *check) name(path, name string) {
	if !namePattern.MatchString(name) {
		c.add(path, "must be lower-case letters, digits and dashes, begin with a letter and have at most 32 "+
			"characters, got %q", name)
	}
}

func (c *check) slug(path, slug, example string) {
	if !slugPattern.MatchString(slug) {
		c.add(path, "must be a slug of DigitalOcean's, as in %s, got %q", example, slug)
	}
}

func (c *check) oneOf(path, value string, known []string) {
	if !slices.Contains(known, value) {
		c.add(path, "%s", noSuch(value, known))
	}
}

// noSuch says that a word is none of those that are known, and which was most likely meant.
func noSuch(value string, known []string) string {
	if near := report.Nearest(value, known); near != "" {
		return fmt.Sprintf("there is no %q; did you mean %q?", value, near)
	}

	return fmt.Sprintf("there is no %q; write one of %s", value, strings.Join(known, ", "))
}

func (c *check) port(path string, port int) {
	// Zero stands for a port that is left out; written, it is a mistake.
	if c.doc.Has(path) && (port < 1 || port > 65535) {
		c.add(path, "must be a port from 1 to 65535, got %d", port)
	}
}
