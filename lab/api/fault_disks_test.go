package api_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
)

func TestFaultsOfTheDisk(t *testing.T) {
	w := newWorld(t)
	a := w.create(request("a")).ID
	b := w.create(request("b")).ID

	full := func() map[int]int64 {
		w.machines.mutex.Lock()
		defer w.machines.mutex.Unlock()
		return w.machines.leaves
	}

	some := w.fault(fmt.Sprintf(`{"kind":"fill","groups":[[%d,%d]],"leave":4096,"for":"1h"}`, a, b))
	all := w.fault(fmt.Sprintf(`{"kind":"fill","groups":[[%d]]}`, a))
	require.Equal(
		t,
		map[int]int64{a: 0, b: 4096},
		full(),
		"the one that leaves least counts",
	)
	w.stop()
	w.machines.mutex.Lock()
	w.machines.leaves = nil
	w.machines.mutex.Unlock()
	w.start()
	require.Equal(
		t,
		map[int]int64{a: 0, b: 4096},
		full(),
		"a fault outlives the lab",
	)

	status, body, _ := w.raw("GET", "/lab/v1/faults/"+some, "")
	require.Equal(t, 200, status)

	require.Equal(
		t,
		float64(4096),
		body["fault"].(map[string]any)["leave"],
	)

	w.lift(all)
	require.Equal(
		t,
		map[int]int64{a: 4096, b: 4096},
		full(),
	)
	w.lift(some)
	require.Empty(t, full())

	w.fault(fmt.Sprintf(`{"kind":"fill","groups":[[%d]],"name":"mine"}`, a))

	_, err := w.Droplets.Delete(t.Context(), a)
	require.NoError(t, err)
	w.eventually("gone with its Droplet", func() bool {
		return w.store.View().Fault("mine") == nil
	})

	w.machines.breakCall("SetFills", fmt.Errorf("%w: it is old", api.ErrUnsupported))

	status, body, _ = w.raw(
		"POST",
		"/lab/v1/faults",
		fmt.Sprintf(`{"kind":"fill","groups":[[%d]],"name":"odd"}`, b),
	)
	require.Equal(t, 422, status)
	require.Contains(t, body["message"], "it is old")
	require.Nil(t, w.store.View().Fault("odd"), "a fault that can't be is none")
}
