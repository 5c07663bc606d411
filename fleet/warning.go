package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hornero/hornero/roles"
)

// warnings are what is legal and unwise: no command changes it by itself.
func (f *Fleet) warnings(have found) []string {
	all := []string{}

	if len(f.Stack.OperatorAddresses) == 0 {
		all = append(all, "port 22 of every node is open to everybody; name in stack.yaml who may log in, as in "+
			"operator_addresses: [203.0.113.7, 198.51.100.0/24], then run `hornero up`")
	}

	all = append(all, f.aloneRoles()...)
	all = append(all, f.rotations()...)

	return append(all, f.foreignFirewalls(have.firewalls, have.members)...)
}

// aloneRoles are served by one node: while it is down nothing does its work.
func (f *Fleet) aloneRoles() []string {
	var all []string

	expected := f.Stack.Expected()
	for _, role := range slices.Sorted(maps.Keys(expected)) {
		if len(expected[role]) == 1 && len(f.manifest(role).Serves) > 0 {
			all = append(all, fmt.Sprintf("role %s has one node: while it is down nobody is served; "+
				"`hornero scale` gives it another", role))
		}
	}

	return all
}

// rotations are passwords of which the one before still works.
func (f *Fleet) rotations() []string {
	var all []string

	for _, name := range f.Secrets.Names() {
		if of, previous := strings.CutSuffix(name, roles.PreviousSecret("")); previous {
			all = append(all, fmt.Sprintf("the value that %s had before it was rotated still works; `hornero secrets "+
				"retire %[1]s` ends that, when nothing is to be replaced any more", of))
		}
	}

	return all
}
