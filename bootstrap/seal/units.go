package seal

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hornero/hornero/roles"
)

// atBoot are the units that every image starts by itself.
var atBoot = []string{"hornero-bootstrap.service", "hornero-metadata-guard.service", "ssh.service"}

// services lists the units that the roles run.
func (i *Image) services() ([]string, error) {
	return i.units(func(manifest *roles.Manifest) (units []string) {
		for _, service := range manifest.Services {
			units = append(units, service.Unit)
		}

		return units
	})
}

// named lists the units that the manifests name anywhere.
func (i *Image) named() ([]string, error) {
	return i.units(func(manifest *roles.Manifest) (units []string) {
		for _, service := range manifest.Services {
			units = append(units, service.Unit)
		}

		for _, template := range manifest.Templates {
			units = slices.Concat(units, template.Reload, template.Restart)
		}

		return units
	})
}

func (i *Image) units(of func(*roles.Manifest) []string) ([]string, error) {
	names := map[string]string{}
	for _, manifest := range i.manifests {
		for _, text := range of(manifest) {
			name, err := i.unit(manifest, text)
			if err != nil {
				return nil, err
			}

			names[name] = name
		}
	}

	return sorted(names), nil
}

// checkUnits asks systemd for every unit of the manifests: known, startable, and started by the bootstrap only.
func (n *inspection) checkUnits(ctx context.Context) {
	units, err := n.named()
	if err != nil {
		n.fault("correct services, reload and restart in the manifest",
			"a unit has no name: %v", err)

		return
	}

	for _, unit := range units {
		text, err := n.Systemctl(ctx, "--no-pager", "cat", unit)
		if err != nil {
			n.fault("correct its name in the manifest, or name the package or file that brings it",
				"unit %s is unknown to systemd", unit)

			continue
		}

		for _, program := range programs(text) {
			if n.find(program) == "" {
				n.fault("name the package that brings it, or correct the unit",
					"unit %s runs %s, which is not in the image", unit, program)
			}
		}
	}

	n.checkEnabled(ctx)
}

func (n *inspection) checkEnabled(ctx context.Context) {
	services, err := n.services()
	if err != nil {
		// checkUnits names the same units, and has told of it.
		return
	}

	for _, unit := range services {
		// An enabled service would start before the bootstrap has written its configuration.
		switch state := n.enabled(ctx, unit); state {
		case "enabled", "enabled-runtime", "linked-runtime":
			n.fault("the bootstrap starts it: disable it in a bake command",
				"unit %s is %s", unit, state)

		case "masked", "masked-runtime":
			n.fault("nothing can start it: unmask it, or take it off the manifest",
				"unit %s is %s", unit, state)
		}
	}

	for _, unit := range atBoot {
		if n.enabled(ctx, unit) != "enabled" {
			n.fault("a bake command must enable it", "unit %s is not enabled", unit)
		}
	}
}

// enabled is what systemctl is-enabled prints; its exit status says the same in fewer words.
func (n *inspection) enabled(ctx context.Context, unit string) string {
	state, _ := n.Systemctl(ctx, "is-enabled", unit)
	return strings.TrimSpace(state)
}

var (
	unitFile = regexp.MustCompile(`(?m)^# (/\S+)$`)
	unitExec = regexp.MustCompile(`(?m)^Exec\w+=[-@:+!|]*("?)([^\s"]+)`)
)

// programs lists the programs that a unit's text starts, once each.
func programs(text string) []string {
	found := map[string]string{}
	for _, match := range unitExec.FindAllStringSubmatch(text, -1) {
		// What a variable stands for is known only when the unit runs.
		if !strings.ContainsAny(match[2], "$%") {
			found[match[2]] = match[2]
		}
	}

	return sorted(found)
}

// find is where a program is, by its path or, as systemd does, by its name; "" when it is not there.
func (i *Image) find(name string) string {
	if path.IsAbs(name) {
		if _, err := os.Stat(i.at(name)); err != nil {
			return ""
		}

		return name
	}

	for _, folder := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"} {
		if _, err := os.Stat(i.at(path.Join(folder, name))); err == nil {
			return path.Join(folder, name)
		}
	}

	return ""
}

// daemons digests the unit files of the roles' services and the programs that they start. What is not there is
// left out: the self-test tells it.
func (i *Image) daemons(ctx context.Context) (map[string]string, error) {
	services, err := i.services()
	if err != nil {
		return nil, err
	}

	paths := map[string]bool{}

	for _, unit := range services {
		text, err := i.Systemctl(ctx, "--no-pager", "cat", unit)
		if err != nil {
			continue
		}

		for _, match := range unitFile.FindAllStringSubmatch(text, -1) {
			paths[match[1]] = true
		}

		for _, name := range programs(text) {
			if found := i.find(name); found != "" {
				paths[found] = true

				// A link and what it leads to can each be replaced.
				paths[i.resolved(found)] = true
			}
		}
	}

	sums := map[string]string{}

	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if sums[path], err = sum(i.at(path)); err != nil {
			return nil, fmt.Errorf("digest %s: %w", path, err)
		}
	}

	return sums, nil
}

// resolved is the file behind a path's links, as the image sees it.
func (i *Image) resolved(path string) string {
	target, err := filepath.EvalSymlinks(i.at(path))
	if err != nil {
		return path
	}

	within, err := filepath.Rel(i.Root, target)

	// A link that leaves the root is taken as it is.
	if err != nil || strings.HasPrefix(within, "..") {
		return path
	}

	return filepath.Join("/", within)
}
