package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

func (w *world) healer() *fleet.Healer {
	return &fleet.Healer{
		Fleet:   w.fleet(),
		Silence: time.Second,
		Pause:   100 * time.Millisecond,
	}
}

func TestHealMakesAnewWhatDied(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	healed, err := w.healer().Once(t.Context())
	require.NoError(t, err)
	require.Empty(t, healed, "nobody is dead")

	w.destroyDroplet("db-1", 6)
	w.awaitDroplets(6)
	healed, err = w.healer().Once(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"db-1"}, healed)
	require.Contains(t, w.names(), "db-1/2")

	// A sick one says itself what it waits for.
	w.set(func() { w.unhealthy["db-2"] = true })
	healed, err = w.healer().Once(t.Context())
	require.NoError(t, err)
	require.Empty(t, healed)
}

func TestHealTurnsADropletOnOnce(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()
	healer := w.healer()

	w.turnOff("web-1")
	healed, err := healer.Once(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"web-1"}, healed)
	require.Contains(t, w.names(), "web-1/1")
}

func TestHealStopsWhenTooMuchIsDown(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	for i, node := range []string{"db-1", "web-1", "web-2"} {
		w.destroyDroplet(node, 6-i)
		w.awaitDroplets(6 - i)
	}

	_, err := w.healer().Once(t.Context())
	require.ErrorIs(t, err, fleet.ErrMeltdown)
	require.ErrorContains(t, err, "db-1 is missing, web-1 is missing, web-2 is missing, of 7 nodes")
	require.Len(t, w.names(), 4, "nothing was launched")
}
