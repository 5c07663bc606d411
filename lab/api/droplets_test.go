package api_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/lab/state"
)

var errBroken = errors.New("broken on purpose")

func TestANewDropletIsLockedUntilItIsActive(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	release := w.machines.hold()

	droplet, answer, err := w.Droplets.Create(ctx, request("demo-db-1"))
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, answer.StatusCode)
	require.Equal(t, "new", droplet.Status)
	require.True(t, droplet.Locked)
	require.NotNil(t, droplet.Networks)
	require.Empty(t, droplet.Networks.V4)

	require.Len(t, answer.Links.Actions, 1)
	link := answer.Links.Actions[0]
	require.Equal(t, "create", link.Rel)
	require.True(t, strings.HasPrefix(link.HREF, w.http.URL+"/v2/actions/"))

	action, _, err := w.Actions.Get(ctx, link.ID)
	require.NoError(t, err)
	require.Equal(t, godo.ActionInProgress, action.Status)
	require.Nil(t, action.CompletedAt)

	_, _, err = w.DropletActions.PowerOff(ctx, droplet.ID)
	refused(t, err, 422, "Droplet already has a pending event.")

	_, err = w.Droplets.Delete(ctx, droplet.ID)
	refused(t, err, 422, "Droplet already has a pending event.")

	release()

	action = w.done(action)
	require.Equal(t, godo.ActionCompleted, action.Status)
	require.NotNil(t, action.CompletedAt)
}

func TestAnActiveDropletIsWhatWasAskedFor(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()

	key, _, err := w.Keys.Create(ctx, &godo.KeyCreateRequest{
		Name:      "me",
		PublicKey: publicKey(t),
	})
	require.NoError(t, err)

	ask := request("demo-db-1")
	ask.SSHKeys = []godo.DropletCreateSSHKey{{ID: key.ID}}
	ask.UserData = "#cloud-config\n"
	ask.Tags = []string{"hornero"}
	ask.Monitoring = true
	droplet := w.create(ask)

	public, err := droplet.PublicIPv4()
	require.NoError(t, err)
	require.Regexp(t, `^198\.51\.100\.\d+$`, public)
	require.Equal(t, []string{"monitoring", "private_networking"}, droplet.Features)
	require.Equal(t, "debian-13-x64", droplet.Image.Slug)
	require.Equal(t, 1024, droplet.Size.Memory)

	machine := w.machines.machine(droplet.ID)
	require.Equal(t, "demo-db-1", machine.Name)
	require.Equal(t, "#cloud-config\n", machine.UserData)
	require.Equal(
		t,
		[]string{strings.TrimSpace(key.PublicKey)},
		machine.PublicKeys,
	)

	byName, _, err := w.Droplets.ListByName(ctx, "demo-db-1", nil)
	require.NoError(t, err)
	require.Len(t, byName, 1)
}

func TestADeletedDropletIsSeenUntilItIsGone(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("demo-db-1"))
	release := w.machines.hold()

	w.destroy(droplet.ID)

	_, _, err := w.Droplets.Get(ctx, droplet.ID)
	require.NoError(t, err, "still seen while it is being destroyed")

	_, err = w.Droplets.Delete(ctx, droplet.ID)
	refused(t, err, 404, "")

	release()

	w.eventually("gone", func() bool {
		_, answer, _ := w.Droplets.Get(ctx, droplet.ID)
		return answer.StatusCode == 404
	})

	require.Empty(t, w.machines.ids())
}

func TestCreateMany(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplets, answer, err := w.Droplets.CreateMultiple(ctx, &godo.DropletMultiCreateRequest{
		Names:  []string{"a", "b", "c"},
		Region: "nyc3",
		Size:   "s-1vcpu-1gb",
		Image:  godo.DropletCreateImage{Slug: "debian-12-x64"},
	})
	require.NoError(t, err)
	require.Len(t, droplets, 3)
	require.Len(t, answer.Links.Actions, 3)

	seen := map[string]bool{}

	for _, droplet := range droplets {
		public, err := w.active(droplet.ID).PublicIPv4()
		require.NoError(t, err)
		seen[public] = true
	}

	require.Len(t, seen, 3)

	// A freed address is not given again at once.
	_, err = w.Droplets.Delete(ctx, droplets[2].ID)
	require.NoError(t, err)
	w.eventually("gone", func() bool {
		return len(w.machines.ids()) == 2
	})

	again, err := w.create(request("d")).PublicIPv4()
	require.NoError(t, err)
	require.False(t, seen[again])
}

func TestCreateRefusals(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		change  func(*godo.DropletCreateRequest)
		message string
	}{
		"no name": {
			change:  func(r *godo.DropletCreateRequest) { r.Name = "" },
			message: "Name can't be blank",
		},
		"bad name": {
			change:  func(r *godo.DropletCreateRequest) { r.Name = "under_score" },
			message: "Only valid hostname characters",
		},
		"region": {
			change:  func(r *godo.DropletCreateRequest) { r.Region = "mars1" },
			message: "invalid region",
		},
		"size": {
			change:  func(r *godo.DropletCreateRequest) { r.Size = "huge" },
			message: "invalid size",
		},
		"image": {
			change:  func(r *godo.DropletCreateRequest) { r.Image.Slug = "debian-9-x64" },
			message: "You specified an invalid image",
		},
		"key": {
			change: func(r *godo.DropletCreateRequest) {
				r.SSHKeys = []godo.DropletCreateSSHKey{{Fingerprint: "aa:bb"}}
			},
			message: "invalid key identifiers",
		},
		"user data": {
			change: func(r *godo.DropletCreateRequest) {
				r.UserData = strings.Repeat("x", 64<<10+1)
			},
			message: "User data is too long",
		},
		"tag": {
			change: func(r *godo.DropletCreateRequest) {
				r.Tags = []string{"a b"}
			},
			message: "no tag",
		},
		"volume": {
			change: func(r *godo.DropletCreateRequest) {
				r.Volumes = []godo.DropletCreateVolume{{ID: "x"}}
			},
			message: "is not found",
		},
	} {
		ask := request("fine")
		c.change(ask)

		_, _, err := w.Droplets.Create(t.Context(), ask)
		refused(t, err, 422, c.message)
		require.Empty(t, w.store.View().Droplets, name)
	}

	largest := request("largest")
	largest.UserData = strings.Repeat("x", 64<<10)
	w.create(largest)
}

func TestPowerActions(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	id := w.create(request("one")).ID

	run := func(action *godo.Action, _ *godo.Response, err error) *godo.Action {
		t.Helper()
		require.NoError(t, err)
		return w.done(action)
	}

	actions := w.DropletActions
	run(actions.Shutdown(ctx, id))
	w.until(id, "off")

	_, _, err := actions.PowerOff(ctx, id)
	refused(t, err, 422, "Droplet is already powered off")

	require.Equal(t,
		godo.ActionCompleted,
		run(actions.Shutdown(ctx, id)).Status,
		"a shutdown of one that is off is no error",
	)

	run(actions.Snapshot(ctx, id, "while-off"))
	w.until(id, "off")
	run(actions.PowerOn(ctx, id))
	w.until(id, "active")
	run(actions.PowerCycle(ctx, id))
	run(actions.Reboot(ctx, id))
	w.until(id, "active")
	run(actions.PowerOff(ctx, id))
	w.until(id, "off")
	run(actions.PowerOn(ctx, id))

	w.machines.set(id, false) // the guest powered itself off
	w.until(id, "off")

	all, _, err := w.Droplets.Actions(ctx, id, nil)
	require.NoError(t, err)
	require.Equal(t, "power_on", all[0].Type, "newest first")
	require.Equal(t, "create", all[len(all)-1].Type)

	got, _, err := actions.Get(ctx, id, all[0].ID)
	require.NoError(t, err)
	require.Equal(t, all[0].ID, got.ID)
}

func TestGuestThatIgnoresShutdown(t *testing.T) {
	w := newWorld(t, func(o *api.Options) { o.ShutdownTimeout = 10 * time.Millisecond })
	id := w.create(request("deaf")).ID
	release := w.machines.hold()
	defer release()

	require.Equal(
		t,
		"errored",
		w.did(w.DropletActions.Shutdown(t.Context(), id)).Status,
	)
	release()
	w.until(id, "active")

	require.Equal(
		t,
		godo.ActionCompleted,
		w.did(w.DropletActions.PowerOff(t.Context(), id)).Status,
	)
}

func TestACreateThatFailsLeavesNothing(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.machines.breakCall("Create", errBroken)

	droplet, answer, err := w.Droplets.Create(ctx, request("one"))
	require.NoError(t, err)

	w.eventually("action errored", func() bool {
		action, _, err := w.Actions.Get(ctx, answer.Links.Actions[0].ID)
		require.NoError(t, err)
		return action.Status == "errored" && action.CompletedAt != nil
	})

	_, _, err = w.Droplets.Get(ctx, droplet.ID)
	refused(t, err, 404, "")
}

func TestDelaysShowTheStatesBetween(t *testing.T) {
	w := newWorld(t, func(o *api.Options) {
		o.Delays.Network = 50 * time.Millisecond
	})
	droplet := w.create(request("late"))
	require.Empty(t, droplet.Networks.V4, "active comes before the addresses")

	w.eventually("addresses shown", func() bool {
		got, _, err := w.Droplets.Get(t.Context(), droplet.ID)
		require.NoError(t, err)
		return len(got.Networks.V4) == 2
	})
}

func TestTheStateSurvivesACrash(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	kept := w.create(request("kept"))
	snapshotting := w.create(request("snapshotting"))
	deleted := w.create(request("deleted"))

	release := w.machines.hold()
	created, answer, err := w.Droplets.Create(ctx, request("halfway"))
	require.NoError(t, err)

	snapshot, _, err := w.DropletActions.Snapshot(ctx, snapshotting.ID, "cut short")
	require.NoError(t, err)

	_, err = w.Droplets.Delete(ctx, deleted.ID)
	require.NoError(t, err)
	w.stop() // nothing that was under way comes to its end
	release()

	w.machines.exists[77] = api.Machine{ID: 77} // the state does not know it

	w.start()
	require.Equal(t, kept.Networks, w.active(kept.ID).Networks)

	require.Equal(t,
		godo.ActionCompleted,
		w.done(&godo.Action{ID: answer.Links.Actions[0].ID}).Status,
	)

	w.active(created.ID)
	require.Equal(t, "errored", w.done(snapshot).Status)
	w.active(snapshotting.ID)
	w.eventually("deletion finished, stray ended", func() bool {
		return len(w.machines.ids()) == 3
	})

	images, _, err := w.Images.ListUser(ctx, nil)
	require.NoError(t, err)
	require.Empty(t, images)
}

func TestAStopPowersOffAndTheNextStartBootsAgain(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ran := w.create(request("ran"))
	off := w.create(request("off"))

	w.did(w.DropletActions.PowerOff(ctx, off.ID))

	ended, err := w.server.PowerOffAll(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, ended)
	require.False(t, w.machines.Running(ran.ID))
	w.stop()
	w.start()
	w.active(ran.ID)
	w.until(off.ID, "off")
}

func TestAChangeThatFailsIsNotSeen(t *testing.T) {
	w := newWorld(t)

	require.ErrorIs(t, w.store.Update(func(d *state.Document) error {
		d.Tags = append(d.Tags, "half")
		return errBroken
	}), errBroken)

	// The document itself may be another by now: the server's own work changes it meanwhile.
	require.NotContains(t, w.store.View().Tags, "half")
}

func itoa(n int) string { return strconv.Itoa(n) }
