package fleet_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/stack"
)

// `hornero secrets rotate` names nodes without a look at the cloud: they are those that the plan replaces.
func TestARotationNamesTheNodesThatThePlanReplaces(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	of := w.config.Stack
	manifests := w.config.Manifests
	names := of.SecretNames(manifests)
	require.NotEmpty(t, names)
	names = append(names, "ca", "galera.ca", "ssh.ca", "ssh.key")

	for _, name := range names {
		before := w.config.Secrets.All()
		require.NoError(t, w.config.Secrets.Rotate(name, of, manifests))

		var said []string
		for _, node := range of.NodesGiven(stack.Changed(before, w.config.Secrets.All()), manifests) {
			said = append(said, node.Name)
		}

		var planned []string

		for _, line := range w.plan() {
			node, replaced := strings.CutPrefix(line, "replace node ")
			require.True(t, replaced, "%s: %s", name, line)

			node, _, _ = strings.Cut(node, ":")
			planned = append(planned, node)
		}

		slices.Sort(said)
		slices.Sort(planned)
		require.NotEmpty(t, said, name)
		require.Equal(t, planned, said, name)
		require.NoError(t, w.config.Secrets.Change(w.config.Secrets.All(), before))
	}

	w.nothingToDo()
}

// The nodes that keep the database take both values; those that use it have the new one alone.
func TestOnlyTheDatabaseHasThePreviousPassword(t *testing.T) {
	t.Parallel()

	const name, previous = "wordpress.db_password", "wordpress.db_password.previous"

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	old := w.config.Secrets.All()[name]
	require.NoError(t, w.config.Secrets.Rotate(name, w.config.Stack, w.config.Manifests))
	w.mustUp()
	w.awaitDroplets(7)
	w.nothingToDo()

	replaced := func() (nodes []string) {
		for _, line := range w.history {
			if node, ok := strings.CutPrefix(line, "destroy "); ok {
				nodes = append(nodes, node)
			}
		}

		return nodes
	}
	require.Equal(t, []string{
		"db-2/1", "db-3/1", "db-1/1", "db-4/1",
		"web-1/1", "web-2/1", "web-3/1",
	}, replaced(), "the database is first")

	for _, document := range w.documents() {
		value, has := document.Secrets[previous]
		require.Equal(t, document.Role == "db", has, document.Node)
		require.Equal(t, document.Role == "db", value == old, document.Node)
	}

	warned := strings.Join(w.readPlan().Warnings, "\n")
	require.Contains(t, warned, "the value that "+name+" had before it was rotated still works")

	w.set(func() { w.history = nil })
	require.NoError(t, w.config.Secrets.Retire(name))
	w.mustUp()
	require.Equal(t, []string{"db-2/2", "db-3/2", "db-1/2", "db-4/2"}, replaced())

	for _, document := range w.documents() {
		require.NotContains(t, document.Secrets, previous)
	}
}

// One round is enough: this machine takes both keys, and both authorities, for as long as nodes have the old ones.
func TestSSHKeysAreRotatedInOneRound(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	for _, name := range []string{stack.SSHCA, stack.SSHKey} {
		require.NoError(t, w.config.Secrets.Rotate(name, w.config.Stack, w.config.Manifests))
	}

	for _, node := range w.status().Nodes {
		require.True(t, node.Healthy, "%s has the old ones: %s", node.Name, node.Reason)
	}

	w.mustUp()
	w.nothingToDo()

	for _, name := range []string{stack.SSHCA, stack.SSHKey} {
		require.NoError(t, w.config.Secrets.Retire(name))
	}

	for _, node := range w.status().Nodes {
		require.True(t, node.Healthy, "%s has the new ones: %s", node.Name, node.Reason)
	}

	w.nothingToDo()
}

// Between two steps the plan says which comes next.
func TestThePlanSaysHowARotationGoesOn(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	rotate := func() {
		t.Helper()
		require.NoError(t, w.config.Secrets.Rotate("galera.ca", w.config.Stack, w.config.Manifests))
	}
	warned := func() string { return strings.Join(w.readPlan().Warnings, "\n") }

	rotate()
	require.Contains(t, warned(), "`hornero secrets rotate galera.ca` makes the new one sign")
	rotate()
	require.Contains(t, warned(), "`hornero secrets retire galera.ca` ends the trust in the old one")
	require.NotContains(t, warned(), "certificate had before")

	require.NoError(t, w.config.Secrets.RetireAuthority("galera.ca"))
	require.NotContains(t, warned(), "galera.ca")
}
