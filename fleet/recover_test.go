package fleet_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/status"
)

func voter(term, index uint64) status.Recovery {
	return status.Recovery{
		Role:  "voter",
		Term:  term,
		Index: index,
		Steps: []string{"do it"},
	}
}

func TestRecoverPicksTheNewestSurvivor(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	quorate := voter(9, 9)
	quorate.Quorum = true

	spare := voter(0, 0)
	spare.Role = "spare"

	refused := voter(9, 9)
	refused.Refused = "2 of 3 voters answer"

	for _, c := range []struct {
		name      string
		survivors map[string]status.Recovery
		from      string
		err       error
	}{
		{
			name: "the higher term",
			survivors: map[string]status.Recovery{
				"db-1":    voter(2, 50),
				"db-2":    voter(3, 10),
				"proxy-1": voter(2, 60),
			},
			from: "db-2",
			err:  nil,
		},
		{
			name: "the higher index",
			survivors: map[string]status.Recovery{
				"db-1":    voter(2, 50),
				"db-2":    voter(2, 51),
				"proxy-1": voter(2, 7),
			},
			from: "db-2",
			err:  nil,
		},
		{
			name: "of equals the first",
			survivors: map[string]status.Recovery{
				"proxy-2": voter(2, 50),
				"db-3":    voter(2, 50),
			},
			from: "db-3",
			err:  nil,
		},
		{
			name: "a spare knows nothing",
			survivors: map[string]status.Recovery{
				"db-1":    spare,
				"proxy-1": voter(1, 1),
			},
			from: "proxy-1",
			err:  nil,
		},
		{
			name: "a quorum lives",
			survivors: map[string]status.Recovery{
				"db-1": voter(2, 50),
				"db-2": quorate,
			},
			from: "",
			err:  fleet.ErrMajority,
		},
		{
			name: "a majority answers",
			survivors: map[string]status.Recovery{
				"db-1": refused,
				"db-2": voter(1, 1),
			},
			from: "db-1",
			err:  fleet.ErrMajority,
		},
		{
			name:      "nobody is left",
			survivors: map[string]status.Recovery{"db-1": spare},
			from:      "",
			err:       fleet.ErrNoSurvivor,
		},
	} {
		w.survivors = c.survivors
		plan, err := w.fleet().PlanRecovery(t.Context())
		require.ErrorIs(t, err, c.err, c.name)
		require.Equal(t, c.from, plan.From, c.name)
		require.Len(t, plan.Survivors, 5, "all members were asked, and nobody else")
		require.Empty(t, w.rebuilt)
	}

}

func TestRecoveryNamesWhoDoesNotAnswer(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	w.config.Dial = func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("a firewall is in the way")
	}

	plan, err := w.fleet().PlanRecovery(t.Context())
	require.ErrorIs(t, err, fleet.ErrNoSurvivor)
	require.ErrorContains(t, err, "db-2: reach db-2 by SSH: a firewall is in the way; db-3: ")
	require.Len(t, plan.Unanswered, 5)
}

func TestRecoverRebuildsFromTheNewestSurvivor(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	w.survivors = map[string]status.Recovery{
		"db-1": voter(2, 50),
		"db-2": voter(3, 10),
	}

	plan, err := w.fleet().PlanRecovery(t.Context())
	require.NoError(t, err)
	require.Contains(t, plan.Steps, "do it")

	plan, err = w.fleet().Recover(t.Context(), plan)
	require.NoError(t, err)
	require.True(t, plan.Done)
	require.Equal(t, []string{"db-2"}, w.rebuilt)
}

// A Droplet may bear a role that the stack had once, or that somebody mistyped.
func TestRecoverPassesOverARoleThatTheStackHasNot(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	w.survivors = map[string]status.Recovery{"db-2": voter(3, 10)}
	w.retag("web-1", "role:web", "role:cache")

	plan, err := w.fleet().PlanRecovery(t.Context())
	require.NoError(t, err)
	require.Equal(t, "db-2", plan.From)
	require.Len(t, plan.Survivors, 5, "who is of no known role is not asked")

	w.mustUp()
	require.NoError(t, w.replace("web-1"))
}
