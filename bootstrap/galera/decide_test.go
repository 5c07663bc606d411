package galera_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// decision is a case of Decide; state, when it is "", and reason, of which it is a part, may be left out.
type decision struct {
	name   string
	in     galera.Input
	want   galera.Kind
	state  galera.State
	reason string
	wipe   bool
}

func testDecisions(t *testing.T, decisions []decision) {
	t.Helper()

	for _, c := range decisions {
		t.Run(c.name, func(t *testing.T) {
			got := galera.Decide(c.in)
			require.Equal(t, c.want, got.Kind, got.Reason)
			require.Contains(t, got.Reason, c.reason)
			require.Equal(t, c.wipe, got.Wipe)

			if c.state != "" {
				require.Equal(t, c.state, got.State)
			}
		})
	}
}

func TestDecideForARunningServer(t *testing.T) {
	cases := []decision{
		{
			name:  "synced",
			in:    in(running("Primary", 4, 10)),
			want:  galera.Serve,
			state: galera.StateSynced,
		},
		{
			name:   "its disk is nearly full",
			in:     in(running("Primary", 4, 10), short),
			want:   galera.Serve,
			state:  galera.StateSynced,
			reason: "its disk is nearly full, 288 MiB are free",
		},
		{
			name:  "donor",
			in:    in(running("Primary", 2, 10)),
			want:  galera.Serve,
			state: galera.StateDonor,
		},
		{
			name: "a donor that catches up",
			in: in(running("Primary", 3, 10), func(i *galera.Input) {
				i.Local.Synced = true
			}),
			want:  galera.Serve,
			state: galera.StateDonor,
		},
		{
			name:  "catching up",
			in:    in(running("Primary", 3, 10)),
			want:  galera.Watch,
			state: galera.StateJoining,
		},
		{
			name: "the first of a new history concludes before it serves",
			in: in(
				running("Primary", 4, 1),
				settings(record(t, galera.Record{Node: "db-2", Incarnation: 1})),
			),
			want:  galera.Conclude,
			state: galera.StateBootstrapping,
		},
		{
			name:  "outside, others inside: starts anew if it must",
			in:    in(running("non-Primary", 0, 10), peers(primary("db-1", ours))),
			want:  galera.Stop,
			state: galera.StateNonPrimary,
		},
		{
			name:   "outside and nobody inside: waits for the silent",
			in:     in(running("non-Primary", 0, 10), peers(at("db-1", ours, "9"))),
			want:   galera.Wait,
			state:  galera.StateNonPrimary,
			reason: "waits for the evidence of db-3",
		},
		{
			name: "all have spoken: it forms the component again",
			in: in(
				running("non-Primary", 0, 10),
				peers(at("db-1", ours, "9"), at("db-3", ours, "10")),
			),
			want:  galera.Reform,
			state: galera.StateNonPrimary,
		},
		{
			name: "a more advanced one does",
			in: in(
				running("non-Primary", 0, 10),
				peers(at("db-1", ours, "9"), at("db-3", ours, "11")),
			),
			want:   galera.Wait,
			state:  galera.StateNonPrimary,
			reason: "db-3 is to form it again",
		},
		{
			name: "not without quorum",
			in: in(
				noQuorum,
				running("non-Primary", 0, 10),
				peers(at("db-1", ours, "9"), at("db-3", ours, "10")),
			),
			want:   galera.Wait,
			state:  galera.StateNonPrimary,
			reason: "no quorum",
		},
		{
			name: "a primary component of another history",
			in: in(
				running("Primary", 4, 1),
				settings(record(t, galera.Record{
					UUID:        theirs,
					Node:        "db-1",
					Incarnation: 1,
				})),
				peers(primary("db-1", theirs)),
			),
			want:   galera.Stop,
			state:  galera.StateWaiting,
			reason: "somebody began it by hand; replace the node",
		},
		{
			name: "whoever else runs it",
			in: in(
				running("Primary", 2, 1),
				noQuorum,
				settings(record(t, galera.Record{
					UUID:        theirs,
					Node:        "db-1",
					Incarnation: 1,
				})),
			),
			want:   galera.Stop,
			state:  galera.StateWaiting,
			reason: ours,
		},
		{
			name: "one that has yet to receive its state says nothing of it",
			in: in(
				running("Primary", 1, 1),
				settings(record(t, galera.Record{
					UUID:        theirs,
					Node:        "db-1",
					Incarnation: 1,
				})),
			),
			want:  galera.Watch,
			state: galera.StateJoining,
		},
		{
			name:  "starting",
			in:    in(doing(galera.ProcessStarting)),
			want:  galera.Watch,
			state: galera.StateJoining,
		},
	}

	testDecisions(t, cases)
}

func TestDecideForAnIncarnationThatIsGone(t *testing.T) {
	cases := []decision{
		{
			name: "declared gone: it joins nobody",
			in: in(
				known(ours, 5),
				settings(map[string]string{"forgotten.db-2": "1"}),
				peers(primary("db-1", ours)),
			),
			want:   galera.Wait,
			state:  galera.StateStopped,
			reason: "declared gone",
		},
		{
			name: "nor blindly, by what it remembers",
			in: in(
				known(ours, 5),
				noQuorum,
				settings(map[string]string{"forgotten.db-2": "1"}),
			),
			want:   galera.Wait,
			reason: "declared gone",
		},
		{
			name: "or what its disk does",
			in: in(known(ours, 5), noQuorum, func(i *galera.Input) {
				i.Local.Gone = "it was declared gone"
			}),
			want:   galera.Wait,
			reason: "declared gone",
		},
		{
			name: "an earlier incarnation was: that is another",
			in: in(
				known(ours, 5),
				settings(map[string]string{"forgotten.db-2": "0"}),
				peers(primary("db-1", ours)),
			),
			want: galera.Join,
		},
		{
			name: "a running one stops",
			in: in(
				running("non-Primary", 0, 10),
				settings(map[string]string{"forgotten.db-2": "1"}),
			),
			want:   galera.Stop,
			reason: "declared gone",
		},
		{
			name: "another took the name",
			in: in(
				known(ours, 5),
				peers(
					primary("db-1", ours),
					func() peerset.Peer {
						p := empty("db-2")
						p.Incarnation = 2
						return p
					}(),
				),
			),
			want:   galera.Wait,
			reason: "incarnation 2 took its name",
		},
	}

	testDecisions(t, cases)
}
