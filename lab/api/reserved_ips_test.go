package api_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

// reserve reserves an address for a region.
func (w *world) reserve(region string) *godo.ReservedIP {
	w.t.Helper()
	reserved, _, err := w.ReservedIPs.Create(w.t.Context(), &godo.ReservedIPCreateRequest{Region: region})
	require.NoError(w.t, err)

	return reserved
}

// reserveFor reserves an address for a Droplet, and waits until the Droplet has it.
func (w *world) reserveFor(droplet int) *godo.ReservedIP {
	w.t.Helper()
	reserved, _, err := w.ReservedIPs.Create(w.t.Context(), &godo.ReservedIPCreateRequest{DropletID: droplet})
	require.NoError(w.t, err)

	w.eventually("assigned from the start", func() bool {
		got, _, err := w.ReservedIPs.Get(w.t.Context(), reserved.IP)
		require.NoError(w.t, err)

		return got.Droplet != nil && got.Droplet.ID == droplet && !got.Locked
	})
	require.Equal(w.t, droplet, w.machines.holder(reserved.IP))

	return reserved
}

func TestReservedIPMovesFromDropletToDroplet(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	actions := w.ReservedIPActions
	one := w.create(request("one"))
	two := w.create(request("two"))

	reserved, answer, err := w.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{Region: "nyc3"})
	require.NoError(t, err)
	require.Equal(t, 202, answer.StatusCode)
	require.Equal(t, "nyc3", reserved.Region.Slug)
	require.Nil(t, reserved.Droplet)
	require.NotEmpty(t, reserved.ProjectID)

	_, _, err = actions.Unassign(ctx, reserved.IP)
	refused(t, err, 422, "not assigned")

	for _, holder := range []*godo.Droplet{one, one, two} {
		release := w.machines.hold()
		action, answer, err := actions.Assign(ctx, reserved.IP, holder.ID)
		require.NoError(t, err)
		require.Equal(t, 201, answer.StatusCode)
		require.Equal(t, "assign_ip", action.Type)

		_, _, err = actions.Assign(ctx, reserved.IP, holder.ID)
		refused(t, err, 422, "pending event")

		release()

		w.eventually("assigned", func() bool {
			got, _, err := actions.Get(ctx, reserved.IP, action.ID)
			require.NoError(t, err)

			return got.Status == godo.ActionCompleted
		})

		got, _, err := w.ReservedIPs.Get(ctx, reserved.IP)
		require.NoError(t, err)
		require.False(t, got.Locked)
		require.Equal(t, holder.ID, got.Droplet.ID)
		require.Equal(t, holder.ID, w.machines.holder(reserved.IP))
	}

	shown := w.active(two.ID).Networks.V4
	require.Equal(t, reserved.IP, shown[2].IPAddress, "one more public address of its Droplet")
	require.Len(t, w.active(one.ID).Networks.V4, 2)
}

func TestADropletHasOneReservedIP(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("two"))
	w.reserveFor(droplet.ID)
	second := w.reserveFor(w.create(request("one")).ID)

	w.eventually("one for each Droplet", func() bool {
		_, _, err := w.ReservedIPActions.Assign(ctx, second.IP, droplet.ID)
		require.Error(t, err)

		var refusal *godo.ErrorResponse
		require.ErrorAs(t, err, &refusal)

		return refusal.Message == "The droplet already has a reserved IP."
	})
}

func TestReservedIPOutlivesItsDroplet(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("two"))
	reserved := w.reserveFor(droplet.ID)
	w.active(droplet.ID)

	w.destroy(droplet.ID)

	w.eventually("free again, and not deleted", func() bool {
		got, _, err := w.ReservedIPs.Get(ctx, reserved.IP)
		require.NoError(t, err)

		return got.Droplet == nil
	})

	w.eventually("packets too", func() bool {
		return w.machines.holder(reserved.IP) == 0
	})

	_, err := w.ReservedIPs.Delete(ctx, reserved.IP)
	require.NoError(t, err)

	_, err = w.ReservedIPs.Delete(ctx, reserved.IP)
	refused(t, err, 404, "could not be found")

	_, err = w.ReservedIPs.Delete(ctx, "rubbish")
	refused(t, err, 404, "could not be found")
}

func TestReservedIPHasItsOldName(t *testing.T) {
	w := newWorld(t)
	droplet := w.create(request("one"))
	reserved := w.reserveFor(droplet.ID)

	//nolint:staticcheck // the old name is what is tested
	old, _, err := w.FloatingIPs.Get(t.Context(), reserved.IP)
	require.NoError(t, err)
	require.Equal(t, droplet.ID, old.Droplet.ID)
}

func TestReservedIPsRefused(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	actions := w.ReservedIPActions
	droplet := w.create(request("one"))
	far := w.reserve("fra1")

	for body, why := range map[string]string{
		`{"region":"mars1"}`: "Region is invalid",
		`{"droplet_id":1}`:   "droplet is not found",
	} {
		status, answer, _ := w.raw("POST", "/v2/reserved_ips", body)
		require.Equal(t, 422, status)
		require.Contains(t, answer["message"], why)
	}

	_, _, err := actions.Assign(ctx, far.IP, droplet.ID)
	refused(t, err, 422, "same region")

	_, _, err = actions.Assign(ctx, far.IP, 1)
	refused(t, err, 422, "not found")

	_, _, err = actions.Assign(ctx, "198.51.100.250", droplet.ID)
	refused(t, err, 404, "could not be found")

	status, answer, _ := w.raw("POST", "/v2/reserved_ips/"+far.IP+"/actions", `{"type":"polish"}`)
	require.Equal(t, 422, status)
	require.Equal(t, `type must be assign or unassign, not "polish"`, answer["message"])

	_, _, err = actions.Get(ctx, far.IP, 1)
	refused(t, err, 404, "could not be found")
}

func TestReservedIPIsLockedWhileItIsAssigned(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("one"))
	release := w.machines.hold()

	status, answer, _ := w.raw("POST", "/v2/reserved_ips", fmt.Sprintf(`{"droplet_id":%d}`, droplet.ID))
	require.Equal(t, 202, status)

	link := answer["links"].(map[string]any)["actions"].([]any)[0].(map[string]any)
	require.Equal(t, "assign_ip", link["rel"])

	reserved := answer["reserved_ip"].(map[string]any)
	require.Equal(t, true, reserved["locked"])
	ip := reserved["ip"].(string)

	_, _, err := w.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{DropletID: droplet.ID})
	refused(t, err, 422, "already has a reserved IP")

	_, err = w.ReservedIPs.Delete(ctx, ip)
	refused(t, err, 422, "pending event")

	_, _, err = w.ReservedIPActions.Unassign(ctx, ip)
	refused(t, err, 422, "pending event")

	release()

	action := w.done(&godo.Action{ID: int(link["id"].(float64))})
	address := netip.MustParseAddr(ip).As4()
	number := int(binary.BigEndian.Uint32(address[:]))
	require.Equal(t, number, action.ResourceID, "the address as a number")
	require.Equal(t, "completed", action.Status)
	require.Equal(t, "reserved_ip", action.ResourceType)

	_, err = w.ReservedIPs.Delete(ctx, ip)
	require.NoError(t, err, "one that is assigned goes, too")
	require.Zero(t, w.machines.holder(ip))
}

func TestReservedIPsAreLimited(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()

	account, _, err := w.Account.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, account.ReservedIPLimit, account.FloatingIPLimit)

	for range account.ReservedIPLimit {
		w.reserve("nyc3")
	}

	_, _, err = w.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{Region: "nyc3"})
	refused(t, err, 422, "limit")
}

func TestAReservedIPsMoveSurvivesACrash(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("one"))
	reserved, _, err := w.ReservedIPs.Create(ctx,
		&godo.ReservedIPCreateRequest{Region: "nyc3"},
	)
	require.NoError(t, err)

	release := w.machines.hold()
	action, _, err := w.ReservedIPActions.Assign(ctx, reserved.IP, droplet.ID)
	require.NoError(t, err)
	w.stop()
	release()
	w.start()
	require.Equal(t, "completed", w.done(action).Status)

	got, _, err := w.ReservedIPs.Get(ctx, reserved.IP)
	require.NoError(t, err)
	require.Equal(t, droplet.ID, got.Droplet.ID)
	require.False(t, got.Locked)
	w.machines.forgetHolders() // the computer was rebooted
	w.stop()
	w.start()
	require.Equal(t, droplet.ID, w.machines.holder(reserved.IP))
}
