package fleet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// seven is a stack of seven nodes of which some are not well.
func seven(states map[string]string) condition {
	found := condition{quorum: true}

	for _, one := range []patient{
		{node: "db-1", role: "db", database: true},
		{node: "db-2", role: "db", database: true},
		{node: "db-3", role: "db", database: true},
		{node: "proxy-1", role: "proxy"},
		{node: "proxy-2", role: "proxy"},
		{node: "web-1", role: "web"},
		{node: "web-2", role: "web"},
	} {
		one.state = patientWell
		if state, said := states[one.node]; said {
			one.state = state
		}

		found.patients = append(found.patients, one)
	}

	return found
}

func TestDiagnose(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC)

	for name, c := range map[string]struct {
		states map[string]string
		blind  bool // the peer set has no quorum
		tries  tries
		want   string
		wait   bool
		err    error
	}{
		"all are well": {},
		"one says that it is sick": {
			states: map[string]string{"db-2": patientSick},
		},
		"one is dead": {
			states: map[string]string{"db-2": patientDead},
			want:   "db-2",
		},
		"two are, and go one by one": {
			states: map[string]string{"web-1": patientMissing, "db-2": patientOff},
			want:   "db-2",
		},
		"three of seven are too many": {
			states: map[string]string{"web-1": patientMissing, "db-2": patientDead, "db-3": patientDead},
			err:    ErrMeltdown,
		},
		"silent ones count": {
			states: map[string]string{"web-1": patientMissing, "db-2": patientSilent, "db-3": patientSilent},
			err:    ErrMeltdown,
		},
		"one is silent": {
			states: map[string]string{"web-1": patientSilent},
			wait:   true,
		},
		"a whole role": {
			states: map[string]string{"web-1": patientDead, "web-2": patientMissing},
			want:   "web-1",
		},
		"no quorum": {
			states: map[string]string{"web-1": patientDead},
			blind:  true,
			err:    ErrMeltdown,
		},
		"it was made anew a minute ago": {
			states: map[string]string{"web-1": patientDead},
			tries:  tries{"web-1": {now.Add(-time.Minute)}},
			wait:   true,
		},
		"another than that one": {
			states: map[string]string{"web-1": patientDead, "web-2": patientDead},
			tries:  tries{"web-1": {now.Add(-time.Minute)}},
			want:   "web-2",
		},
		"the second time comes after five minutes": {
			states: map[string]string{"web-1": patientDead},
			tries:  tries{"web-1": {now.Add(-6 * time.Minute)}},
			want:   "web-1",
		},
		"the third after fifteen": {
			states: map[string]string{"web-1": patientDead},
			tries:  tries{"web-1": {now.Add(-time.Hour), now.Add(-6 * time.Minute)}},
			wait:   true,
		},
		"there is no fourth": {
			states: map[string]string{"web-1": patientDead},
			tries:  tries{"web-1": {now.Add(-3 * time.Hour), now.Add(-2 * time.Hour), now.Add(-time.Hour)}},
			err:    ErrGivenUp,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.tries == nil {
				c.tries = tries{}
			}

			found := seven(c.states)
			found.quorum = !c.blind
			next := diagnose(found, now, c.tries)

			require.ErrorIs(t, next.err, c.err)
			require.Equal(t, c.want, next.node)
			require.Equal(t, c.wait, next.wait, next.reason)
		})
	}
}

func TestTriesAreForgottenAfterAnHourOfHealth(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC)
	made := tries{
		"web-1": {now.Add(-2 * time.Hour)},
		"web-2": {now.Add(-time.Minute)},
	}

	diagnose(seven(nil), now, made)
	require.NotContains(t, made, "web-1")
	require.Contains(t, made, "web-2")
}
