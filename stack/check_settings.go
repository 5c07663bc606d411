package stack

import (
	"maps"
	"slices"
	"strings"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// settings checks what is said of roles, and of groups over it.
func (c *check) settings(s *Stack) {
	for _, role := range slices.Sorted(maps.Keys(s.Roles)) {
		if problem := c.unfitRole(role); problem != "" {
			c.addKey(rolePath(role), "%s", problem)
			c.taken[rolePath(report.Nearest(role, c.launch))] = true // nothing is missing of the one that is meant

			continue
		}

		c.values(s, rolePath(role), c.roles[role], s.Roles[role])
	}

	for i, group := range s.Nodes {
		// A group whose role is wrong has its own problem.
		if c.unfitRole(group.Role) == "" {
			c.values(s, groupPath(i)+".settings", c.roles[group.Role], group.Settings)
		}
	}

	for _, manifest := range s.usedManifests(c.roles) {
		for _, name := range slices.Sorted(maps.Keys(manifest.Settings)) {
			if manifest.Settings[name].Required {
				c.required(s, manifest, name)
			}
		}
	}
}

// rolePath is where the settings of a role stand in stack.yaml.
func rolePath(role string) string { return "roles." + role }

// values checks settings against what the role's manifest declares.
func (c *check) values(s *Stack, path string, manifest *roles.Manifest, values map[string]roles.Value) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		rule, declared := manifest.Settings[name]
		if !declared {
			c.undeclared(path, name, manifest)
			continue
		}

		text, err := rule.Parse(values[name])
		if err != nil {
			c.add(path+"."+name, "%v%s", err, asciiForm(rule.Type, values[name].Scalar))
			continue
		}

		needed := manifest.Watches[rule.Needed(text)]
		if needed != "" && !slices.Contains(s.usedRoles(), needed) {
			c.add(path+"."+name, "needs nodes of role %q, which no group has; add one, as in "+
				"- {name: %s, role: %s, count: 2}", needed, needed, needed)
		}
	}
}

// undeclared tells of a setting that the role does not have.
func (c *check) undeclared(path, name string, manifest *roles.Manifest) {
	known := slices.Sorted(maps.Keys(manifest.Settings))
	near := report.Nearest(name, known)

	switch {
	case near != "":
		c.addKey(path+"."+name, "role %s has no setting %q; did you mean %q?", manifest.Name, name, near)
		c.taken[path+"."+near] = true // it is not missing as well
	case len(known) == 0:
		c.addKey(path+"."+name, "role %s has no setting %q, nor any other; remove it", manifest.Name, name)
	default:
		c.addKey(path+"."+name, "role %s has no setting %q; its settings are %s",
			manifest.Name, name, strings.Join(known, ", "))
	}
}

// required checks that a setting is said of a role, or of each of its groups.
func (c *check) required(s *Stack, manifest *roles.Manifest, name string) {
	whole := rolePath(manifest.Name)
	_, said := s.Roles[manifest.Name][name]

	// What cannot be read has been told.
	if said || c.taken["roles"] || c.taken[whole] || c.taken[whole+"."+name] {
		return
	}

	var lacking []int
	groups := 0

	for i, group := range s.Nodes {
		if group.Role != manifest.Name {
			continue
		}

		groups++

		own := groupPath(i) + ".settings"
		if _, said := group.Settings[name]; !said && !c.taken[own] && !c.taken[own+"."+name] {
			lacking = append(lacking, i)
		}
	}

	example := exampleOf(name, manifest.Settings[name])

	if len(lacking) == groups {
		c.add(whole+"."+name, "is missing; write %s", example)
		return
	}

	for _, i := range lacking {
		own := groupPath(i) + ".settings." + name
		c.add(own, "is missing here and under %s; write %s", whole, example)
	}
}

// exampleOf is how a setting is written, and what it is for.
func exampleOf(name string, rule roles.Setting) string {
	example := name + ": " + rule.SampleValue()
	if rule.Help != "" {
		example += " (" + rule.Help + ")"
	}

	return example
}
