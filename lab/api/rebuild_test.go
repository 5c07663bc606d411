package api_test

import (
	"fmt"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func TestResize(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("web"))
	_, _, err := w.DropletActions.Resize(ctx, droplet.ID, "s-1vcpu-2gb", true)
	refused(t, err, 422, "powered off")

	w.did(w.DropletActions.PowerOff(ctx, droplet.ID))

	_, _, err = w.DropletActions.PowerOff(ctx, droplet.ID)
	refused(t, err, 422, "Droplet is already powered off")

	for size, why := range map[string]string{
		"huge":               "invalid size",
		"s-1vcpu-512mb-10gb": "smaller disk",
		"s-1vcpu-1gb":        "already the size",
	} {
		_, _, err = w.DropletActions.Resize(ctx, droplet.ID, size, false)
		refused(t, err, 422, why)
	}

	for _, c := range []struct {
		size         string
		withDisk     bool
		memory, disk int
	}{{
		size:     "s-1vcpu-2gb",
		withDisk: false,
		memory:   2048,
		disk:     25,
	}, {
		size:     "s-2vcpu-4gb",
		withDisk: true,
		memory:   4096,
		disk:     80,
	}} {
		action, _, err := w.DropletActions.Resize(
			ctx,
			droplet.ID,
			c.size,
			c.withDisk,
		)
		require.NoError(t, err)
		require.Equal(t, "completed", w.done(action).Status)

		got := w.until(droplet.ID, "off")
		require.Equal(t,
			[]any{c.size, c.size, c.memory, c.disk},
			[]any{got.SizeSlug, got.Size.Slug, got.Memory, got.Disk},
		)

		require.Equal(t, c.memory, w.machines.machine(droplet.ID).Memory)
	}

	_, _, err = w.DropletActions.Resize(ctx, droplet.ID, "s-1vcpu-2gb", false)
	refused(t, err, 422, "smaller disk")
}

func TestRebuild(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("web"))
	release := w.machines.hold()
	action, _, err := w.DropletActions.RebuildByImageSlug(ctx, droplet.ID, "debian-12-x64")
	require.NoError(t, err)

	_, _, err = w.DropletActions.RebuildByImageSlug(ctx, droplet.ID, "debian-12-x64")
	refused(t, err, 422, "Droplet already has a pending event.")
	release()
	require.Equal(t, "completed", w.done(action).Status)

	got := w.active(droplet.ID)
	require.Equal(t, "debian-12-x64", got.Image.Slug)
	require.Equal(t, droplet.Networks, got.Networks, "addresses stay")
	require.Equal(t, "debian-12-x64", w.machines.machine(droplet.ID).Root)
	require.True(t, w.machines.Running(droplet.ID))

	_, _, err = w.DropletActions.RebuildByImageID(ctx, droplet.ID, 1)
	refused(t, err, 422, "invalid image")

	_, _, err = w.DropletActions.Restore(
		ctx,
		droplet.ID,
		got.Image.ID,
	)
	refused(t, err, 422, "no backup or snapshot of this Droplet")
}

func TestActionsThatChangeWhatIsWrittenDown(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("web"))
	do := func(action *godo.Action, _ *godo.Response, err error) *godo.Droplet {
		require.NoError(t, err)
		require.Equal(t, "completed", w.done(action).Status)
		return w.active(droplet.ID)
	}

	require.Contains(
		t,
		do(w.DropletActions.EnableBackups(ctx, droplet.ID)).Features,
		"backups",
	)

	require.NotContains(
		t,
		do(w.DropletActions.DisableBackups(ctx, droplet.ID)).Features,
		"backups",
	)

	_, _, err := w.DropletActions.DisableBackups(ctx, droplet.ID)
	refused(t, err, 422, "not enabled")

	require.Contains(
		t,
		do(w.DropletActions.EnableIPv6(ctx, droplet.ID)).Features,
		"ipv6",
	)

	_, _, err = w.DropletActions.EnableIPv6(ctx, droplet.ID)
	refused(t, err, 422, "already enabled")
	do(w.DropletActions.PasswordReset(ctx, droplet.ID))

	require.Equal(
		t,
		"renamed",
		do(w.DropletActions.Rename(ctx, droplet.ID, "renamed")).Name,
	)

	_, _, err = w.DropletActions.ChangeKernel(ctx, droplet.ID, 7)
	refused(t, err, 422, "kernel")

	status, body, _ := w.raw(
		"POST",
		fmt.Sprintf("/v2/droplets/%d/actions", droplet.ID),
		`{"type":"explode"}`,
	)
	require.Equal(t, 422, status)
	require.Contains(t, body["message"], "does not know")
}
