package stack_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/stack"
)

func TestADatabasesPasswordHasTwoValuesWhileItIsRotated(t *testing.T) {
	const name, previous = "wordpress.db_password", "wordpress.db_password.previous"

	s, roles := loaded(t), manifests(t)
	secrets := openSecrets(t)
	require.NoError(t, secrets.Ensure(s, roles))
	require.ErrorIs(t, secrets.Retire(name), stack.ErrNotRotating)

	before := secrets.All()[name]
	require.NoError(t, secrets.Rotate(name, s, roles))
	require.Equal(t, before, secrets.All()[previous])
	require.NotEqual(t, before, secrets.All()[name])

	// A third would shut out who has the first.
	held := secrets.All()
	require.ErrorIs(t, secrets.Rotate(name, s, roles), stack.ErrRotating)
	require.ErrorIs(t, secrets.Replace(name, "another", s, roles), stack.ErrRotating)
	require.NoError(t, secrets.Replace(name, held[name], s, roles), "the same value is no change")
	require.Equal(t, held, secrets.All())

	var nodes []string
	for _, node := range s.NodesGiven([]string{previous}, roles) {
		nodes = append(nodes, node.Name)
	}

	require.Equal(t, []string{"db-1", "db-2", "db-3"}, nodes, "who retires it replaces the database nodes")

	require.NoError(t, secrets.Retire(name))
	require.NotContains(t, secrets.All(), previous)
	require.Equal(t, held[name], secrets.All()[name])

	// Another secret opens nothing that could take two.
	require.NoError(t, secrets.Rotate("wordpress.salt", s, roles))
	require.NotContains(t, secrets.All(), "wordpress.salt.previous")
}
