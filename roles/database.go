package roles

import "cmp"

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

// complete fills in what was left to the defaults.
func (d *Database) complete() {
	d.User = cmp.Or(d.User, d.Name)
	d.Grants = cmp.Or(d.Grants, AllPrivileges)
}
