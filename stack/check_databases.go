package stack

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hornero/hornero/roles"
)

// databases checks that who asks for a database gets one that is only his.
func (c *check) databases(s *Stack) {
	if c.wrongRole(s.Nodes) {
		return
	}

	used := s.usedManifests(c.roles)

	for i, manifest := range used {
		keeper := manifest.Watches[roles.DatabaseRole]
		path := groupPath(firstGroup(s, manifest.Name)) + ".role"

		if keeper == "" {
			continue
		}

		if !slices.Contains(s.usedRoles(), keeper) {
			c.add(
				path,
				"nodes of role %s need the database of role %q, which no group has; add one, as in "+
					"- {name: %s, role: %s, count: 3}",
				manifest.Name,
				keeper,
				keeper,
				keeper,
			)

			continue
		}

		for _, other := range used[:i] {
			if other.Watches[roles.DatabaseRole] == keeper {
				c.ownDatabases(s, path, manifest, other)
			}
		}
	}
}

// ownDatabases checks that two roles with one database role share no database and no user: each would set the other's
// password and grants.
func (c *check) ownDatabases(s *Stack, path string, manifest, other *roles.Manifest) {
	var shared []string
	note := func(what string) {
		if !slices.Contains(shared, what) {
			shared = append(shared, what)
		}
	}

	for _, mine := range s.roleOwn(manifest) {
		for _, theirs := range s.roleOwn(other) {
			if mine.Name == theirs.Name {
				note(fmt.Sprintf("database %q", mine.Name))
			}
			if mine.User == theirs.User {
				note(fmt.Sprintf("user %q", mine.User))
			}
		}
	}

	if len(shared) > 0 {
		c.add(
			path,
			"roles %s and %s both ask for %s; give each its own in the databases of its manifest",
			other.Name,
			manifest.Name,
			strings.Join(shared, " and "),
		)
	}
}

// roleOwn are a role's databases as its manifest names them, where a group uses these.
func (s *Stack) roleOwn(manifest *roles.Manifest) []roles.Database {
	if !slices.Contains(s.schemas(manifest), "") {
		return nil
	}

	return manifest.Databases
}

// firstGroup is the place of a role's first group.
func firstGroup(s *Stack, role string) int {
	return slices.IndexFunc(s.Nodes, func(group Group) bool { return group.Role == role })
}
