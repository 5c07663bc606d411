package api_test

import (
	"errors"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func TestReservedIPs(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	one, two := w.create(request("one")), w.create(request("two"))
	reserved, answer, err := w.client.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{Region: "nyc3"})
	require.NoError(t, err)
	require.Equal(t, 202, answer.StatusCode)
	require.Equal(t, "nyc3", reserved.Region.Slug)
	require.Nil(t, reserved.Droplet)
	require.NotEmpty(t, reserved.ProjectID)
	_, _, err = w.client.ReservedIPActions.Unassign(ctx, reserved.IP)
	refused(t, err, 422, "not assigned")

	for _, holder := range []*godo.Droplet{one, one, two} {
		release := w.machines.hold()
		action, answer, err := w.client.ReservedIPActions.Assign(ctx, reserved.IP, holder.ID)
		require.NoError(t, err)
		require.Equal(t, 201, answer.StatusCode)
		require.Equal(t, "assign_ip", action.Type)
		_, _, err = w.client.ReservedIPActions.Assign(ctx, reserved.IP, holder.ID)
		refused(t, err, 422, "pending event")
		release()
		w.eventually("assigned", func() bool {
			got, _, err := w.client.ReservedIPActions.Get(ctx, reserved.IP, action.ID)
			require.NoError(t, err)
			return got.Status == godo.ActionCompleted
		})
		got, _, err := w.client.ReservedIPs.Get(ctx, reserved.IP)
		require.NoError(t, err)
		require.False(t, got.Locked)
		require.Equal(t, holder.ID, got.Droplet.ID)
		require.Equal(t, holder.ID, w.machines.holder(reserved.IP))
	}
	shown := w.active(two.ID)
	require.Equal(t, reserved.IP, shown.Networks.V4[2].IPAddress, "one more public address of its Droplet")
	require.Len(t, w.active(one.ID).Networks.V4, 2)

	second, _, err := w.client.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{DropletID: one.ID})
	require.NoError(t, err)
	w.eventually("assigned from the start", func() bool { return w.machines.holder(second.IP) == one.ID })
	_, _, err = w.client.ReservedIPActions.Assign(ctx, second.IP, two.ID)
	require.True(t, err != nil)
	w.eventually("one for each Droplet", func() bool {
		_, _, err = w.client.ReservedIPActions.Assign(ctx, second.IP, two.ID)
		var refusal *godo.ErrorResponse
		return errors.As(err, &refusal) && refusal.Message == "The droplet already has a reserved IP."
	})

	_, err = w.client.Droplets.Delete(ctx, two.ID)
	require.NoError(t, err)
	w.eventually("free again, and not deleted", func() bool {
		got, _, err := w.client.ReservedIPs.Get(ctx, reserved.IP)
		require.NoError(t, err)
		return got.Droplet == nil
	})
	w.eventually("packets too", func() bool { return w.machines.holder(reserved.IP) == 0 })
	_, err = w.client.ReservedIPs.Delete(ctx, reserved.IP)
	require.NoError(t, err)
	_, err = w.client.ReservedIPs.Delete(ctx, reserved.IP)
	refused(t, err, 404, "could not be found")
	_, err = w.client.ReservedIPs.Delete(ctx, "rubbish")
	refused(t, err, 404, "could not be found")

	old, _, err := w.client.FloatingIPs.Get(ctx, second.IP) //nolint:staticcheck // the old name is what is tested
	require.NoError(t, err)
	require.Equal(t, one.ID, old.Droplet.ID)
	for body, why := range map[string]string{`{"region":"mars1"}`: "Region is invalid", `{"droplet_id":1}`: "droplet is not found"} {
		status, answer, _ := w.raw("POST", "/v2/reserved_ips", body)
		require.Equal(t, 422, status)
		require.Contains(t, answer["message"], why)
	}
}
