package fleet_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

// storeRoles are a database under another name, and a member that is none.
func storeRoles() fstest.MapFS {
	store := `version: 1
name: store
summary: a database of another name
peers: member
driver: galera
`
	front := `version: 1
name: front
summary: what stands before it
peers: member
`

	return fstest.MapFS{
		"store/role.yaml": &fstest.MapFile{Data: []byte(store)},
		"front/role.yaml": &fstest.MapFile{Data: []byte(front)},
	}
}

const storeText = `version: 1
name: blog
cloud: lab
region: fra1
nodes:
  - {name: front, role: front, count: 1}
  - {name: data, role: store, count: 3}
`

func TestADatabaseMayHaveAnyName(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, storeText, storeRoles())
	w.config.Timeout = time.Second
	w.unhealthy["data-3"] = true
	_, took, err := w.fleet().Up(t.Context())
	require.ErrorContains(t, err, "data-3 is synced")
	require.Zero(t, took.Galera)

	for _, document := range w.documents() {
		require.Equal(t, document.Node == "data-1", document.Found, "a database founds")
	}

	require.ErrorIs(t, w.replace("data-2"), fleet.ErrUnsafe)

	w.set(func() {
		delete(w.unhealthy, "data-3")
		w.unhealthy["front-1"] = true
	})
	_, took, err = w.fleet().Up(t.Context())
	require.ErrorContains(t, err, "front-1 is synced")
	require.NotZero(t, took.Galera)
	require.NoError(t, w.replace("data-2"))
}

func TestAStackOfClientsHasNobodyWhoFounds(t *testing.T) {
	t.Parallel()

	before, rest, _ := strings.Cut(apiText, "  - {name: db,")
	_, after, _ := strings.Cut(rest, "\n")

	w := newAPIWorld(t, before+after)
	require.ErrorContains(t, w.up(), "add a group of a role with peers: member")
}
