package builder

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hornero/hornero/images"
	"github.com/hornero/hornero/internal/report"
)

// Release is one Debian release: a file of images/releases (docs/releases.md).
type Release struct {
	Name       string   `yaml:"name"`  // as in debian-13
	Suite      string   `yaml:"suite"` // as in trixie
	Components []string `yaml:"components"`
	// UpdatesSuite is on the same mirror as Suite; empty when there is none.
	UpdatesSuite string `yaml:"updates_suite"`
	// SecuritySuite is on a mirror of its own; empty when there is none.
	SecuritySuite string `yaml:"security_suite"`
	// Keyring is where the machine that bakes has the keys that sign the archive (package debian-archive-keyring).
	Keyring string  `yaml:"keyring"`
	Archive Archive `yaml:"archive"`
	// Base is the slug of DigitalOcean's image; empty when there is none, and then an imported image must be named.
	Base string `yaml:"base"`
	// BootPackages make a bare root file system a disk that boots on DigitalOcean.
	BootPackages []string `yaml:"boot_packages"`
	// Ext4Features are given to mkfs.ext4 -O besides its own choice: what the release's boot loader and e2fsck bear.
	Ext4Features []string `yaml:"ext4_features"`
	Notes        string   `yaml:"notes"`
}

// Archive is what is special about where the release's packages come from.
type Archive struct {
	// Expired says that nobody renews the Release files any more: their date is not looked at. Signatures are.
	Expired bool `yaml:"expired"`
}

// Releases lists the names of the known releases, oldest first.
func Releases() []string {
	files, _ := fs.Glob(images.FS(), "releases/*.yaml") // fails only on a malformed pattern
	names := make([]string, len(files))

	for i, file := range files {
		names[i] = strings.TrimSuffix(path.Base(file), ".yaml")
	}

	slices.SortFunc(names, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b) // debian-9 before debian-12
		}

		return strings.Compare(a, b)
	})

	return names
}

// LoadRelease reads one release's file.
func LoadRelease(name string) (Release, error) {
	if !slices.Contains(Releases(), name) {
		return Release{}, fmt.Errorf(
			"unknown release %q; known are %s",
			name,
			strings.Join(Releases(), ", "),
		)
	}

	file := "releases/" + name + ".yaml"
	data, err := fs.ReadFile(images.FS(), file)
	if err != nil {
		return Release{}, fmt.Errorf("read release %s: %w", name, err)
	}

	return ParseRelease(file, data)
}

// ParseRelease reads a release's text. All that is wrong with it comes back at once, as report.Problems; file
// is for them, and tells the release's name.
func ParseRelease(file string, data []byte) (Release, error) {
	doc, err := report.Parse(file, data)
	if err != nil {
		return Release{}, err
	}

	release := Release{}
	doc.Decode(&release)
	release.check(doc, strings.TrimSuffix(path.Base(file), ".yaml"))

	return release, doc.Problems()
}

var (
	suiteName     = regexp.MustCompile(`^[a-z][a-z0-9-]*(/[a-z]+)?$`) // stretch/updates was the last with a slash
	componentName = regexp.MustCompile(`^[a-z][a-z-]*$`)
	packageName   = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`) // Debian policy, 5.6.1
	slugName      = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)
	featureName   = regexp.MustCompile(`^\^?[a-z0-9_]+$`) // mke2fs(8), -O
)

func (r Release) check(doc *report.Document, name string) {
	if r.Name != name {
		doc.Add("name", "must be the file's name, %q, got %q", name, r.Name)
	}

	// The report sorts problems by line: the map's order does not matter.
	for key, suite := range map[string]string{
		"suite":          r.Suite,
		"updates_suite":  r.UpdatesSuite,
		"security_suite": r.SecuritySuite,
	} {
		required := key == "suite"
		if (suite != "" || required) && !suiteName.MatchString(suite) {
			doc.Add(key,
				"must be a suite's name, as in \"trixie\" or \"stretch/updates\", got %q",
				suite,
			)
		}
	}

	checkList(doc, "components", r.Components, componentName, "a component, as in \"main\"")
	checkList(doc, "boot_packages", r.BootPackages, packageName, "a package's name")

	if r.Ext4Features != nil {
		const what = "a feature of mke2fs, as in \"^orphan_file\""
		checkList(doc, "ext4_features", r.Ext4Features, featureName, what)
	}

	if !path.IsAbs(r.Keyring) || path.Clean(r.Keyring) != r.Keyring {
		doc.Add("keyring",
			"must be the clean absolute path of a keyring, got %q: signatures are always checked", r.Keyring)
	}

	if r.Base != "" && !slugName.MatchString(r.Base) {
		doc.Add(
			"base",
			"must be an image's slug, as in \"debian-13-x64\", or left out, got %q",
			r.Base,
		)
	}
}

// checkList tells an empty list, items that are none of the kind, and items that come twice.
func checkList(doc *report.Document, key string, list []string, kind *regexp.Regexp, what string) {
	if len(list) == 0 {
		doc.Add(key, "must name %s at least", what)
	}

	for i, item := range list {
		// Items become words of a command line and lines of sources.list.
		at := fmt.Sprintf("%s[%d]", key, i)
		if !kind.MatchString(item) {
			doc.Add(at, "must be %s, got %q", what, item)
		} else if slices.Index(list, item) < i {
			doc.Add(at, "%q is named twice", item)
		}
	}
}
