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

// olderMembers are the roles that may be members with a certificate of a version that wrote no kind into it.
var olderMembers = []string{"db", "proxy", "arbitrator"}

// MayBe tells whether a certificate of this kind and role entitles to be a peer of the wanted kind. A member may be a
// client, never the other way round.
func MayBe(wanted, kind, role string) bool {
	switch kind {
	case KindMember:
		return wanted == KindMember || wanted == KindClient
	case KindClient:
		return wanted == KindClient
	case "":
		return wanted == KindClient || wanted == KindMember && slices.Contains(olderMembers, role)
	}

	return false
}

// MemberOnly refuses whoever may not be a member, by the kind and role of the certificate.
func MemberOnly(kind, role string) error {
	if MayBe(KindMember, kind, role) {
		return nil
	}

	return fmt.Errorf("%w: a node of role %s is no member of the peer set", ErrForbidden, role)
}

// leaseRoles says whose certificates may hold the leases that Hornero names. No name ever changes: two versions
// of the bootstrap would each have a holder. What is added here or below, members of older versions forbid.
var leaseRoles = map[string]string{
	LeaseWriter:           "db",
	LeaseGaleraBootstrap:  "db",
	LeaseGaleraJoin:       "db",
	LeaseWordPressInstall: "web",
	LeaseWordPressCron:    "web",
}

// MayHold tells whether a role's certificate entitles to a lease: to those that Hornero names for it, and to
// ROLE.NAME.
func MayHold(role, lease string) bool {
	if owner, known := leaseRoles[lease]; known {
		return owner == role
	}

	// A role's own leases begin with its name: no other role can take them.
	return strings.HasPrefix(lease, role+".")
}

// TaskLease names the lease under which a role's task runs.
func TaskLease(role, task string) string {
	// Hornero names this task's lease itself: under a second name, two versions would each have a holder.
	if leaseRoles[task] == role {
		return task
	}

	return role + "." + task
}

// reservedIPLease ends the name of the lease of a role that may hold the stack's reserved IP.
const reservedIPLease = ".reserved-ip"

// ReservedIPLease names the lease under which a node of a role holds the stack's reserved IP.
func ReservedIPLease(role string) string { return role + reservedIPLease }

// fences says which settings Hornero has, and under which leases they are written.
var fences = map[string][]string{
	SettingDecision: {LeaseGaleraBootstrap},
	SettingGrants:   {LeaseGaleraBootstrap, LeaseWriter},
}

// reserved begin the settings that are Hornero's: nobody writes others than those above through the agents' API.
var reserved = []string{"galera.", ForgottenPrefix, ReplacedPrefix, "peers."}

// MayPut tells whether a role's certificate entitles to write a setting under a lease: one of Hornero's under
// its own, or ROLE.NAME under any that the role may hold.
func MayPut(role, key, fence string) bool {
	if !MayHold(role, fence) {
		return false
	}

	if leases, known := fences[key]; known {
		return slices.Contains(leases, fence)
	}

	// A role that has the name of one of these prefixes does not get Hornero's settings by it.
	ours := slices.ContainsFunc(reserved, func(prefix string) bool {
		return strings.HasPrefix(key, prefix)
	})

	return strings.HasPrefix(key, role+".") && !ours
}
