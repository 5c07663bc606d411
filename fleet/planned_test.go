package fleet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

func (w *world) readPlan() *fleet.Plan {
	plan, err := fleet.ReadPlan(w.t.Context(), w.config)
	require.NoError(w.t, err)

	return &plan
}

func TestUpBringsAboutNothingThatThePlanHasNot(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	w.scale("web", 3)
	w.config.Planned = w.readPlan()
	w.scale("proxy", 3)

	err := w.up()
	require.ErrorIs(t, err, fleet.ErrUnplanned)
	require.ErrorContains(t, err, "launch node proxy-3: it has no Droplet")
	require.NotContains(t, err.Error(), "web-3")
	require.Equal(t, whole, w.names())

	w.scale("proxy", 2)
	w.mustUp()
	require.NoError(t, w.up(), "less than the plan has is left")
}

func TestAPlanTellsWhatTheStackCosts(t *testing.T) {
	t.Parallel()

	const droplet, balancer = 6, 12 // dollars a month: the smallest with 1 GB, and a unit

	w := newWorldOf(t, tlsText, nil)
	require.Equal(t, fleet.Price{After: 7*droplet + balancer}, w.readPlan().Price)

	w.mustUp()
	w.scale("web", 4)
	require.Equal(t, fleet.Price{
		Now:   7*droplet + balancer,
		After: 9*droplet + balancer,
	}, w.readPlan().Price)
}
