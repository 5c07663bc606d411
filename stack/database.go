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
			databases = append(databases, manifest.Databases...)
		}
	}

	slices.SortStableFunc(databases, func(a, b roles.Database) int { return strings.Compare(a.Name, b.Name) })

	return databases
}

// Rights are what the nodes of each role of the stack may do in the peer set.
func (s *Stack) Rights(manifests map[string]*roles.Manifest) map[string]cloudinit.Rights {
	rights := map[string]cloudinit.Rights{}
	for _, manifest := range s.usedManifests(manifests) {
		rights[manifest.Name] = cloudinit.Rights{
			Peers:  manifest.Peers,
			Driver: manifest.Driver,
			Leases: manifest.Leases,
		}
	}

	return rights
}
