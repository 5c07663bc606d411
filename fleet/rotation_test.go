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
	require.NoError(t, w.up())

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

	require.Empty(t, w.plan())
}
