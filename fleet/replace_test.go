package fleet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/lab/api"
)

func TestReplace(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		node string
		want []string
	}{
		{
			node: "db-2",
			want: []string{"drain db-2", "destroy db-2/1"},
		},
		{
			node: "proxy-1",
			want: []string{"drain proxy-1", "destroy proxy-1/1"},
		},
		{
			node: "web-1",
			want: []string{"drain web-1", "destroy web-1/1"},
		},
	} {
		w := newWorld(t)
		w.mustUp()

		var seen []string // who was there when the successor came
		w.created = func(api.Machine) {
			seen = append(seen, w.names()...)
		}

		require.NoError(t, w.replace(c.node))
		require.Equal(t, c.want, w.history)
		require.Contains(t, w.names(), c.node+"/2")
		require.NotContains(t, w.names(), c.node+"/1")

		if c.node == "web-1" {
			require.Contains(t, seen, "web-1/1", "a web node goes only when its successor serves")
		} else {
			require.NotContains(t, seen, c.node+"/1", "a member goes before its successor comes")
		}
	}
}

func TestReplaceIsRefusedWhereDataIsAtStake(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	w.set(func() { w.unhealthy["db-3"] = true })

	err := w.replace("db-2")
	require.ErrorIs(t, err, fleet.ErrUnsafe)
	require.ErrorContains(t, err, "1 of the other database nodes")
	require.Equal(t, whole, w.names())

	err = w.replace("proxy-1")
	require.NoError(t, err, "a proxy has no data")
}

func TestReplaceCountsAllThatRemainAfterADeclaredLoss(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	w.set(func() { w.unhealthy["db-3"] = true })

	err := w.replace("db-2")
	require.ErrorContains(t, err, "hornero-bootstrap forget NAME")

	w.set(func() { w.forgotten = map[string]int{"db-2": 4, "db-3": 0} })
	require.NoError(t, w.replace("db-2"))
	require.Contains(t, w.names(), "db-2/5", "the peer set takes none that was declared gone")
}
