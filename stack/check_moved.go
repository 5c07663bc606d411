package stack

import (
	"maps"
	"slices"
	"strings"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// moved looks for settings that earlier versions had at the top of the file, in mappings of their own. Any such mapping
// is meant whose keys are settings of roles: what it was called says nothing.
func (c *check) moved(data []byte, s *Stack) {
	// A reading of its own: what is wrong with it has been told of the first.
	doc, err := report.Parse(c.doc.File, data)
	if err != nil {
		return
	}

	old := map[string]map[string]roles.Value{}
	doc.Decode(&old)

	for _, key := range c.unknown {
		homes, homeless := c.homes(slices.Sorted(maps.Keys(old[key])), s)
		if len(homes) == 0 {
			continue
		}

		c.instead[key] = "is now said of the role: write roles: {" + written(homes) + "}"

		for _, home := range homes {
			for _, name := range home.settings {
				c.taken[rolePath(home.role)+"."+name] = true // it is not missing as well
			}
		}

		for _, name := range homeless {
			c.addKey(key+"."+name, "is a setting of no role; remove it")
		}
	}
}

// home is where settings belong.
type home struct {
	role     string
	settings []string
}

// homes finds the roles that have the named settings: the one that has the most comes first, and the stack's own come
// before the others.
func (c *check) homes(names []string, s *Stack) (homes []home, homeless []string) {
	candidates := append(s.usedRoles(), c.launch...)

	for len(names) > 0 {
		var best home

		for _, role := range candidates {
			if found := c.declared(role, names); len(found) > len(best.settings) {
				best = home{role: role, settings: found}
			}
		}

		if best.role == "" {
			break
		}

		homes = append(homes, best)
		names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(best.settings, name) })
	}

	return homes, names
}

// declared are those of the names that are settings of a role.
func (c *check) declared(role string, names []string) []string {
	manifest := c.roles[role]
	if manifest == nil {
		return nil
	}

	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, declared := manifest.Settings[name]
		return !declared
	})
}

// written is what to write for settings that have moved, without their values.
func written(homes []home) string {
	var texts []string
	for _, home := range homes {
		texts = append(texts, home.role+": {"+strings.Join(home.settings, ": ..., ")+": ...}")
	}

	return strings.Join(texts, ", ")
}
