package peers_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/canonical/go-dqlite/v2/client"
	"github.com/stretchr/testify/require"
)

// What go-dqlite wrote with yaml.v2 must be read by a program that has yaml.v3 in its place: a member comes back with
// the files of the version before. An older program must read what the newer one writes, too.
func TestTheNodeStoreIsReadAcrossVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cluster.yaml")
	written := "- ID: 3297041220608546238\n  Address: 10.0.0.1:9202\n  Role: 0\n" +
		"- ID: 2\n  Address: '@spare'\n  Role: 2\n"
	require.NoError(t, os.WriteFile(path, []byte(written), 0o600))

	store, err := client.NewYamlNodeStore(path)
	require.NoError(t, err)

	members, err := store.Get(t.Context())
	require.NoError(t, err)

	want := []client.NodeInfo{
		{
			ID:      3297041220608546238,
			Address: "10.0.0.1:9202",
			Role:    client.Voter,
		},
		{
			ID:      2,
			Address: "@spare",
			Role:    client.Spare,
		},
	}
	require.Equal(t, want, members)

	err = store.Set(t.Context(), members)
	require.NoError(t, err)

	again, err := os.ReadFile(path)
	require.NoError(t, err)
	require.YAMLEq(t, written, string(again))
}
