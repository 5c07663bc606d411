package stack_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// groupOf is a group of nodes of a role.
func groupOf(role string, count int) stack.Group {
	return stack.Group{
		Name:  role,
		Role:  role,
		Count: count,
	}
}

func TestRolesOfBothKindsAreClientsWhereEnoughOthersAreMembers(t *testing.T) {
	t.Parallel()

	all := withRoles(t, apiRole, storeRole)
	require.Equal(t, roles.Auto, all["proxy"].Peers)

	for _, c := range []struct {
		databases, arbitrators, stores int
		want                           string
	}{
		{databases: 3, want: roles.Member},
		{databases: 2, arbitrators: 1, want: roles.Member},
		{databases: 4, want: roles.Member},
		{databases: 5, want: roles.Client},
		{databases: 4, arbitrators: 1, want: roles.Client},
		{databases: 3, stores: 1, want: roles.Member},
		{databases: 3, stores: 3, want: roles.Client},
	} {
		s := &stack.Stack{Nodes: []stack.Group{
			groupOf("db", c.databases),
			groupOf("arbitrator", c.arbitrators),
			groupOf("store", c.stores),
		}}

		// However many proxies and others there are.
		for range 3 {
			s.Nodes = append(
				s.Nodes,
				groupOf("proxy", 2),
				groupOf("web", 2),
				groupOf("api", 2),
			)
			require.Equal(t, c.want, s.PeerKind(all["proxy"], all), "%+v", c)
		}

		// What a manifest says stays.
		require.Equal(t, roles.Member, s.PeerKind(all["db"], all))
		require.Equal(t, roles.Client, s.PeerKind(all["web"], all))

		// In every node's document: it must not change with the number of nodes.
		rights := s.Rights(all)["proxy"]
		require.Equal(t, cloudinit.Rights{
			Peers:  roles.Member,
			Driver: roles.DriverHAProxy,
		}, rights)
	}
}
