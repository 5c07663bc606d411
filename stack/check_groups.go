package stack

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hornero/hornero/roles"
)

// maxNodes bounds a stack.
const maxNodes = 100

func (c *check) groups(groups []Group) {
	if len(groups) == 0 {
		c.add("nodes", "is missing or empty; write at least one group, as in - {name: app, role: %s, count: 2}",
			c.example(speaksHTTP))
		return
	}

	total := 0
	names := map[string]int{}

	for i, group := range groups {
		path := groupPath(i)
		c.group(path, group)
		total += group.Count

		// Nodes are named after their group: two groups of a name would make the same nodes.
		first, twice := names[group.Name]
		if twice && group.Name != "" {
			c.add(path+".name", "%q is taken by nodes[%d]; give each group a name of its own", group.Name, first)
			continue
		}

		names[group.Name] = i
	}

	if total > maxNodes {
		c.add("nodes", "at most %d nodes fit in a stack, got %d", maxNodes, total)
	}

	c.votes(groups)
}

// groupPath is where a group stands in stack.yaml.
func groupPath(i int) string {
	return "nodes[" + strconv.Itoa(i) + "]"
}

func (c *check) group(path string, group Group) {
	if c.need(path+".name", "a name for the group, as in name: web") {
		c.name(path+".name", group.Name)
	}

	if c.need(path+".role", "one of "+strings.Join(c.launch, ", ")) {
		c.role(path+".role", group.Role)
	}

	counted := c.need(path+".count", "how many nodes, as in count: 2")
	if counted && group.Count < 1 {
		c.add(path+".count", "must be at least 1, got %d; remove the group when there is to be none", group.Count)
	}

	if c.doc.Has(path + ".size") {
		c.slug(path+".size", group.Size, DefaultSize)
	}
	if c.doc.Has(path+".image") && group.Image < 1 {
		c.add(path+".image", "must be a snapshot's number, as `hornero images list` names it, got %d; leave it out "+
			"for the newest of the role", group.Image)
	}
}

func (c *check) role(path, role string) {
	if problem := c.unfitRole(role); problem != "" {
		c.add(path, "%s", problem)
	}
}

// unfitRole tells why no Droplet can have a role; "" when one can.
func (c *check) unfitRole(role string) string {
	manifest := c.roles[role]

	switch {
	case manifest == nil:
		return noSuch(role, c.launch)
	case manifest.Abstract:
		choice := strings.Join(c.launch, ", ")
		return fmt.Sprintf("%q is only a part of other roles; write one of %s", role, choice)
	}

	return ""
}

// wrongRole tells whether a group's role is wrong: that group may be the one that another place means.
func (c *check) wrongRole(groups []Group) bool {
	for i := range groups {
		if c.taken[groupPath(i)+".role"] {
			return true
		}
	}

	return false
}

// usedRole checks that the stack has a role and that the role fits.
func (c *check) usedRole(path, role string, s *Stack, fits func(*roles.Manifest) bool) {
	// Without any group there is a problem already.
	if len(s.Nodes) == 0 || c.wrongRole(s.Nodes) {
		return
	}

	isUnfit := func(name string) bool { return c.roles[name] == nil || !fits(c.roles[name]) }
	used := slices.Sorted(slices.Values(slices.DeleteFunc(s.usedRoles(), isUnfit)))

	switch {
	case slices.Contains(used, role):
	case len(used) > 0:
		c.add(path, "%s", noSuch(role, used))
	default:
		c.role(path, role)
		c.add(path, "no group of the stack has role %q; add one under nodes, as in - {name: %s, role: %s, count: 2}",
			role, role, role)
	}
}

// example names a role that fits, for a problem that says what to write.
func (c *check) example(fits func(*roles.Manifest) bool) string {
	// An edge is of no use by itself: it is named where nothing else fits.
	for _, edge := range []bool{false, true} {
		for _, name := range c.launch {
			if manifest := c.roles[name]; manifest.Sites == edge && fits(manifest) {
				return name
			}
		}
	}

	return "ROLE"
}

func speaksHTTP(manifest *roles.Manifest) bool {
	return slices.ContainsFunc(manifest.Serves, roles.Serve.HTTP)
}

func mayHold(manifest *roles.Manifest) bool { return manifest.ReservedIP != nil }
