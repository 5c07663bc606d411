package api_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
)

func TestFaultsOfTime(t *testing.T) {
	w := newWorld(t)
	a := w.create(request("a")).ID
	b := w.create(request("b")).ID

	seen := func() ([]api.LinkDelay, map[int]time.Duration) {
		w.machines.mutex.Lock()
		defer w.machines.mutex.Unlock()
		return w.machines.late, w.machines.steps
	}

	late := w.fault(fmt.Sprintf(
		`{"kind":"delay","groups":[[%d,%d]],"delay":"40ms","jitter":"5ms","network":"vpc","for":"1h"}`,
		a,
		b,
	))

	hour := w.fault(fmt.Sprintf(`{"kind":"clock","groups":[[%d]],"step":"-1h"}`, a))
	w.fault(fmt.Sprintf(`{"kind":"clock","groups":[[%d,%d]],"step":"2h"}`, a, b))

	check := func() {
		t.Helper()
		delays, steps := seen()
		wanted := []api.LinkDelay{{
			Droplets: []int{a, b},
			Network:  "vpc",
			By:       40 * time.Millisecond,
			Jitter:   5 * time.Millisecond,
		}}
		require.Equal(t, wanted, delays)

		together := map[int]time.Duration{
			a: time.Hour,
			b: 2 * time.Hour,
		}
		require.Equal(t, together, steps)
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

	left := map[int]time.Duration{
		a: 2 * time.Hour,
		b: 2 * time.Hour,
	}
	require.Equal(t, left, steps)

	w.machines.breakCall("SetClocks", fmt.Errorf("%w: it is odd", api.ErrUnsupported))

	status, answer, _ := w.raw(
		"POST",
		"/lab/v1/faults",
		fmt.Sprintf(`{"kind":"clock","groups":[[%d]],"step":"1h","name":"odd"}`, a),
	)
	require.Equal(t, 422, status)
	require.Contains(t, answer["message"], "it is odd")
	require.Nil(t, w.store.View().Fault("odd"))
}
