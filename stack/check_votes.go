package stack

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hornero/hornero/roles"
)

// votes are those of one database cluster: of a database role and of the arbitrators that watch it.
type votes struct {
	nodes       int
	last        int // the last group of database nodes, for a problem to name
	arbitrators int
}

// votes holds each database role and its arbitrator together to an odd number of votes.
func (c *check) votes(groups []Group) {
	clusters := map[string]votes{} // by the database's role

	for i, group := range groups {
		manifest := c.roles[group.Role]

		// A count below 1 has its own problem.
		if manifest == nil || group.Count < 1 {
			continue
		}

		switch manifest.Driver {
		case roles.DriverGalera:
			cluster := clusters[group.Role]
			cluster.nodes += group.Count
			cluster.last = i
			clusters[group.Role] = cluster

		case roles.DriverArbitrator:
			keeper := manifest.Watches[roles.DatabaseRole]
			cluster := clusters[keeper]
			cluster.arbitrators += group.Count
			clusters[keeper] = cluster

			// At the group that is too many, not at the first.
			if cluster.arbitrators > 1 {
				c.add(groupPath(i)+".count", "must be 1: one arbitrator at most makes the number of votes odd, got %d",
					cluster.arbitrators)
			}
		}
	}

	for _, role := range slices.Sorted(maps.Keys(clusters)) {
		c.quorum(role, clusters[role])
	}
}

func (c *check) quorum(role string, cluster votes) {
	count := cluster.nodes
	path := groupPath(cluster.last) + ".count"

	switch {
	// An arbitrator without a database has a problem of its own.
	case count == 0:

	// The arbitrator has a vote of its own, so that the databases must be even for the sum to be odd.
	case cluster.arbitrators == 1 && count%2 == 1:
		c.add(path, "must be an even number of %s nodes beside an arbitrator, so that half of the votes is "+
			"never a tie, got %d; write %d, or remove the arbitrator", role, count, count+1)

	case cluster.arbitrators == 0 && count%2 == 0:
		c.add(path, "must give an odd number of %s nodes, so that half of them is never a tie, got %d; "+
			"write %d or %d%s", role, count, count-1, count+1, c.orArbitrator(role))
	}
}

// orArbitrator is the way out for an even number of database nodes, when a role is one.
func (c *check) orArbitrator(keeper string) string {
	arbitrates := func(manifest *roles.Manifest) bool {
		return manifest.Driver == roles.DriverArbitrator && manifest.Watches[roles.DatabaseRole] == keeper
	}

	if !slices.ContainsFunc(c.launch, func(name string) bool { return arbitrates(c.roles[name]) }) {
		return ""
	}

	return fmt.Sprintf(", or add a group of one node with role: %s", c.example(arbitrates))
}
