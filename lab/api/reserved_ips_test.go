package api_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func TestReservedIPs(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	one, two := w.create(request("one")), w.create(request("two"))
	reserved, answer, err := w.client.ReservedIPs.Create(ctx,
		&godo.ReservedIPCreateRequest{Region: "nyc3"},
	)
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
	require.Equal(t,
		reserved.IP,
		shown.Networks.V4[2].IPAddress,
		"one more public address of its Droplet",
	)

	require.Len(t, w.active(one.ID).Networks.V4, 2)

	second, _, err := w.client.ReservedIPs.Create(ctx,
		&godo.ReservedIPCreateRequest{DropletID: one.ID},
	)
	require.NoError(t, err)
	w.eventually("assigned from the start", func() bool {
		return w.machines.holder(second.IP) == one.ID
	})

	_, _, err = w.client.ReservedIPActions.Assign(ctx, second.IP, two.ID)
	require.True(t, err != nil)

	w.eventually("one for each Droplet", func() bool {
		_, _, err = w.client.ReservedIPActions.Assign(ctx, second.IP, two.ID)
		var refusal *godo.ErrorResponse

		return errors.As(err,
			&refusal,
		) && refusal.Message == "The droplet already has a reserved IP."
	})

	_, err = w.client.Droplets.Delete(ctx, two.ID)
	require.NoError(t, err)

	w.eventually("free again, and not deleted", func() bool {
		got, _, err := w.client.ReservedIPs.Get(ctx, reserved.IP)
		require.NoError(t, err)
		return got.Droplet == nil
	})

	w.eventually("packets too", func() bool {
		return w.machines.holder(reserved.IP) == 0
	})

	_, err = w.client.ReservedIPs.Delete(ctx, reserved.IP)
	require.NoError(t, err)

	_, err = w.client.ReservedIPs.Delete(ctx, reserved.IP)
	refused(t, err, 404, "could not be found")

	_, err = w.client.ReservedIPs.Delete(ctx, "rubbish")
	refused(t, err, 404, "could not be found")

	//nolint:staticcheck // the old name is what is tested
	old, _, err := w.client.FloatingIPs.Get(ctx, second.IP)
	require.NoError(t, err)
	require.Equal(t, one.ID, old.Droplet.ID)

	for body, why := range map[string]string{`{"region":"mars1"}`: "Region is invalid", `{"droplet_id":1}`: "droplet is not found"} {
		status, answer, _ := w.raw("POST", "/v2/reserved_ips", body)
		require.Equal(t, 422, status)
		require.Contains(t, answer["message"], why)
	}
}

func TestReservedIPsRefused(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("one"))
	far, _, err := w.client.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{Region: "fra1"})
	require.NoError(t, err)

	_, _, err = w.client.ReservedIPActions.Assign(ctx, far.IP, droplet.ID)
	refused(t, err, 422, "same region")

	_, _, err = w.client.ReservedIPActions.Assign(ctx, far.IP, 1)
	refused(t, err, 422, "not found")

	_, _, err = w.client.ReservedIPActions.Assign(ctx, "198.51.100.250", droplet.ID)
	refused(t, err, 404, "could not be found")

	status, answer, _ := w.raw("POST", "/v2/reserved_ips/"+far.IP+"/actions", `{"type":"polish"}`)
	require.Equal(t,
		[]any{422, `type must be assign or unassign, not "polish"`},
		[]any{status, answer["message"]},
	)

	_, _, err = w.client.ReservedIPActions.Get(ctx, far.IP, 1)
	refused(t, err, 404, "could not be found")

	release := w.machines.hold()

	status, answer, _ = w.raw(
		"POST",
		"/v2/reserved_ips",
		fmt.Sprintf(`{"droplet_id":%d}`, droplet.ID),
	)
	require.Equal(t, 202, status)

	link := answer["links"].(map[string]any)["actions"].([]any)[0].(map[string]any)
	require.Equal(t, "assign_ip", link["rel"])

	reserved := answer["reserved_ip"].(map[string]any)
	require.Equal(t, true, reserved["locked"])

	_, _, err = w.client.ReservedIPs.Create(ctx,
		&godo.ReservedIPCreateRequest{DropletID: droplet.ID},
	)
	refused(t, err, 422, "already has a reserved IP")

	_, err = w.client.ReservedIPs.Delete(ctx, reserved["ip"].(string))
	refused(t, err, 422, "pending event")

	_, _, err = w.client.ReservedIPActions.Unassign(ctx, reserved["ip"].(string))
	refused(t, err, 422, "pending event")
	release()

	action := w.done(&godo.Action{ID: int(link["id"].(float64))})
	address := netip.MustParseAddr(reserved["ip"].(string)).As4()
	require.Equal(t,
		int(binary.BigEndian.Uint32(address[:])),
		action.ResourceID,
		"the address as a number",
	)

	require.Equal(t,
		[]string{"completed", "reserved_ip"},
		[]string{action.Status, action.ResourceType},
	)

	_, err = w.client.ReservedIPs.Delete(ctx, reserved["ip"].(string))
	require.NoError(t, err, "one that is assigned goes, too")
	require.Zero(t, w.machines.holder(reserved["ip"].(string)))

	account, _, err := w.client.Account.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, account.ReservedIPLimit, account.FloatingIPLimit)

	for range account.ReservedIPLimit - 1 {
		_, _, err := w.client.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{Region: "nyc3"})
		require.NoError(t, err)
	}

	_, _, err = w.client.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{Region: "nyc3"})
	refused(t, err, 422, "limit")
}

func TestAReservedIPsMoveSurvivesACrash(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("one"))
	reserved, _, err := w.client.ReservedIPs.Create(ctx,
		&godo.ReservedIPCreateRequest{Region: "nyc3"},
	)
	require.NoError(t, err)

	release := w.machines.hold()
	action, _, err := w.client.ReservedIPActions.Assign(ctx, reserved.IP, droplet.ID)
	require.NoError(t, err)
	w.stop()
	release()
	w.start()
	require.Equal(t, "completed", w.done(action).Status)

	got, _, err := w.client.ReservedIPs.Get(ctx, reserved.IP)
	require.NoError(t, err)
	require.Equal(t, droplet.ID, got.Droplet.ID)
	require.False(t, got.Locked)
	w.machines.forgetHolders() // the computer was rebooted
	w.stop()
	w.start()
	require.Equal(t, droplet.ID, w.machines.holder(reserved.IP))
}
