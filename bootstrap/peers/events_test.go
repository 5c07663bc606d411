package peers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peers"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// texts are the events of a store as kind and text, oldest first.
func (c *cluster) texts(store *peers.Store) []string {
	events, err := store.Events(
		c.within(5*time.Second),
		0,
		peerset.MaxEvents,
	)
	require.NoError(c.t, err)

	var texts []string

	for _, event := range events {
		require.WithinDuration(c.t, time.Now(), event.Time, time.Minute)
		texts = append(texts, event.Kind+": "+event.Text)
	}

	return texts
}

func TestWhatHappensIsRemembered(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	store := c.start(c.config("test", "db-1", 1, 1))
	defer c.stop(store)

	ctx := c.within(20 * time.Second)
	c.admit(store, "db-1", 1, 1)
	c.admit(store, "db-2", 2, 1)
	c.admit(store, "db-2", 2, 1) // again: nothing new

	lease, _, err := store.Hold(ctx,
		who("db-1", 1),
		peerset.LeaseWriter,
		time.Minute,
	)
	require.NoError(t, err)

	_, _, err = store.Hold(ctx,
		who("db-1", 1),
		peerset.LeaseWriter,
		time.Minute,
	)
	require.NoError(t, err)

	_, err = store.Seize(ctx,
		who("db-2", 1),
		lease,
		"db-1 is not in the primary component",
	)
	require.NoError(t, err)

	require.ErrorIs(t,
		store.Release(ctx, who("db-1", 1), lease),
		peerset.ErrStaleEpoch,
	)

	_, _, err = store.Hold(ctx,
		who("db-1", 1),
		peerset.LeaseGaleraJoin,
		time.Minute,
	)
	require.NoError(t, err)

	_, _, err = store.Hold(ctx,
		who("db-1", 1),
		peerset.LeaseGaleraBootstrap,
		time.Minute,
	)
	require.NoError(t, err)

	for range 2 {
		c.report(store, "db-1", 1, peerset.Report{State: "synced", Draining: true})
	}

	donor := peerset.Note{Kind: peerset.EventDonor, Text: "donor after synced"}
	require.NoError(t, store.Note(ctx, who("db-2", 1), donor))

	c.admit(store, "db-2", 3, 2)
	require.NoError(t, store.Forget(ctx, "db-2"))

	require.Equal(t, []string{
		"joined: db-1 joined at " + c.address(1) + ", as a member",
		"joined: db-2 joined at " + c.address(2) + ", as a member",
		"writer: db-1 takes the writes at epoch 1, after nobody: it was free",
		"writer: db-2 takes the writes at epoch 2, after db-1: db-1 is not in the primary " +
			"component",
		"lease: db-1 holds galera-bootstrap at epoch 1, after nobody: it was free",
		"draining: db-1 gives its work up, as synced",
		"galera-donor: donor after synced",
		"evicted: incarnation 1 of db-2 is out: incarnation 2 takes its name",
		"joined: db-2 joined at " + c.address(3) + ", as a member",
		"gone: db-2 was declared gone for good",
	}, c.texts(store))

	events, err := store.Events(ctx, 3, 2)
	require.NoError(t, err)
	require.Len(t, events, 2)
	require.Equal(t,
		peerset.EventJoined,
		events[0].Kind,
		"the newest two of those after the third",
	)

	writer, err := store.Events(ctx, 3, peerset.MaxEvents)
	require.NoError(t, err)
	require.Equal(t, "db-1", writer[0].From)
	require.Equal(t, int64(2), writer[0].Epoch)

	writes := peerset.Note{Kind: peerset.EventWriter, Text: "I take the writes"}
	web := peerset.Identity{
		Name:        "web-1",
		Role:        "web",
		Incarnation: 1,
	}

	require.ErrorIs(t,
		store.Note(ctx, who("db-2", 1), donor),
		peerset.ErrEvicted,
	)
	require.ErrorIs(t,
		store.Note(ctx, who("db-1", 1), writes),
		peerset.ErrForbidden,
	)
	require.ErrorIs(t,
		store.Note(ctx, web, peerset.Note{Kind: peerset.EventDonor}),
		peerset.ErrForbidden,
	)
}

// The answer to a write that went through may be lost. The node then says the same again, of the same moment.
func TestAnEventThatIsSaidAgainIsThereOnce(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	store := c.founder()
	defer c.stop(store)

	before := len(c.texts(store))
	note := peerset.Note{
		Time: time.Now(),
		Kind: peerset.EventDrift,
		Text: "/etc/motd",
	}

	for range 2 {
		require.NoError(t, store.Note(t.Context(), who("db-1", 1), note))
	}

	require.Len(t, c.texts(store), before+1)

	// A moment later it is another event.
	note.Time = note.Time.Add(time.Millisecond)
	require.NoError(t, store.Note(t.Context(), who("db-1", 1), note))
	require.Len(t, c.texts(store), before+2)
}

func TestNoNodePushesOutWhatTheOthersSay(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	store := c.founder()
	defer c.stop(store)

	for n := range peerset.MaxEvents + 50 {
		note := peerset.Note{
			Kind: peerset.EventDrift,
			Text: fmt.Sprint(n),
		}
		require.NoError(t, store.Note(t.Context(), who("db-1", 1), note))
	}

	texts := c.texts(store)
	require.Len(t, texts, peerset.MaxNotes+1)
	require.Equal(t,
		"joined: db-1 joined at "+c.address(1)+", as a member",
		texts[0],
	)

	oldest := peerset.MaxEvents + 50 - peerset.MaxNotes
	require.Equal(t, fmt.Sprintf("drift: %d", oldest), texts[1])
}

func TestOnlyTheLastThousandEventsAreKept(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	store := c.founder()
	defer c.stop(store)
	c.admit(store, "db-2", 2, 1)

	seen := peerset.Lease{Name: peerset.LeaseWriter}

	for n := range peerset.MaxEvents/2 + 20 {
		for _, name := range []string{"db-1", "db-2"} {
			taken, err := store.Seize(
				t.Context(),
				who(name, 1),
				seen,
				fmt.Sprint(n),
			)
			require.NoError(t, err)

			seen = taken
		}
	}

	events, err := store.Events(
		c.within(5*time.Second),
		0,
		peerset.MaxEvents+1,
	)
	require.NoError(t, err)
	require.Len(t, events, peerset.MaxEvents)

	newest := events[len(events)-1]
	require.Equal(t,
		int64(peerset.MaxEvents+40),
		newest.Epoch,
		"the newest is there",
	)
}
