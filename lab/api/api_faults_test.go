package api_test

import (
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/state"
)

func TestFaultsOfTheAPI(t *testing.T) {
	w := newWorld(t)
	name := w.fault(`{"kind":"api","match":"GET /v2/images/*/actions/*","status":403,"after":2}`)
	statuses := []int{}

	for range 4 {
		status, _, _ := w.raw("GET", "/v2/images/1/actions/2", "")
		statuses = append(statuses, status)
	}

	require.Equal(t, []int{404, 404, 403, 403}, statuses)
	w.lift(name)

	w.fault(`{"kind":"api","match":"* /v2/**","status":429,"count":1}`)

	status, body, header := w.raw("GET", "/v2/account", "")
	require.Equal(t, 429, status)
	require.Equal(t, "too_many_requests", body["id"])
	require.Equal(t, "1", header.Get("retry-after"))

	status, _, _ = w.raw("GET", "/v2/account", "")
	require.Equal(t, 200, status, "once is enough")

	name = w.fault(`{"kind":"api","match":"POST /v2/tags","cut":true}`)

	get := func(method, path string, body io.Reader) error {
		request, err := http.NewRequest(method, w.http.URL+path, body)
		require.NoError(t, err)

		answer, err := (&http.Client{
			Transport: bearer(token),
			Timeout:   200 * time.Millisecond,
		}).Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()

		_, err = io.ReadAll(answer.Body)

		return err
	}

	_, _, err := w.Tags.Create(t.Context(), &godo.TagCreateRequest{Name: "done"})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(
		t,
		[]string{"done"},
		w.store.View().Tags,
		"what was asked is done",
	)
	w.lift(name)

	name = w.fault(`{"kind":"api","match":"GET /v2/account","hang":true}`)
	var late net.Error
	require.ErrorAs(t, get("GET", "/v2/account", nil), &late)
	require.True(t, late.Timeout())
	w.lift(name)

	name = w.fault(`{"kind":"api","match":"GET /v2/account","delay":"60ms"}`)
	begun := time.Now()
	require.NoError(t, get("GET", "/v2/account", nil))
	require.GreaterOrEqual(t, time.Since(begun), 60*time.Millisecond)
	w.lift(name)
}

func TestFaultsOfActions(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("one"))
	name := w.fault(`{"kind":"action","action":"snapshot","outcome":"hangs"}`)
	action, _, err := w.DropletActions.Snapshot(ctx, droplet.ID, "late")
	require.NoError(t, err)

	_, err = w.Droplets.Delete(ctx, droplet.ID)
	refused(t, err, 422, "Droplet already has a pending event.")
	w.lift(name)
	require.Equal(t, "completed", w.done(action).Status)

	name = w.fault(`{"kind":"action","action":"snapshot","outcome":"errs"}`)
	require.Equal(
		t,
		"errored",
		w.did(w.DropletActions.Snapshot(ctx, droplet.ID, "never")).Status,
	)
	require.False(t, w.active(droplet.ID).Locked)
	w.lift(name)

	require.False(t, slices.ContainsFunc(
		w.store.View().Droplets,
		func(d state.Droplet) bool { return d.Locked },
	))
}
