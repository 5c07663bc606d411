package peerset_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// recordingSet notes what it is asked for, and answers with a fixed snapshot.
type recordingSet struct {
	peerset.Set
	snapshot peerset.Snapshot
	asked    []string
}

func (r *recordingSet) Snapshot() peerset.Snapshot { return r.snapshot }

func (r *recordingSet) Hold(_ context.Context, lease string, _ time.Duration) (peerset.Lease, bool, error) {
	r.asked = append(r.asked, "hold "+lease)
	return peerset.Lease{Name: lease, Holder: "orders-1", Epoch: 7}, true, nil
}

func (r *recordingSet) Seize(_ context.Context, seen peerset.Lease, _ string) (peerset.Lease, error) {
	r.asked = append(r.asked, "seize "+seen.Name)
	return seen, nil
}

func (r *recordingSet) Release(_ context.Context, lease peerset.Lease) error {
	r.asked = append(r.asked, "release "+lease.Name)
	return nil
}

func (r *recordingSet) Put(_ context.Context, key, _ string, fence peerset.Lease) error {
	r.asked = append(r.asked, "put "+key+" under "+fence.Name)
	return nil
}

func TestADriverSeesItsRolesLeasesByTheirOwnNames(t *testing.T) {
	set := &recordingSet{snapshot: peerset.Snapshot{
		Leases: map[string]peerset.Lease{
			"writer":        {Name: "writer", Holder: "db-1"},
			"galera-join":   {Name: "galera-join", Holder: "db-2"},
			"orders.writer": {Name: "orders.writer", Holder: "orders-3", Epoch: 4},
		},
		Settings: map[string]string{
			"galera.decision":      "of db",
			"orders.galera.grants": "of orders",
			"forgotten.db-9":       "1",
		},
	}}
	orders := peerset.Scope(set, rights, "orders")

	seen := orders.Snapshot()
	require.Equal(t, peerset.Lease{Name: "writer", Holder: "orders-3", Epoch: 4}, seen.Leases["writer"])
	require.NotContains(t, seen.Leases, "galera-join", "the turn of another database's node")
	require.NotContains(t, seen.Settings, "galera.decision", "the history of another database")
	require.Equal(t, "of orders", seen.Settings["galera.grants"])
	require.Equal(t, "1", seen.Settings["forgotten.db-9"])
	require.Equal(t, "db-1", set.snapshot.Leases["writer"].Holder, "the snapshot of all others is as it was")

	lease, held, err := orders.Hold(t.Context(), peerset.LeaseWriter, time.Second)
	require.NoError(t, err)
	require.True(t, held)
	require.Equal(t, "writer", lease.Name)

	_, err = orders.Seize(t.Context(), lease, "lost")
	require.NoError(t, err)
	require.NoError(t, orders.Put(t.Context(), peerset.SettingGrants, "x", lease))
	require.NoError(t, orders.Release(t.Context(), lease))

	require.Equal(t, []string{
		"hold orders.writer",
		"seize orders.writer",
		"put orders.galera.grants under orders.writer",
		"release orders.writer",
	}, set.asked)
}

func TestTheFirstDatabasesNamesArePlain(t *testing.T) {
	set := &recordingSet{}
	require.Same(t, set, peerset.Scope(set, rights, "db"))
}
