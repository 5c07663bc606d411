package stack

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/hornero/hornero/roles"
)

// schemaPattern has no underscore: a grant takes that for any letter, so that it would open another site's schema, too.
var schemaPattern = regexp.MustCompile(`^[a-z][a-z0-9]{0,31}$`)

// takenSchemas are the database's own schemas and users, and how the names of other secrets end.
var takenSchemas = []string{"mysql", "sys", "test", "root", "mariadb", "public", "next", "previous"}

// schemas checks the schemas that groups use in place of their role's own.
func (c *check) schemas(s *Stack) {
	for i, group := range s.Nodes {
		path := groupPath(i) + ".schema"
		manifest := c.roles[group.Role]

		if !c.doc.Has(path) || c.unfitRole(group.Role) != "" || c.taken[groupPath(i)+".role"] {
			continue
		}

		switch {
		case len(manifest.Databases) == 0:
			c.addKey(
				path,
				"nodes of role %s have no database; remove it",
				group.Role,
			)
		case len(manifest.Databases) > 1:
			c.addKey(
				path,
				"the manifest of role %s asks for %d databases, and this names one; remove it",
				group.Role,
				len(manifest.Databases),
			)
		case group.Schema == manifest.Databases[0].Name:
			// It is what the group has anyway.
		case !schemaPattern.MatchString(group.Schema):
			c.add(
				path,
				"must be lower-case letters and digits, begin with a letter and have at most 32 characters, got %q",
				group.Schema,
			)
		case slices.Contains(takenSchemas, group.Schema):
			c.add(
				path,
				"%q is a name of the database's own; write another, as in %s",
				group.Schema,
				exampleSchema(group),
			)
		default:
			c.freeSchema(path, group, manifest, s)
		}
	}
}

// exampleSchema makes a schema's name of a group's.
func exampleSchema(group Group) string {
	name := strings.ReplaceAll(group.Name, "-", "")
	if !schemaPattern.MatchString(name) || slices.Contains(takenSchemas, name) {
		return "shop"
	}

	return name
}

// freeSchema checks that a schema, and the user of its name, are nobody else's: each would set the other's password.
func (c *check) freeSchema(path string, group Group, manifest *roles.Manifest, s *Stack) {
	keeper := manifest.Watches[roles.DatabaseRole]

	for _, other := range s.usedManifests(c.roles) {
		if other.Watches[roles.DatabaseRole] != keeper {
			continue
		}

		for _, database := range s.askedBy(other) {
			isName := database.Name == group.Schema
			isUser := database.User == group.Schema

			// Several groups of a role may use one schema.
			own := other == manifest && isName

			if (isName || isUser) && !own {
				c.add(
					path,
					"%q is a database or a user of role %s already; write another name",
					group.Schema,
					other.Name,
				)
			}
		}
	}
}

// sitesApart checks that groups behind different sites have different schemas: one site would show the other's pages,
// and only one of them would have its tasks run.
func (c *check) sitesApart(s *Stack) {
	for i := range s.Sites {
		for k := range i {
			if s.Sites[i].Nodes == s.Sites[k].Nodes {
				c.apart(s, k, i)
			}
		}
	}
}

// apart checks two sites of one role.
func (c *check) apart(s *Stack, first, second int) {
	manifest := c.roles[s.Sites[second].Nodes]
	if c.wrongRole(s.Nodes) || manifest == nil || len(manifest.Databases) != 1 {
		return
	}

	of := groupsBehind(s, s.Sites[first])
	others := groupsBehind(s, s.Sites[second])
	both := func(i int) bool { return slices.Contains(of, i) }

	// Two sites of one group are two names of one thing, or the application's own affair.
	if slices.ContainsFunc(others, both) {
		return
	}

	for _, i := range others {
		for _, k := range of {
			mine := s.Nodes[i]
			theirs := s.Nodes[k]

			schema := schemaOf(mine, manifest)
			if schema != schemaOf(theirs, manifest) {
				continue
			}

			// Who writes the role's own name into both says that it is no mistake.
			if schema == "" && mine.Schema != "" && theirs.Schema != "" {
				continue
			}

			later := max(i, k)

			c.add(
				groupPath(later)+".schema",
				"groups %s and %s are behind different sites (%s and %s), and both use the schema %q; give this one "+
					"its own, as in schema: %s",
				theirs.Name,
				mine.Name,
				sitePath(first),
				sitePath(second),
				cmp.Or(mine.Schema, manifest.Databases[0].Name),
				exampleSchema(s.Nodes[later]),
			)
		}
	}
}

// groupsBehind are the places of the groups that serve a site.
func groupsBehind(s *Stack, site Site) []int {
	var all []int
	for i, group := range s.Nodes {
		variant := slices.ContainsFunc(site.Variants, func(v Variant) bool {
			return v.Group == group.Name
		})

		if group.Role == site.Nodes && (variant || site.serves(group.Name)) {
			all = append(all, i)
		}
	}

	return all
}
