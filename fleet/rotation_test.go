package fleet_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// `hornero secrets rotate` names nodes without a look at the cloud: they are those that the plan replaces.
func TestARotationNamesTheNodesThatThePlanReplaces(t *testing.T) {
	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	stack := w.config.Stack
	manifests := w.config.Manifests
	names := stack.SecretNames(manifests)
	require.NotEmpty(t, names)

	for _, name := range names {
		before := w.config.Secrets.All()
		require.NoError(t, w.config.Secrets.Rotate(name, stack, manifests))

		var said []string
		for _, node := range stack.NodesGiven([]string{name}, manifests) {
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
