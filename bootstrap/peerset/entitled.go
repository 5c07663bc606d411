package peerset

import (
	"fmt"
	"slices"
	"strings"
)

// Kinds of peers: a member is in consensus, a client follows.
const (
	KindMember = "member"
	KindClient = "client"
)

// MayBe tells whether a certificate of this kind entitles to be a peer of the wanted kind. A member may be a client,
// never the other way round; a certificate that names no kind is a client's.
func MayBe(wanted, kind string) bool {
	return wanted == KindClient || wanted == KindMember && kind == KindMember
}

// MemberOnly refuses whoever may not be a member, by the kind of the certificate.
func MemberOnly(kind, role string) error {
	if MayBe(KindMember, kind) {
		return nil
	}

	return fmt.Errorf("%w: a node of role %s is no member of the peer set", ErrForbidden, role)
}

// Rights says what the nodes of each role of the stack may do in the peer set. A role that it does not name was added
// to the stack later: it has the rights that every role has.
type Rights map[string]RoleRights

// RoleRights are those of one role.
type RoleRights struct {
	Driver string
	// Leases are those that have another name than ROLE.NAME, by NAME: the one by which members of older versions know
	// them. No such name ever changes: two versions of the bootstrap would each have a holder.
	Leases map[string]string
}

// driverGalera is the driver whose roles keep databases.
const driverGalera = "galera"

// Lease is the name in the peer set of a role's lease.
func (r Rights) Lease(role, name string) string {
	if as, named := r[role].Leases[name]; named {
		return as
	}

	// A role's own leases begin with its name: no other role can take them.
	return role + "." + name
}

// owner is the role whose lease it is, and the lease's name within that role.
func (r Rights) owner(lease string) (role, name string) {
	for role, of := range r {
		for name, as := range of.Leases {
			if as == lease {
				return role, name
			}
		}
	}

	// No role's name has a dot. A name without one is nobody's.
	role, name, dotted := strings.Cut(lease, ".")
	if !dotted {
		return "", ""
	}

	return role, name
}

// Local is a lease's name within its role.
func (r Rights) Local(lease string) string {
	_, name := r.owner(lease)
	return name
}

// MayHold tells whether a role's certificate entitles to a lease.
func (r Rights) MayHold(role, lease string) bool {
	owner, _ := r.owner(lease)
	return owner != "" && owner == role
}

// reservedIPLease ends the name of the lease of a role that may hold the stack's reserved IP.
const reservedIPLease = ".reserved-ip"

// ReservedIPLease names the lease under which a node of a role holds the stack's reserved IP.
func ReservedIPLease(role string) string { return role + reservedIPLease }

// fences says which settings the drivers have, and under which leases they are written.
var fences = map[string][]string{
	SettingDecision: {LeaseGaleraBootstrap},
	SettingGrants:   {LeaseGaleraBootstrap, LeaseWriter},
}

// reserved begin the settings that are Hornero's: nobody writes others than those above through the agents' API.
var reserved = []string{"galera.", ForgottenPrefix, ReplacedPrefix, "peers."}

// Setting is the name in the peer set of a driver's setting: the plain one for the role whose leases have plain names.
func (r Rights) Setting(role, key string) string {
	if r.Lease(role, LeaseGaleraBootstrap) == LeaseGaleraBootstrap {
		return key
	}

	return role + "." + key
}

// MayPut tells whether a role's certificate entitles to write a setting under a lease: one of a driver's under its own,
// or ROLE.NAME under any that the role may hold.
func (r Rights) MayPut(role, key, fence string) bool {
	if !r.MayHold(role, fence) {
		return false
	}

	for setting, leases := range fences {
		if key == r.Setting(role, setting) {
			return slices.Contains(leases, r.Local(fence))
		}
	}

	// A role that has the name of one of these prefixes does not get Hornero's settings by it.
	ours := slices.ContainsFunc(reserved, func(prefix string) bool {
		return strings.HasPrefix(key, prefix)
	})

	return strings.HasPrefix(key, role+".") && !ours
}

// MayNote tells whether a role's certificate entitles to add events of a kind.
func (r Rights) MayNote(role, kind string) bool {
	driver, known := noteDrivers[kind]
	of, named := r[role]

	return known && (driver == "" || !named || of.Driver == driver)
}

// Writers are the leases of the nodes that take the writes of a database.
func (r Rights) Writers(snapshot Snapshot) []Lease {
	var leases []Lease
	for name, lease := range snapshot.Leases {
		if r.Local(name) == LeaseWriter {
			leases = append(leases, lease)
		}
	}

	slices.SortFunc(leases, func(a, b Lease) int { return strings.Compare(a.Name, b.Name) })

	return leases
}
