package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// standingRoll is a roll that waits for its operator, or that was killed before it came so far.
type standingRoll struct {
	role     string
	strategy string
	fresh    []member // what it made
	old      []member // the nodes of stack.yaml
	served   func(member) bool
}

// standingOf finds the roll of a role that stands.
func standingOf(members []member, role string, named, served func(member) bool) (standingRoll, bool) {
	s := standingRoll{
		role:   role,
		served: served,
	}

	for _, m := range members {
		switch {
		case m.Role != role:
		case m.Extra != "" && m.Extra != StrategyRolling:
			s.strategy = m.Extra
			s.fresh = append(s.fresh, m)
		case named(m):
			s.old = append(s.old, m)
		}
	}

	return s, s.strategy != ""
}

// String says what there is: who is new, who is old, and who has the traffic.
func (s standingRoll) String() string {
	parts := []string{
		"new: " + s.side(s.fresh),
		"old: " + s.side(s.old),
	}

	if s.strategy == StrategyBlueGreen && len(s.fresh) < len(s.old) {
		parts = append(parts, fmt.Sprintf("it was ended with %d of %d new nodes", len(s.fresh), len(s.old)))
	}

	return fmt.Sprintf("a roll stands (%s); %s", s.strategy, strings.Join(parts, "; "))
}

func (s standingRoll) side(members []member) string {
	var list []string

	for _, m := range members {
		what := m.Node
		if s.strategy == StrategyBlueGreen && s.served(m) {
			what += " with traffic"
		}

		list = append(list, what)
	}

	slices.Sort(list)

	return strings.Join(list, ", ")
}

// ends are the commands that end it.
func (s standingRoll) ends() string {
	return fmt.Sprintf("hornero roll %[1]s --promote` or `hornero roll %[1]s --abort", s.role)
}

// foldRolls makes one difference of each roll that stands: that its nodes are not as wanted is what it stands for.
func foldRolls(want wanted, have found, nodes []Difference) []Difference {
	named := func(m member) bool {
		return slices.ContainsFunc(want.nodes, func(node wantedNode) bool { return node.Name == m.Node })
	}
	served := func(m member) bool { return slices.ContainsFunc(want.traffic[m.Role], m.bears) }
	rolls := map[string]standingRoll{}
	role := map[string]string{}

	for _, node := range want.nodes {
		role[node.Name] = node.Role

		if s, stands := standingOf(have.members, node.Role, named, served); stands {
			rolls[node.Role] = s
		}
	}

	all := slices.DeleteFunc(nodes, func(one Difference) bool {
		_, stands := rolls[role[one.Name]]
		return stands && one.Kind == KindNode && one.Action == ActionReplace
	})

	for _, role := range slices.Sorted(maps.Keys(rolls)) {
		all = append(all, Difference{
			Kind:   KindRoll,
			Name:   role,
			Action: ActionNothing,
			Reason: rolls[role].String(),
			By:     rolls[role].ends(),
		})
	}

	return all
}

// standingIn is the roll of a role that stands.
func (f *Fleet) standingIn(members []member, role string) (standingRoll, bool) {
	named := func(m member) bool { return !f.leftover(m) }
	served := func(m member) bool { return len(f.trafficOf(m)) > 0 }

	return standingOf(members, role, named, served)
}
