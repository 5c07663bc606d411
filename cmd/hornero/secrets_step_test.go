package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

// Nodes that are not of the step before would not get on with those of the next.
func TestNodesThatAStepOfARotationWaitsFor(t *testing.T) {
	node := func(name, action string) fleet.Difference {
		return fleet.Difference{Kind: fleet.KindNode, Name: name, Action: action}
	}

	plan := fleet.Plan{Differences: []fleet.Difference{
		{Kind: fleet.KindBalancer, Name: "blog", Action: fleet.ActionReplace},
		node("db-1", fleet.ActionReplace),
		node("db-2", fleet.ActionNothing), // not comparable
		node("web-3", fleet.ActionLaunch), // it gets what is wanted
		node("web-1", fleet.ActionChange),
		node("web-9", fleet.ActionRemove),
	}}

	require.Equal(t, []string{"db-1", "db-2"}, nodesLeft(plan))
	require.Empty(t, nodesLeft(fleet.Plan{}))
}
