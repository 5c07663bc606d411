package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
)

// fault asks for a fault and returns its name.
func (w *world) fault(body string) string {
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
	a := w.create(request("a")).ID
	b := w.create(request("b")).ID
	c := w.create(request("c")).ID

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
		name := w.fault(one.body)
		require.Equal(t, one.want, w.losses(), name)
		w.lift(name)
		require.Empty(t, w.losses(), name)
	}

	w.fault(fmt.Sprintf(`{"kind":"cut","groups":[[%d]],"name":"mine"}`, a))

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

	w.fault(fmt.Sprintf(`{"kind":"cut","groups":[[%d]],"for":"30ms"}`, b))
	w.eventually("lifted by itself", func() bool {
		return len(w.losses()) == 0
	})

	frozen := w.fault(fmt.Sprintf(`{"kind":"freeze","groups":[[%d,%d]]}`, b, c))
	w.lift(frozen)
	require.Equal(t, []string{"freeze", "freeze", "thaw", "thaw"}, w.machines.faults)

	status, _, _ = w.raw("DELETE", "/lab/v1/faults/"+frozen, "")
	require.Equal(t, 404, status)
}

func TestFaultsAreRefused(t *testing.T) {
	w := newWorld(t)
	id := itoa(w.create(request("a")).ID)

	for _, c := range []struct {
		body string // ID stands for the Droplet's
		why  string
	}{
		{
			body: `{"kind":"dance"}`,
			why:  "action, api, clock, cut, delay, fill, freeze",
		},
		{
			body: `{"kind":"cut"}`,
			why:  "groups of Droplets",
		},
		{
			body: `{"kind":"cut","groups":[[1]]}`,
			why:  "no Droplet 1",
		},
		{
			body: `{"kind":"cut","groups":[[]]}`,
			why:  "empty",
		},
		{
			body: `{"kind":"cut","groups":[[ID]],"network":"tin"}`,
			why:  "public or vpc",
		},
		{
			body: `{"kind":"cut","groups":[[ID]],"for":"soon"}`,
			why:  "no duration",
		},
		{
			body: `{"kind":"cut","groups":[[ID]],"name":"no such name"}`,
			why:  "no name for a fault",
		},
		{
			body: `{"kind":"partition","groups":[[ID],[ID]]}`,
			why:  "two groups",
		},
		{
			body: `{"kind":"loss","groups":[[ID]],"percent":101}`,
			why:  "percent",
		},
		{
			body: `{"kind":"delay","groups":[[ID]]}`,
			why:  "delay of at most 1m",
		},
		{
			body: `{"kind":"delay","groups":[[ID]],"delay":"-4ms"}`,
			why:  "no duration",
		},
		{
			body: `{"kind":"delay","groups":[[ID]],"delay":"4ms","jitter":"5ms"}`,
			why:  "more than the delay",
		},
		{
			body: `{"kind":"clock","groups":[[ID]]}`,
			why:  "a step other than 0",
		},
		{
			body: `{"kind":"clock","groups":[[ID]],"step":"200000h"}`,
			why:  "at most 175200 hours",
		},
		{
			body: `{"kind":"fill"}`,
			why:  "groups of Droplets",
		},
		{
			body: `{"kind":"fill","groups":[[ID],[ID]]}`,
			why:  "1 to 1 groups",
		},
		{
			body: `{"kind":"fill","groups":[[ID]],"leave":-1}`,
			why:  "between 0 and less than the disk",
		},
		{
			body: `{"kind":"fill","groups":[[ID]],"leave":26843545600}`,
			why:  "which has 26843545600 bytes",
		},
		{
			body: `{"kind":"api","match":"GET"}`,
			why:  "a method and a path",
		},
		{
			body: `{"kind":"api","match":"GET /v2/account"}`,
			why:  "needs a status",
		},
		{
			body: `{"kind":"api","match":"GET /v2/account","status":200}`,
			why:  "between 400 and 599",
		},
		{
			body: `{"kind":"api","match":"GET /v2/account","status":500,"chance":200}`,
			why:  "percentage",
		},
		{
			body: `{"kind":"action","action":"snapshot","outcome":"sings"}`,
			why:  "hangs or errs",
		},
	} {
		body := strings.ReplaceAll(c.body, "ID", id)
		status, answer, _ := w.raw("POST", "/lab/v1/faults", body)
		require.Equal(t, 422, status, body)
		require.Contains(t, answer["message"], c.why, body)
	}

	require.Empty(t, w.store.View().Faults)
}
