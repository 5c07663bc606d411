package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
)

// What a pretended DigitalOcean usually gets wrong, one test for each.

func TestPitfall01InstantSuccess(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	release := w.machines.hold()
	defer release()

	droplet, answer, err := w.Droplets.Create(ctx, request("web"))
	require.NoError(t, err)
	require.Equal(t, 202, answer.StatusCode)
	require.Equal(
		t,
		[]any{"new", true},
		[]any{droplet.Status, droplet.Locked},
	)
	require.Empty(t, droplet.Networks.V4)

	action, _, err := w.Actions.Get(ctx, answer.Links.Actions[0].ID)
	require.NoError(t, err)
	require.Equal(t, "in-progress", action.Status)
	require.Nil(t, action.CompletedAt)
}

func TestPitfall02NetworksLate(t *testing.T) {
	w := newWorld(t, func(o *api.Options) {
		o.Delays.Network = 50 * time.Millisecond
	})
	droplet := w.create(request("web"))
	require.Empty(t, droplet.Networks.V4, "active comes before the addresses")
	w.eventually("addresses shown", func() bool {
		return len(w.active(droplet.ID).Networks.V4) == 2
	})
}

func TestPitfall04LockedWhilePending(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("web"))
	release := w.machines.hold()
	action, _, err := w.DropletActions.Shutdown(ctx, droplet.ID)
	require.NoError(t, err)

	_, _, err = w.DropletActions.Shutdown(ctx, droplet.ID)
	refused(t, err, 422, "Droplet already has a pending event.")

	got, _, err := w.Droplets.Get(ctx, droplet.ID)
	require.NoError(t, err)
	require.True(t, got.Locked)
	release()

	w.eventually("off and unlocked at once", func() bool {
		got, _, err := w.Droplets.Get(ctx, droplet.ID)
		require.NoError(t, err)
		require.Equal(t, got.Locked, got.Status == "active", "status and lock change together")

		return !got.Locked
	})

	require.Equal(t, "completed", w.done(action).Status)
}

func TestPitfall05PowerOffOfOneThatIsOff(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("web"))
	w.did(w.DropletActions.PowerOff(ctx, droplet.ID))

	_, _, err := w.DropletActions.PowerOff(ctx, droplet.ID)
	refused(t, err, 422, "Droplet is already powered off")

	action, _, err := w.DropletActions.Shutdown(ctx, droplet.ID)
	require.NoError(t, err, "a shutdown of one that is off is no error")
	require.Equal(t, "completed", w.done(action).Status)
}

func TestPitfall06ResizeOnlyWhenOff(t *testing.T) { TestResize(t) }

func TestPitfall07SnapshotHasTwoFaces(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("web"))
	action, _, err := w.DropletActions.Snapshot(ctx, droplet.ID, "kept")
	require.NoError(t, err)
	require.Equal(t, "droplet", action.ResourceType)

	action = w.done(action)
	images, _, err := w.Droplets.Snapshots(ctx, droplet.ID, nil)
	require.NoError(t, err)
	require.Len(t, images, 1)

	require.Equal(t,
		action.StartedAt.Format(time.RFC3339),
		images[0].Created,
		"its time is the action's start",
	)

	require.Equal(t, []any{"snapshot", false, ""}, []any{
		images[0].Type, images[0].Public, images[0].Slug,
	})

	snapshot, _, err := w.Snapshots.Get(ctx, itoa(images[0].ID))
	require.NoError(t, err)

	require.Equal(t,
		[]string{itoa(images[0].ID), itoa(droplet.ID)},
		[]string{snapshot.ID, snapshot.ResourceID},
	)

	got := w.active(droplet.ID)
	require.Equal(t, []int{images[0].ID}, got.SnapshotIDs)

	w.destroy(droplet.ID)

	w.eventually("Droplet gone", func() bool {
		_, _, err := w.Droplets.Get(ctx, droplet.ID)
		return err != nil
	})

	_, _, err = w.Images.GetByID(ctx, images[0].ID)
	require.NoError(t, err, "it outlives its Droplet")
}

func TestPitfall08ImageInOneRegion(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("web"))
	w.did(w.DropletActions.Snapshot(ctx, droplet.ID, "kept"))

	id := w.active(droplet.ID).SnapshotIDs[0]
	elsewhere := request("other")
	elsewhere.Region = "fra1"
	elsewhere.Image = godo.DropletCreateImage{ID: id}
	_, _, err := w.Droplets.Create(ctx, elsewhere)
	refused(t, err, 422, "not available in the region fra1")

	byName := request("other")
	byName.Image = godo.DropletCreateImage{Slug: "kept"}
	_, _, err = w.Droplets.Create(ctx, byName)
	refused(t, err, 422, "invalid image")

	transfer, _, err := w.ImageActions.Transfer(
		ctx,
		id,
		&godo.ActionRequest{"type": "transfer", "region": "fra1"},
	)
	require.NoError(t, err)
	require.Equal(t, "completed", w.done(transfer).Status)

	_, _, err = w.Droplets.Create(ctx, elsewhere)
	require.NoError(t, err)
}

func TestPitfall09RebuildKeepsAddresses(t *testing.T) { TestRebuild(t) }

func TestPitfall10DeleteIsNotInstant(t *testing.T) {
	w := newWorld(t, func(o *api.Options) {
		o.Delays.Delete = 50 * time.Millisecond
	})
	ctx := t.Context()
	vpc, _, err := w.VPCs.Create(ctx, &godo.VPCCreateRequest{
		Name:       "inner",
		RegionSlug: "nyc3",
	})
	require.NoError(t, err)

	ask := request("web")
	ask.VPCUUID = vpc.ID
	ask.Tags = []string{"gone"}
	droplet := w.create(ask)
	other := w.create(request("other"))
	answer, err := w.Droplets.DeleteByTag(ctx, "gone")
	require.NoError(t, err)
	require.Equal(t, 204, answer.StatusCode)

	_, _, err = w.Droplets.Get(ctx, droplet.ID)
	require.NoError(t, err, "it is still seen")

	_, err = w.Droplets.Delete(ctx, droplet.ID)
	refused(t, err, 404, "could not be found")

	_, err = w.VPCs.Delete(ctx, vpc.ID)
	refused(t, err, 403, "")

	w.eventually("gone", func() bool {
		_, err := w.VPCs.Delete(ctx, vpc.ID)
		return err == nil
	})

	_, _, err = w.Droplets.Get(ctx, droplet.ID)
	refused(t, err, 404, "could not be found")
	w.active(other.ID)
}

func TestPitfall11Tags(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ask := request("web")
	ask.Tags = []string{"Front:one"}
	first := w.create(ask)
	ask.Tags = []string{"front:ONE"}
	require.Equal(t,
		[]string{"Front:one"},
		w.create(ask).Tags,
		"the first spelling wins",
	)

	found, _, err := w.Droplets.ListByTag(ctx, "FRONT:one", nil)
	require.NoError(t, err)
	require.Len(t, found, 2, "matching ignores case")

	none, answer, err := w.Droplets.ListByTag(ctx, "nobody", nil)
	require.NoError(t, err)
	require.Empty(t, none)
	require.Equal(t, 200, answer.StatusCode)

	_, err = w.Tags.Delete(ctx, "Front:one")
	require.NoError(t, err)
	require.Empty(t, w.active(first.ID).Tags, "untagged, not deleted")

	for _, name := range []string{
		"a b",
		"",
		strings.Repeat("x", 256),
		"é",
	} {
		_, _, err := w.Tags.Create(ctx, &godo.TagCreateRequest{Name: name})
		refused(t, err, 422, "no tag")
	}
}

func TestPitfall19DefaultVPC(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("web"))
	vpc, _, err := w.VPCs.Get(ctx, droplet.VPCUUID)
	require.NoError(t, err)
	require.True(t, vpc.Default)

	_, err = w.VPCs.Delete(ctx, vpc.ID)
	refused(t, err, 403, "")

	private, err := droplet.PrivateIPv4()
	require.NoError(t, err)

	require.True(t,
		strings.HasPrefix(private, vpc.IPRange[:strings.Index(vpc.IPRange, ".0.0/")]),
		"%s is of %s",
		private,
		vpc.IPRange,
	)
}

func TestPitfall20TwoPublicAddresses(t *testing.T) {
	w := newWorld(t)
	droplet := w.create(request("web"))
	own, err := droplet.PublicIPv4()
	require.NoError(t, err)

	reserved, _, err := w.ReservedIPs.Create(
		t.Context(),
		&godo.ReservedIPCreateRequest{DropletID: droplet.ID},
	)
	require.NoError(t, err)

	w.eventually("both are listed, its own first", func() bool {
		public := []string{}
		for _, address := range w.active(droplet.ID).Networks.V4 {
			if address.Type == "public" {
				public = append(public, address.IPAddress)
			}
		}

		return fmt.Sprint(public) == fmt.Sprint([]string{own, reserved.IP})
	})
}

func TestPitfall21Features(t *testing.T) {
	w := newWorld(t)
	ask := request("web")
	ask.Backups = true
	ask.IPv6 = true
	ask.Monitoring = true

	require.ElementsMatch(t,
		[]string{"backups", "ipv6", "monitoring", "private_networking"},
		w.create(ask).Features,
	)

	require.Equal(t,
		[]string{"private_networking"},
		w.create(request("plain")).Features,
	)
}
