package api_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/lab/state"
)

// hurt asks for a fault and returns its name.
func (w *world) hurt(body string) string {
	w.t.Helper()
	status, answer, _ := w.raw("POST", "/lab/v1/faults", body)
	require.Equal(w.t, 201, status, "%v", answer)

	return answer["fault"].(map[string]any)["name"].(string)
}

func (w *world) lift(name string) {
	w.t.Helper()
	status, answer, _ := w.raw("DELETE", "/lab/v1/faults/"+name, "")
	require.Equal(w.t, 204, status, "%v", answer)
}

func (w *world) losses() []api.NetworkFault {
	w.machines.mutex.Lock()
	defer w.machines.mutex.Unlock()
	return w.machines.lost
}

func TestKillAndStatus(t *testing.T) {
	w := newWorld(t)
	id := w.create(request("one")).ID
	status, _, _ := w.raw("POST", "/lab/v1/droplets/"+itoa(id)+"/kill", "")
	require.Equal(t, 204, status)
	w.until(id, "off")

	status, body, _ := w.raw("GET", "/lab/v1/status", "")
	require.Equal(t, 200, status)

	droplet := body["droplets"].([]any)[0].(map[string]any)
	require.Equal(t, "off", droplet["status"])
	require.Equal(t, float64(id), droplet["pid"])

	status, _, _ = w.raw("POST", "/lab/v1/droplets/1/kill", "")
	require.Equal(t, 404, status)
}

func TestFaultsOfTheNetwork(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.create(request("a")).ID, w.create(request("b")).ID, w.create(request("c")).ID
	for _, one := range []struct {
		body string
		want []api.NetworkFault
	}{
		{
			body: fmt.Sprintf(`{"kind":"cut","groups":[[%d]]}`, a),
			want: []api.NetworkFault{
				{
					From:    []int{a},
					Percent: 100,
				},
				{
					To:      []int{a},
					Percent: 100,
				},
			},
		},
		{
			body: fmt.Sprintf(`{"kind":"oneway","groups":[[%d],[%d]],"network":"vpc"}`, a, b),
			want: []api.NetworkFault{{
				From:    []int{a},
				To:      []int{b},
				Network: "vpc",
				Percent: 100,
			}},
		},
		{
			body: fmt.Sprintf(`{"kind":"loss","groups":[[%d]],"percent":20}`, c),
			want: []api.NetworkFault{
				{
					From:    []int{c},
					Percent: 20,
				},
				{
					To:      []int{c},
					Percent: 20,
				},
			},
		},
		{
			body: fmt.Sprintf(`{"kind":"partition","groups":[[%d],[%d,%d]]}`, a, b, c),
			want: []api.NetworkFault{
				{
					From:    []int{a},
					To:      []int{b, c},
					Percent: 100,
				},
				{
					From:    []int{b, c},
					To:      []int{a},
					Percent: 100,
				},
			},
		},
	} {
		name := w.hurt(one.body)
		require.Equal(t, one.want, w.losses(), name)
		w.lift(name)
		require.Empty(t, w.losses(), name)
	}

	w.hurt(fmt.Sprintf(`{"kind":"cut","groups":[[%d]],"name":"mine"}`, a))

	status, _, _ := w.raw(
		"POST",
		"/lab/v1/faults",
		fmt.Sprintf(`{"kind":"cut","groups":[[%d]],"name":"mine"}`, b),
	)
	require.Equal(t, 409, status)
	w.stop()
	w.start()
	require.Len(t, w.losses(), 2, "a fault outlives the lab")

	_, err := w.Droplets.Delete(t.Context(), a)
	require.NoError(t, err)
	w.eventually("gone with its Droplet", func() bool {
		return len(w.losses()) == 0
	})

	status, body, _ := w.raw("GET", "/lab/v1/faults", "")
	require.Equal(t, 200, status)
	require.Empty(t, body["faults"])

	w.hurt(fmt.Sprintf(`{"kind":"cut","groups":[[%d]],"for":"30ms"}`, b))
	w.eventually("lifted by itself", func() bool {
		return len(w.losses()) == 0
	})

	frozen := w.hurt(fmt.Sprintf(`{"kind":"freeze","groups":[[%d,%d]]}`, b, c))
	w.lift(frozen)
	require.Equal(t, []string{"freeze", "freeze", "thaw", "thaw"}, w.machines.faults)

	status, _, _ = w.raw("DELETE", "/lab/v1/faults/"+frozen, "")
	require.Equal(t, 404, status)
}

func TestFaultsThatAreNone(t *testing.T) {
	w := newWorld(t)
	id := w.create(request("a")).ID
	for body, why := range map[string]string{
		`{"kind":"dance"}`:              "action, api, clock, cut, delay, fill, freeze",
		`{"kind":"cut"}`:                "groups of Droplets",
		`{"kind":"cut","groups":[[1]]}`: "no Droplet 1",
		`{"kind":"cut","groups":[[]]}`:  "empty",
		fmt.Sprintf(
			`{"kind":"partition","groups":[[%d],[%d]]}`,
			id,
			id,
		): "two groups",
		fmt.Sprintf(`{"kind":"loss","groups":[[%d]],"percent":101}`, id): "percent",
		fmt.Sprintf(
			`{"kind":"cut","groups":[[%d]],"network":"tin"}`,
			id,
		): "public or vpc",
		fmt.Sprintf(
			`{"kind":"cut","groups":[[%d]],"for":"soon"}`,
			id,
		): "no duration",
		fmt.Sprintf(`{"kind":"delay","groups":[[%d]]}`, id): "delay of at most 1m",
		fmt.Sprintf(
			`{"kind":"delay","groups":[[%d]],"delay":"-4ms"}`,
			id,
		): "no duration",
		fmt.Sprintf(
			`{"kind":"delay","groups":[[%d]],"delay":"4ms","jitter":"5ms"}`,
			id,
		): "more than the delay",
		fmt.Sprintf(`{"kind":"clock","groups":[[%d]]}`, id): "a step other than 0",
		fmt.Sprintf(
			`{"kind":"clock","groups":[[%d]],"step":"200000h"}`,
			id,
		): "at most 175200 hours",
		`{"kind":"fill"}`: "groups of Droplets",
		fmt.Sprintf(`{"kind":"fill","groups":[[%d],[%d]]}`, id, id):   "1 to 1 groups",
		fmt.Sprintf(`{"kind":"fill","groups":[[%d]],"leave":-1}`, id): "between 0 and less than the disk",
		fmt.Sprintf(
			`{"kind":"fill","groups":[[%d]],"leave":26843545600}`,
			id,
		): "which has 26843545600 bytes",
		`{"kind":"api","match":"GET"}`:                                       "a method and a path",
		`{"kind":"api","match":"GET /v2/account"}`:                           "needs a status",
		`{"kind":"api","match":"GET /v2/account","status":200}`:              "between 400 and 599",
		`{"kind":"api","match":"GET /v2/account","status":500,"chance":200}`: "percentage",
		`{"kind":"action","action":"snapshot","outcome":"sings"}`:            "hangs or errs",
		fmt.Sprintf(
			`{"kind":"cut","groups":[[%d]],"name":"no such name"}`,
			id,
		): "no name for a fault",
	} {
		status, answer, _ := w.raw("POST", "/lab/v1/faults", body)
		require.Equal(t, 422, status, body)
		require.Contains(t, answer["message"], why, body)
	}

	require.Empty(t, w.store.View().Faults)
}

func TestFaultsOfTime(t *testing.T) {
	w := newWorld(t)
	a, b := w.create(request("a")).ID, w.create(request("b")).ID

	seen := func() ([]api.LinkDelay, map[int]time.Duration) {
		w.machines.mutex.Lock()
		defer w.machines.mutex.Unlock()
		return w.machines.late, w.machines.steps
	}

	late := w.hurt(fmt.Sprintf(
		`{"kind":"delay","groups":[[%d,%d]],"delay":"40ms","jitter":"5ms","network":"vpc","for":"1h"}`,
		a,
		b,
	))

	hour := w.hurt(fmt.Sprintf(`{"kind":"clock","groups":[[%d]],"step":"-1h"}`, a))
	w.hurt(fmt.Sprintf(`{"kind":"clock","groups":[[%d,%d]],"step":"2h"}`, a, b))

	check := func() {
		t.Helper()
		delays, steps := seen()
		require.Equal(t,
			[]api.LinkDelay{{
				Droplets: []int{a, b},
				Network:  "vpc",
				By:       40 * time.Millisecond,
				Jitter:   5 * time.Millisecond,
			}},
			delays,
		)

		require.Equal(t, map[int]time.Duration{
			a: time.Hour,
			b: 2 * time.Hour,
		}, steps)
	}
	check()
	w.stop()
	w.start()
	check()

	require.WithinDuration(t, time.Now().Add(time.Hour), w.store.View().Fault(late).Until, time.Minute)

	w.lift(late)
	w.lift(hour)

	delays, steps := seen()
	require.Empty(t, delays)

	require.Equal(t, map[int]time.Duration{
		a: 2 * time.Hour,
		b: 2 * time.Hour,
	}, steps)

	w.machines.mutex.Lock()
	w.machines.broken["SetClocks"] = fmt.Errorf("%w: it is odd", api.ErrUnfit)
	w.machines.mutex.Unlock()

	status, answer, _ := w.raw(
		"POST",
		"/lab/v1/faults",
		fmt.Sprintf(`{"kind":"clock","groups":[[%d]],"step":"1h","name":"odd"}`, a),
	)
	require.Equal(t, 422, status)
	require.Contains(t, answer["message"], "it is odd")
	require.Nil(t, w.store.View().Fault("odd"))
}

func TestFaultsOfTheDisk(t *testing.T) {
	w := newWorld(t)
	a, b := w.create(request("a")).ID, w.create(request("b")).ID

	full := func() map[int]int64 {
		w.machines.mutex.Lock()
		defer w.machines.mutex.Unlock()
		return w.machines.leaves
	}

	some := w.hurt(fmt.Sprintf(`{"kind":"fill","groups":[[%d,%d]],"leave":4096,"for":"1h"}`, a, b))
	all := w.hurt(fmt.Sprintf(`{"kind":"fill","groups":[[%d]]}`, a))
	require.Equal(t, map[int]int64{a: 0, b: 4096}, full(), "the one that leaves least counts")
	w.stop()
	w.machines.mutex.Lock()
	w.machines.leaves = nil
	w.machines.mutex.Unlock()
	w.start()
	require.Equal(t, map[int]int64{a: 0, b: 4096}, full(), "a fault outlives the lab")

	status, body, _ := w.raw("GET", "/lab/v1/faults/"+some, "")
	require.Equal(t, 200, status)

	require.Equal(t, float64(4096), body["fault"].(map[string]any)["leave"])

	w.lift(all)
	require.Equal(t, map[int]int64{a: 4096, b: 4096}, full())
	w.lift(some)
	require.Empty(t, full())

	w.hurt(fmt.Sprintf(`{"kind":"fill","groups":[[%d]],"name":"mine"}`, a))

	_, err := w.Droplets.Delete(t.Context(), a)
	require.NoError(t, err)
	w.eventually("gone with its Droplet", func() bool {
		return w.store.View().Fault("mine") == nil
	})

	w.machines.mutex.Lock()
	w.machines.broken["SetFills"] = fmt.Errorf("%w: it is old", api.ErrUnfit)
	w.machines.mutex.Unlock()

	status, body, _ = w.raw(
		"POST",
		"/lab/v1/faults",
		fmt.Sprintf(`{"kind":"fill","groups":[[%d]],"name":"odd"}`, b),
	)
	require.Equal(t, 422, status)
	require.Contains(t, body["message"], "it is old")
	require.Nil(t, w.store.View().Fault("odd"), "a fault that can't be is none")
}

func TestFaultsOfTheAPI(t *testing.T) {
	w := newWorld(t)
	name := w.hurt(`{"kind":"api","match":"GET /v2/images/*/actions/*","status":403,"after":2}`)
	statuses := []int{}

	for range 4 {
		status, _, _ := w.raw("GET", "/v2/images/1/actions/2", "")
		statuses = append(statuses, status)
	}

	require.Equal(t, []int{404, 404, 403, 403}, statuses)
	w.lift(name)

	w.hurt(`{"kind":"api","match":"* /v2/**","status":429,"count":1}`)

	status, body, header := w.raw("GET", "/v2/account", "")
	require.Equal(t, 429, status)
	require.Equal(t, "too_many_requests", body["id"])
	require.Equal(t, "1", header.Get("retry-after"))

	status, _, _ = w.raw("GET", "/v2/account", "")
	require.Equal(t, 200, status, "once is enough")

	name = w.hurt(`{"kind":"api","match":"POST /v2/tags","cut":true}`)

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
	require.Equal(t, []string{"done"}, w.store.View().Tags, "what was asked is done")
	w.lift(name)

	name = w.hurt(`{"kind":"api","match":"GET /v2/account","hang":true}`)
	var late net.Error
	require.ErrorAs(t, get("GET", "/v2/account", nil), &late)
	require.True(t, late.Timeout())
	w.lift(name)

	name = w.hurt(`{"kind":"api","match":"GET /v2/account","delay":"60ms"}`)
	begun := time.Now()
	require.NoError(t, get("GET", "/v2/account", nil))
	require.GreaterOrEqual(t, time.Since(begun), 60*time.Millisecond)
	w.lift(name)
}

func TestFaultsOfActions(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("one"))
	name := w.hurt(`{"kind":"action","action":"snapshot","outcome":"hangs"}`)
	action, _, err := w.DropletActions.Snapshot(ctx, droplet.ID, "late")
	require.NoError(t, err)

	_, err = w.Droplets.Delete(ctx, droplet.ID)
	refused(t, err, 422, "Droplet already has a pending event.")
	w.lift(name)
	require.Equal(t, "completed", w.done(action).Status)

	name = w.hurt(`{"kind":"action","action":"snapshot","outcome":"errs"}`)
	action, _, err = w.DropletActions.Snapshot(ctx, droplet.ID, "never")
	require.NoError(t, err)
	require.Equal(t, "errored", w.done(action).Status)
	require.False(t, w.active(droplet.ID).Locked)
	w.lift(name)

	require.False(t, slices.ContainsFunc(
		w.store.View().Droplets,
		func(d state.Droplet) bool { return d.Locked },
	))
}
