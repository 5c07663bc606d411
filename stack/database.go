package stack

import (
	"slices"
	"strings"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/roles"
)

// DatabasesOf are the databases that the nodes of a role make and keep for the stack's roles, sorted by name.
func (s *Stack) DatabasesOf(role string, manifests map[string]*roles.Manifest) []roles.Database {
	var databases []roles.Database
	for _, manifest := range s.usedManifests(manifests) {
		if manifest.Watches[roles.DatabaseRole] == role {
			databases = append(databases, s.askedBy(manifest)...)
		}
	}

	slices.SortStableFunc(databases, func(a, b roles.Database) int { return strings.Compare(a.Name, b.Name) })

	return databases
}

// askedBy are the databases that a role's groups ask for.
func (s *Stack) askedBy(manifest *roles.Manifest) []roles.Database {
	var asked []roles.Database

	for _, schema := range s.schemas(manifest) {
		for _, database := range manifest.Databases {
			asked = append(
				asked,
				database.OfSchema(schema),
			)
		}
	}

	return asked
}

// schemas are those that the groups of a role use, each once, in the order of the file; "" is the role's own.
func (s *Stack) schemas(manifest *roles.Manifest) []string {
	var all []string
	for _, group := range s.Nodes {
		schema := schemaOf(group, manifest)
		if group.Role == manifest.Name && !slices.Contains(all, schema) {
			all = append(all, schema)
		}
	}

	return all
}

// SeveralSchemas tells whether the groups of a role use different schemas: what is asked of one is not for all.
func (s *Stack) SeveralSchemas(manifest *roles.Manifest) bool { return len(s.schemas(manifest)) > 1 }

// GroupsOf names the groups of a role, in the order of the file.
func (s *Stack) GroupsOf(role string) []string {
	var names []string
	for _, group := range s.Nodes {
		if group.Role == role {
			names = append(names, group.Name)
		}
	}

	return names
}

// schemaOf is the schema that a group uses; "" where it is the role's own, also when the group says so.
func schemaOf(group Group, manifest *roles.Manifest) string {
	isOwn := func(database roles.Database) bool { return database.Name == group.Schema }
	if slices.ContainsFunc(manifest.Databases, isOwn) {
		return ""
	}

	return group.Schema
}

// schemaSettings are what a group's nodes are told of its schema. Where a role has one schema they are told nothing.
func (s *Stack) schemaSettings(group Group, manifest *roles.Manifest) map[string]string {
	settings := map[string]string{}
	own := schemaOf(group, manifest)

	if own != "" {
		settings[roles.SettingOwnSchema] = own
	}

	if len(s.schemas(manifest)) < 2 {
		return settings
	}

	var alike []string
	for _, other := range s.Nodes {
		if other.Role == group.Role && schemaOf(other, manifest) == own {
			alike = append(alike, other.Name)
		}
	}

	slices.Sort(alike)
	settings[roles.SettingOwnGroups] = strings.Join(alike, "\n")

	return settings
}

// Rights are what the nodes of each role of the stack may do in the peer set.
func (s *Stack) Rights(manifests map[string]*roles.Manifest) map[string]cloudinit.Rights {
	rights := map[string]cloudinit.Rights{}
	for _, manifest := range s.usedManifests(manifests) {
		rights[manifest.Name] = cloudinit.Rights{
			Peers:  mostOf(manifest),
			Driver: manifest.Driver,
			Leases: manifest.Leases,
		}
	}

	return rights
}
