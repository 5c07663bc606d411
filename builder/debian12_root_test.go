//go:build root

package builder_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/do"
)

// Every role of this checkout bakes on Debian 12, on the layer that they share, and passes its self-test there.
func TestEveryRoleBakesForDebian12(t *testing.T) {
	t.Parallel()
	l := newBakeLab(t, labOptions{name: "twelvetest"})
	started := time.Now()

	said, err := l.script(l.url(), "images.sh", []string{"RELEASE=debian-12"}, "arbitrator", "db", "proxy", "web")
	require.NoError(t, err, said)
	t.Logf("the layer and four roles: %.0f s", time.Since(started).Seconds())
	l.nothingLeft(5)

	for _, role := range []string{"common", "arbitrator", "db", "proxy", "web"} {
		images, err := do.ImagesByTag(t.Context(), l.client, "hornero:role:"+role)
		require.NoError(t, err)
		require.Len(t, images, 1)
		require.Contains(t, images[0].Name, "hornero-"+role+"-debian-12-")
	}
}
