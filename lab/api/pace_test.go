package api_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
)

func TestProfilesAndDelays(t *testing.T) {
	instant, err := api.Profile("instant")
	require.NoError(t, err)
	require.Equal(t, api.Delays{}, instant)

	delays, err := api.Profile("real")
	require.NoError(t, err)
	require.Positive(t, delays.Network)
	require.NoError(t, delays.Set("create=3s"))
	require.Equal(t, 3*time.Second, delays.Create)

	require.ErrorContains(t,
		delays.Set("creation=3s"),
		"action, balancer, create, delete, network, release, snapshot, transfer",
	)

	require.ErrorContains(t, delays.Set("create=-1s"), "no duration")
	require.ErrorContains(t, delays.Set("create"), "no duration")

	_, err = api.Profile("slow")
	require.ErrorContains(t, err, "instant or real")
}

func TestRateLimits(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := newWorld(t, func(o *api.Options) {
		o.RateLimit = true
		o.Now = func() time.Time { return now }
	})

	for range 10 {
		status, _, header := w.raw("GET", "/v2/account/keys", "")
		require.Equal(t, 200, status)
		require.Empty(t, header.Get("retry-after"))
	}

	status, body, header := w.raw("GET", "/v2/account/keys", "")
	require.Equal(t, 429, status)
	require.Equal(t, "too_many_requests", body["id"])
	require.Equal(t, "61", header.Get("retry-after"))

	for n := range 250 - 11 {
		status, _, header = w.raw("DELETE", fmt.Sprintf("/v2/tags/none-%d", n), "")
		require.Equal(t, 404, status)
	}

	require.Equal(t, "4750", header.Get("ratelimit-remaining"), "on errors, too")

	status, _, _ = w.raw("GET", "/v2/regions", "")
	require.Equal(t, 429, status, "250 a minute")

	status, _, _ = w.raw("GET", "/lab/v1/status", "")
	require.Equal(t, 200, status, "the lab's own paths have no limit")

	now = now.Add(time.Minute)
	status, _, _ = w.raw("GET", "/v2/regions", "")
	require.Equal(t, 200, status)
}

func TestWhatADropletHeldIsFreedLate(t *testing.T) {
	w := newWorld(t, func(o *api.Options) {
		o.Delays.Release = 300 * time.Millisecond
	})
	ctx := t.Context()
	droplet := w.create(request("db"))

	volume, _, err := w.Storage.CreateVolume(ctx, &godo.VolumeCreateRequest{
		Region:        "nyc3",
		Name:          "data",
		SizeGigaBytes: 1,
	})
	require.NoError(t, err)

	w.did(w.StorageActions.Attach(ctx, volume.ID, droplet.ID))

	w.destroy(droplet.ID)

	w.eventually("the Droplet is gone", func() bool {
		_, answer, _ := w.Droplets.Get(ctx, droplet.ID)
		return answer.StatusCode == 404
	})

	_, err = w.Storage.DeleteVolume(ctx, volume.ID)
	refused(t, err, 409, "attached")

	w.eventually("the volume is free", func() bool {
		_, err := w.Storage.DeleteVolume(ctx, volume.ID)
		return err == nil
	})
}
