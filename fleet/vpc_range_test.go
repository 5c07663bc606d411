package fleet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/stack"
)

// network is the range of the stack's VPC.
func (w *world) network() string {
	all, err := do.VPCs(w.t.Context(), w.config.Client)
	require.NoError(w.t, err)

	for _, vpc := range all {
		if vpc.Name == "hornero-blog" {
			return vpc.IPRange
		}
	}

	return ""
}

func TestTheVPCHasTheRangeThatStackYamlSays(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, text+"vpc: {range: 10.200.16.0/24}\n", nil)
	require.NoError(t, w.up())
	require.Equal(t, "10.200.16.0/24", w.network())
	require.Empty(t, w.plan())

	// It stays what it was made with.
	w.config.Stack.VPC = &stack.VPC{Range: "10.200.32.0/24"}
	require.Equal(
		t,
		[]string{"replace network hornero-blog: range 10.200.16.0/24 -> 10.200.32.0/24"},
		w.plan(),
	)

	said := w.hear()
	require.NoError(t, w.up())
	require.Contains(
		t,
		said(),
		"VPC hornero-blog has the range 10.200.16.0/24, not 10.200.32.0/24, and keeps it: ",
	)
	require.Equal(t, "10.200.16.0/24", w.network())

	w.config.Stack.VPC = nil
	require.Empty(t, w.plan(), "any will do")
}

func TestARangeThatIsTakenIsRefusedBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, text+"vpc: {range: 10.100.0.0/20}\n", nil) // that of a region's default VPC
	require.ErrorContains(t, w.up(), "create VPC hornero-blog: ")
	require.Empty(t, w.balancers())
	require.Empty(t, w.names())
}
