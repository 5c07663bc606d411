package media_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/media"
)

// Who alone has files may not be taken away, whether its daemon runs or not, until another has them.
func TestANodeHoldsWhatNobodyElseHas(t *testing.T) {
	all := newNodes(t, "web-1", "web-2")
	one := all.start("web-1")
	one.daemon.Reload(all.config("web-1"))

	require.Zero(t, one.held().Count)

	one.write("2026/b.txt", "b")
	one.write("2026/a.txt", "a")
	one.settled("2026/a.txt", "2026/b.txt")

	want := media.Held{
		Count: 2,
		Paths: []string{"2026/a.txt", "2026/b.txt"},
	}
	require.Equal(t, want, one.held())

	config := all.config("web-1")

	encoded, err := json.Marshal(config)
	require.NoError(t, err)

	file := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(file, encoded, 0o600))

	written, err := media.ReadHeld(file)
	require.NoError(t, err)
	require.Equal(t, want, written)

	two := all.start("web-2")
	one.daemon.Reload(all.config("web-1", "web-2"))
	one.eventually("holds nothing alone", func() bool { return one.held().Count == 0 })
	require.Equal(t, "a", two.read("2026/a.txt"))
	require.Zero(t, two.held().Count)
}
