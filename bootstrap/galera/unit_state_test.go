package galera

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// countedUnit says how often it was asked.
type countedUnit struct {
	Unit
	process Process
	err     error
	asked   int
}

func (u *countedUnit) State(context.Context) (Process, error) {
	u.asked++
	return u.process, u.err
}

func TestSystemdIsAskedOnlyWhatMayHaveChanged(t *testing.T) {
	for name, one := range map[string]struct {
		process Process
		served  bool
		begins  bool
		again   int // times that systemd is asked for ten looks
	}{
		"a stopped server, as a node waits for others": {process: ProcessStopped, again: 1},
		"one that failed":                {process: ProcessFailed, again: 1},
		"one that starts":                {process: ProcessStarting, again: 1},
		"a start that is followed":       {process: ProcessStopped, begins: true, again: 10},
		"a transfer that is followed":    {process: ProcessStarting, begins: true, again: 1},
		"one that answered a moment ago": {process: ProcessStarting, served: true, again: 10},
		"one that is stopping":           {process: ProcessStopping, again: 10},
	} {
		t.Run(name, func(t *testing.T) {
			unit := &countedUnit{process: one.process}
			d := &Driver{Config: Config{Unit: unit, Times: Times{Tick: time.Hour}}}
			d.unit.begins = one.begins

			for range 10 {
				process, err := d.unitState(t.Context(), one.served)
				require.NoError(t, err)
				require.Equal(t, one.process, process)
			}

			require.Equal(t, one.again, unit.asked)

			// What holds no longer is asked anew.
			d.unit.asked = time.Now().Add(-20 * time.Hour)
			_, err := d.unitState(t.Context(), one.served)
			require.NoError(t, err)
			require.Equal(t, one.again+1, unit.asked)
		})
	}
}

func TestASystemdThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	unit := &countedUnit{err: errors.New("no bus")}
	d := &Driver{Config: Config{Unit: unit, Times: Times{Tick: time.Hour}}}

	for range 2 {
		_, err := d.unitState(t.Context(), false)
		require.ErrorIs(t, err, unit.err)
	}

	require.Equal(t, 2, unit.asked)
}
