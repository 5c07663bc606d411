package api_test

import (
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func TestBalanceAndWhatGoesOnCosting(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("web"))
	balance, _, err := w.Balance.Get(ctx)
	require.NoError(t, err)
	require.Regexp(t, `^\d+\.\d\d$`, balance.MonthToDateUsage)
	require.WithinDuration(t, w.server.Now(), balance.GeneratedAt, 1e9)

	none, _, err := w.Droplets.ListAssociatedResourcesForDeletion(ctx, droplet.ID)
	require.NoError(t, err)
	require.Empty(t, none.Volumes)

	reserved, answer, err := w.ReservedIPs.Create(
		ctx,
		&godo.ReservedIPCreateRequest{DropletID: droplet.ID},
	)
	require.NoError(t, err)

	w.done(&godo.Action{
		ID:   answer.Links.Actions[0].ID,
		Type: "assign_ip",
	})

	w.did(w.DropletActions.Snapshot(ctx, droplet.ID, "kept"))

	all, _, err := w.Droplets.ListAssociatedResourcesForDeletion(ctx, droplet.ID)
	require.NoError(t, err)
	require.Equal(t, reserved.IP, all.ReservedIPs[0].Name)
	require.Equal(t, "kept", all.Snapshots[0].Name)
	require.Equal(t, "0.07", all.Snapshots[0].Cost, "1.24 GB")

	_, _, err = w.Droplets.ListAssociatedResourcesForDeletion(ctx, 1)
	refused(t, err, 404, "could not be found")
}
