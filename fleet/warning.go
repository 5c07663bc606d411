package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// warnings are what is legal and unwise: no command changes it by itself.
func (f *Fleet) warnings(have found) []string {
	all := []string{}

	if f.openToAll() {
		all = append(all, "port 22 of every node is open to everybody; name in stack.yaml who may log in, as in "+
			"operator_addresses: [203.0.113.7, 198.51.100.0/24], then run `hornero up`")
	}

	all = append(all, f.aloneRoles()...)
	all = append(all, f.openBalancers()...)
	all = append(all, f.longRecords()...)
	all = append(all, f.withoutBackups()...)
	all = append(all, f.rotations()...)
	all = append(all, f.expiries(have.members)...)
	all = append(all, f.balancerWarnings()...)
	all = append(all, f.uncertified()...)

	return append(all, f.foreignFirewalls(have.firewalls, have.members)...)
}

// openToAll tells whether everybody reaches port 22: nobody is named, or all addresses are.
func (f *Fleet) openToAll() bool {
	isAll := func(address string) bool { return strings.HasSuffix(address, "/0") }

	return len(f.Stack.OperatorAddresses) == 0 || slices.ContainsFunc(f.Stack.OperatorAddresses, isAll)
}

// aloneRoles are served by one node: while it is down nothing does its work.
func (f *Fleet) aloneRoles() []string {
	var all []string

	expected := f.Stack.Expected()
	for _, role := range slices.Sorted(maps.Keys(expected)) {
		if len(expected[role]) != 1 {
			continue
		}

		manifest := f.manifest(role)

		switch {
		case f.isDatabase(role):
			all = append(all, fmt.Sprintf("role %s has one node: while it is down nobody is served, and with its disk "+
				"the data go; `hornero scale` gives it two others", role))

		// A proxy serves the other nodes, not visitors.
		case len(manifest.Serves) > 0, manifest.Driver == roles.DriverHAProxy:
			all = append(all, fmt.Sprintf("role %s has one node: while it is down nobody is served; "+
				"`hornero scale` gives it another", role))
		}
	}

	return all
}

// rotations are secrets of which two values work, and what ends that.
func (f *Fleet) rotations() []string {
	var all []string

	for _, name := range f.Stack.Authorities(f.Manifests) {
		authority, err := f.Secrets.Authority(name)
		// One that is not there is made by the next `hornero up`.
		if err != nil {
			continue
		}

		step := authority.NextStep()
		if step != "" {
			all = append(all, step)
		}
	}

	for _, name := range f.Secrets.Names() {
		of, previous := strings.CutSuffix(name, roles.PreviousSecret(""))
		_, authority := f.Stack.AuthorityNamed(of, f.Manifests)

		if authority || !previous {
			continue
		}

		line := fmt.Sprintf(
			"the value that %s had before it was rotated still works; `hornero secrets "+
				"retire %[1]s` ends that, when nothing is to be replaced any more",
			of,
		)

		all = append(all, line)
	}

	return all
}

// openBalancers have no HTTPS: whoever is on the way reads passwords and sessions.
func (f *Fleet) openBalancers() []string {
	var all []string

	for _, balancer := range f.Stack.AllBalancers() {
		_, secure := balancer.Listens(stack.Rule.Secure)

		if balancer.ReadsHTTP() && !secure {
			all = append(all, fmt.Sprintf("load balancer %s has no https: what visitors and editors send, passwords "+
				"too, can be read on the way; write https: 443", f.balancerName(balancer.Name)))
		}
	}

	return all
}

// longTTL is how long a name may lead visitors to an address that is gone, in seconds: an hour.
const longTTL = 3600

// longRecords are remembered for so long that a load balancer made anew is not found.
func (f *Fleet) longRecords() []string {
	if f.Stack.Domain == nil {
		return nil
	}

	var all []string

	for _, record := range f.Stack.Domain.Records {
		if record.TTL > longTTL {
			all = append(all, fmt.Sprintf("record %s is remembered for %s: for so long visitors go to an address "+
				"that is gone when it changes; write ttl: 300",
				f.Stack.Domain.FullName(record), time.Duration(record.TTL)*time.Second))
		}
	}

	return all
}

// withoutBackups are database groups of a role none of whose nodes is backed up: what is deleted by mistake is deleted
// on every node.
func (f *Fleet) withoutBackups() []string {
	backed := map[string]bool{}
	for _, group := range f.Stack.Nodes {
		backed[group.Role] = backed[group.Role] || group.Backups
	}

	var all []string

	for _, role := range slices.Sorted(maps.Keys(backed)) {
		if f.isDatabase(role) && !backed[role] {
			all = append(all, fmt.Sprintf("role %s has no backups: what is deleted by mistake is deleted on all of "+
				"its nodes; write backups: true for one of its groups, or keep dumps elsewhere (`hornero db dump`)",
				role))
		}
	}

	return all
}
