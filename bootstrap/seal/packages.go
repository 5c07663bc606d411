package seal

import (
	"context"
	"strings"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/record"
)

// debian is a package as dpkg knows it.
type debian struct {
	status string // dpkg-query(1), db:Status-Abbrev: desired, status, error
	record.Package
}

const debianFields = `${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\t` +
	`${source:Package}\t${source:Version}\t${Maintainer}\n`

// present tells whether the package's files are there and configured.
func (d debian) present() bool {
	return len(d.status) > 1 && d.status[1] == 'i'
}

// broken tells whether dpkg stopped halfway: neither there, nor gone (n), nor gone but for its configuration (c).
func (d debian) broken() bool {
	return len(d.status) > 1 && !strings.ContainsRune("inc", rune(d.status[1])) ||
		len(d.status) > 2 && d.status[2] == 'R'
}

// listPackages asks dpkg for all that it knows, by name.
func (i *Image) listPackages(ctx context.Context) (map[string]debian, error) {
	out, err := command.Run(ctx, command.Command{
		Args: []string{"dpkg-query", "--admindir=" + i.at("/var/lib/dpkg"), "-W", "-f", debianFields},
	})
	if err != nil {
		return nil, err
	}

	packages := map[string]debian{}

	for line := range strings.Lines(out) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) == 7 {
			packages[fields[1]] = debian{fields[0], record.Package{
				Name:          fields[1],
				Version:       fields[2],
				Architecture:  fields[3],
				Source:        fields[4],
				SourceVersion: fields[5],
				Maintainer:    fields[6],
			}}
		}
	}

	return packages, nil
}

// checkPackages holds dpkg's list to the manifests', and notes the versions.
func (n *inspection) checkPackages(ctx context.Context) {
	packages, err := n.listPackages(ctx)
	if err != nil {
		n.fault("mend dpkg's database: a bake command broke it",
			"packages cannot be listed: %v", err)

		return
	}

	// checkRecord compares the same list with the record.
	n.packages = packages

	for _, manifest := range n.manifests {
		for _, wanted := range manifest.PackagesFor(n.record.Release) {
			// A manifest may pin a version, as apt takes it: name=version.
			name, _, _ := strings.Cut(wanted, "=")
			if !packages[name].present() {
				n.fault("name the package that provides it, for this release, or keep bake commands from removing it",
					"package %s of role %s is not installed", name, manifest.Name)

				continue
			}

			n.report.Packages[name] = packages[name].Version
		}

		for _, unwanted := range manifest.ExcludedFor(n.record.Release) {
			if packages[unwanted].present() {
				n.fault("something needs it: take it off the list, or find another provider",
					"package %s is installed though role %s excludes it", unwanted, manifest.Name)
			}
		}
	}

	for _, found := range sorted(packages) {
		if found.broken() {
			n.fault(
				"run dpkg --configure -a in a bake command and read what it says",
				"package %s is installed halfway (dpkg's state %q)",
				found.Name,
				strings.TrimSpace(found.status),
			)
		}
	}
}
