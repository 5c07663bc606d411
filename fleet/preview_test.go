package fleet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
)

func (w *world) preview(name string) cloudinit.Node {
	node, err := w.config.Stack.Node(name)
	require.NoError(w.t, err)

	document, err := w.fleet().Preview(w.t.Context(), node)
	require.NoError(w.t, err)

	return document
}

func TestPreviewOfAStackThatIsNotThere(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	founder := w.preview("db-1")
	require.True(t, founder.Found)
	require.Empty(t, founder.Join)
	require.Equal(t, 1, founder.Incarnation)

	other := w.preview("web-1")
	require.False(t, other.Found)
	require.Empty(t, other.Join, "it finds the founder by itself")
	require.Empty(t, w.documents(), "nothing is launched for it")
}

func TestPreviewIsWhatALaunchGives(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	want := w.preview("db-2")
	require.Equal(t, 2, want.Incarnation)
	require.False(t, want.Found)
	require.NoError(t, w.replace("db-2"))

	for _, got := range w.documents() {
		if got.Node != "db-2" {
			continue
		}

		require.ElementsMatch(t, want.Join, got.Join)
		require.Equal(t, want.Secrets, got.Secrets)
		require.Equal(t, want.Settings, got.Settings)
		require.Equal(t, want.Expected, got.Expected)
		require.Equal(t, want.Incarnation, got.Incarnation)

		return
	}

	t.Fatal("db-2 is not there")
}
