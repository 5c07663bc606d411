package builder

import (
	"bufio"
	"maps"
	"slices"
	"strings"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
)

// listLicenses prints what the machine's packages say of their licences: the lines that name a licence, and those that
// name the format of the file, with the file before each. A package without such a file is not an error.
const listLicenses = `cd /usr/share/doc && ` +
	`{ LC_ALL=C grep -aEis '^(format|format-specification|license):' */copyright /dev/null || true; } | sort -u`

// noAssertion is the SPDX word for a licence that nobody looked up: the package names it in prose only.
const noAssertion = "NOASSERTION"

// licenses are the licences of packages by name, as their copyright files name them, each once and in order. Only
// files in Debian's machine-readable form (DEP-5) are believed: in others, a line may begin with "License:" by chance.
func licenses(listed string) map[string][]string {
	found := map[string]map[string]bool{}
	readable := map[string]bool{}

	lines := bufio.NewScanner(strings.NewReader(listed))
	// A line that is longer is no licence's name: what follows it is not read.
	lines.Buffer(nil, 1<<20)

	for lines.Scan() {
		file, field, _ := strings.Cut(lines.Text(), ":")
		name, isCopyright := strings.CutSuffix(file, "/copyright")
		key, value, _ := strings.Cut(field, ":")
		value = strings.Join(strings.Fields(value), " ")

		switch {
		case !isCopyright:
		case !strings.EqualFold(key, "license"):
			format := strings.ToLower(value)
			readable[name] = readable[name] || strings.Contains(format, "copyright-format") ||
				strings.Contains(format, "dep5")

		case value != "":
			if found[name] == nil {
				found[name] = map[string]bool{}
			}

			found[name][value] = true
		}
	}

	all := map[string][]string{}

	for name, of := range found {
		if readable[name] {
			all[name] = slices.Sorted(maps.Keys(of))
		}
	}

	return all
}

// spdx are the identifiers of SPDX for the short names of DEP-5. Names that both have alike stand here, too: a
// name that is not here is told as it stands, as scanners refuse an identifier that SPDX does not know.
var spdx = map[string]string{
	"apache-2.0":       "Apache-2.0",
	"artistic":         "Artistic-1.0-Perl",
	"artistic-2.0":     "Artistic-2.0",
	"bsd-2-clause":     "BSD-2-Clause",
	"bsd-3-clause":     "BSD-3-Clause",
	"bsd-4-clause":     "BSD-4-Clause",
	"bsl-1.0":          "BSL-1.0",
	"cc0-1.0":          "CC0-1.0",
	"expat":            "MIT",
	"mit":              "MIT",
	"gfdl-1.2":         "GFDL-1.2-only",
	"gfdl-1.2+":        "GFDL-1.2-or-later",
	"gfdl-1.3":         "GFDL-1.3-only",
	"gfdl-1.3+":        "GFDL-1.3-or-later",
	"gpl-1":            "GPL-1.0-only",
	"gpl-1+":           "GPL-1.0-or-later",
	"gpl-2":            "GPL-2.0-only",
	"gpl-2.0":          "GPL-2.0-only",
	"gpl-2+":           "GPL-2.0-or-later",
	"gpl-2.0+":         "GPL-2.0-or-later",
	"gpl-3":            "GPL-3.0-only",
	"gpl-3.0":          "GPL-3.0-only",
	"gpl-3+":           "GPL-3.0-or-later",
	"gpl-3.0+":         "GPL-3.0-or-later",
	"agpl-3":           "AGPL-3.0-only",
	"agpl-3+":          "AGPL-3.0-or-later",
	"isc":              "ISC",
	"lgpl-2":           "LGPL-2.0-only",
	"lgpl-2+":          "LGPL-2.0-or-later",
	"lgpl-2.0":         "LGPL-2.0-only",
	"lgpl-2.0+":        "LGPL-2.0-or-later",
	"lgpl-2.1":         "LGPL-2.1-only",
	"lgpl-2.1+":        "LGPL-2.1-or-later",
	"lgpl-3":           "LGPL-3.0-only",
	"lgpl-3+":          "LGPL-3.0-or-later",
	"mpl-1.1":          "MPL-1.1",
	"mpl-2.0":          "MPL-2.0",
	"openssl":          "OpenSSL",
	"postgresql":       "PostgreSQL",
	"python-2.0":       "Python-2.0",
	"unicode-dfs-2016": "Unicode-DFS-2016",
	"zlib":             "Zlib",
}

// licensesOf are a package's licences as the bill of materials has them.
func licensesOf(names []string) *cyclonedx.Licenses {
	if len(names) == 0 {
		names = []string{noAssertion}
	}

	var list cyclonedx.Licenses

	// Two of Debian's names may be one of SPDX'.
	seen := map[string]bool{}

	for _, name := range names {
		license := cyclonedx.License{Name: name}
		if id, known := spdx[strings.ToLower(name)]; known {
			license = cyclonedx.License{ID: id}
		}

		if key := license.ID + license.Name; !seen[key] {
			seen[key] = true
			list = append(list, cyclonedx.LicenseChoice{License: &license})
		}
	}

	return &list
}
