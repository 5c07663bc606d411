package status_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/status"
)

func happened(from, to int) []status.Event {
	var events []status.Event
	for n := from; n <= to; n++ {
		events = append(events, status.Event{
			ID:   int64(n),
			Text: fmt.Sprint(n),
		})
	}

	return events
}

func TestAFollowerHandsOverEachEventOnceAlsoAfterARebuild(t *testing.T) {
	f := status.Follower{After: 2}
	f.In(3)
	require.Equal(t, int64(2), f.After, "whoever begins after an event is taken at his word")
	require.Len(t, f.Fresh(happened(3, 9)), 7)
	require.Equal(t, int64(9), f.After)
	f.In(3)
	require.Equal(t, int64(9), f.After)
	f.In(4)
	require.Zero(t, f.After, "the survivor had less: its ids begin anew")

	rebuilt := append(happened(3, 6), status.Event{ID: 7, Text: "rebuilt"})
	require.Equal(t, rebuilt[4:], f.Fresh(rebuilt))
	require.Equal(t, int64(7), f.After)
	f.In(3)
	require.Equal(t, int64(7), f.After, "a node that lags behind changes nothing")
	require.Len(t, f.Fresh(happened(10, 3000)), 2991)
	require.Empty(t, f.Fresh(happened(2900, 3000)))
}
