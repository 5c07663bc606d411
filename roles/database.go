package roles

import (
	"cmp"
	"fmt"
	"slices"
)

// AllPrivileges is what a user of a database is granted when its manifest says nothing else.
const AllPrivileges = "ALL PRIVILEGES"

// DatabaseRole is the word by which a role watches the one that keeps its databases.
const DatabaseRole = "database"

// Database is a database that the role needs, with its user: the role that it watches as "database" makes and keeps
// both.
type Database struct {
	Name   string `yaml:"name"`   // of the schema
	User   string `yaml:"user"`   // default: the database's name
	Secret string `yaml:"secret"` // the user's password: one of the manifest's secrets
	Grants string `yaml:"grants"` // default AllPrivileges, as in "SELECT, INSERT"
}

// OfSchema is the database as a group of nodes has it that uses another schema than the role's own; "" is the role's.
func (d Database) OfSchema(schema string) Database {
	if schema == "" || schema == d.Name {
		return d
	}

	d.Name = schema
	d.User = schema
	d.Secret = SchemaSecret(d.Secret, schema)

	return d
}

// SchemaSecret names a secret of a group that uses a schema of its own; "" is the role's. No secret of a manifest has
// such a name.
func SchemaSecret(secret, schema string) string {
	if schema == "" {
		return secret
	}

	return secret + "." + schema
}

// Settings of nodes whose group uses a schema of its own, or stands beside one that does.
const (
	// SettingOwnSchema is the schema, where it is not the role's own.
	SettingOwnSchema = "database.schema"
	// SettingOwnGroups are the groups of the role that use the same schema, a line each; empty: all.
	SettingOwnGroups = "database.groups"
)

// SchemaLease is a role's own name of the lease of a task: groups that use schemas of their own take no turns with
// each other.
func SchemaLease(task string, settings map[string]string) string {
	if schema := settings[SettingOwnSchema]; schema != "" {
		return task + "." + schema
	}

	return task
}

// database is one that the role asks for, as this node's group has it.
func (m *Manifest) database(facts Facts, name string) (Database, error) {
	for _, database := range m.Databases {
		if database.Name == name {
			return database.OfSchema(facts.Settings[SettingOwnSchema]), nil
		}
	}

	return Database{}, fmt.Errorf("%w: %q is no database of the manifest", errUnknownName, name)
}

func (m *Manifest) databaseNames() []string {
	var names []string
	for _, database := range m.Databases {
		names = append(names, database.Name)
	}

	return names
}

// OwnsSecret tells whether groups that use schemas of their own have a value each of a secret.
func (m *Manifest) OwnsSecret(name string) bool {
	opens := func(database Database) bool { return database.Secret == name }

	return m.Secrets[name].Own || slices.ContainsFunc(m.Databases, opens)
}

// alike leaves out the nodes of this node's role whose group uses another schema: they are another site's.
func alike[T any](f Facts, role string, all []T, name func(T) string) []T {
	groups := splitList(f.Settings[SettingOwnGroups])
	if role != f.Role || len(groups) == 0 {
		return all
	}

	return slices.DeleteFunc(slices.Clone(all), func(one T) bool {
		group, _ := splitNode(name(one))
		return !slices.Contains(groups, group)
	})
}

// complete fills in what was left to the defaults.
func (d *Database) complete() {
	d.User = cmp.Or(d.User, d.Name)
	d.Grants = cmp.Or(d.Grants, AllPrivileges)
}
