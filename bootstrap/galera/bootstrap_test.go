package galera_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
)

func TestDecideInAFreshStack(t *testing.T) {
	begun := record(t, galera.Record{
		UUID:        ours,
		Node:        "db-1",
		Incarnation: 1,
	})

	cases := []decision{
		{
			name:   "the founder begins without waiting for anybody",
			in:     in(founder),
			want:   galera.Bootstrap,
			state:  galera.StateBootstrapping,
			reason: "begin a new history",
		},
		{
			name:   "a founder with a peer that has data does not",
			in:     in(founder, peers(at("db-1", ours, "5"))),
			want:   galera.Wait,
			reason: "waits for the evidence of db-3",
		},
		{
			name:   "a founder whose disk was used does not begin anew",
			in:     in(founder, content(galera.ContentBlank)),
			want:   galera.Wait,
			reason: "or for word of db-1, db-3",
		},
		{
			name:   "another waits for the founder",
			in:     in(peers(empty("db-3"))),
			want:   galera.Wait,
			state:  galera.StateWaiting,
			reason: "first database node to begin, or for word of db-1",
		},
		{
			name:   "the founder is gone: all are empty, the lowest name begins",
			in:     in(peers(empty("db-1"), empty("db-3"))),
			want:   galera.Wait,
			reason: "db-1 is to bootstrap",
		},
		{
			name: "the lowest that is known begins",
			in: in(
				peers(empty("db-3")),
				settings(map[string]string{"forgotten.db-1": "1"}),
			),
			want: galera.Bootstrap,
		},
		{
			name: "a begun bootstrap is taken up again by the node that began it",
			in: in(
				content(galera.ContentBlank),
				settings(record(t, galera.Record{Node: "db-2", Incarnation: 1})),
			),
			want: galera.Bootstrap,
		},
		{
			name:   "but not by its next incarnation while others are silent",
			in:     in(settings(record(t, galera.Record{Node: "db-2", Incarnation: 0}))),
			want:   galera.Wait,
			reason: "or for word of db-1, db-3",
		},
		{
			name:   "after a failed start it backs off",
			in:     in(founder, backingOff, failed(2)),
			want:   galera.Wait,
			reason: "start 2 failed",
		},
		{
			name: "a torn transfer is never a beginning",
			in: in(peers(
				empty("db-1"),
				peer("db-3", "waiting", galera.FactEvidence, "torn"),
			)),
			want:   galera.Wait,
			reason: "half-finished state transfers are left, on db-3",
		},
		{
			name:   "the stack had data once and all of it is gone",
			in:     in(peers(empty("db-1"), empty("db-3")), settings(begun)),
			want:   galera.Wait,
			reason: "no database node holds data of cluster " + ours,
		},
	}

	testDecisions(t, cases)
}

func TestDecideAfterAFullStop(t *testing.T) {
	begun := record(t, galera.Record{
		UUID:        ours,
		Node:        "db-1",
		Incarnation: 1,
	})

	cases := []decision{
		{
			name: "the most advanced bootstraps",
			in: in(
				known(ours, 9),
				peers(at("db-1", ours, "7"), at("db-3", ours, "8")),
				settings(begun),
			),
			want:   galera.Bootstrap,
			reason: "most advanced",
		},
		{
			name:   "another waits for it",
			in:     in(known(ours, 9), peers(at("db-1", ours, "7"), at("db-3", ours, "10"))),
			want:   galera.Wait,
			reason: "db-3 is to bootstrap",
		},
		{
			name:   "a tie goes to the lowest name",
			in:     in(known(ours, 9), peers(at("db-1", ours, "9"), at("db-3", ours, "9"))),
			want:   galera.Wait,
			reason: "db-1 is to bootstrap",
		},
		{
			name: "or to a server that runs",
			in: in(
				known(ours, 9),
				peers(
					at("db-1", ours, "9"),
					peer("db-3", galera.StateNonPrimary,
						galera.FactEvidence, "non-primary",
						galera.FactUUID, ours,
						galera.FactSeqno, "9",
					),
				),
			),
			want:   galera.Wait,
			reason: "db-3 is to bootstrap",
		},
		{
			name: "unreachable is not absent",
			in: in(
				known(ours, 9),
				peers(at("db-1", ours, "7"), dead(at("db-3", ours, "8"))),
			),
			want:   galera.Wait,
			reason: "waits for the evidence of db-3",
		},
		{
			name:   "a node that never came counts too",
			in:     in(known(ours, 9), peers(at("db-1", ours, "7"))),
			want:   galera.Wait,
			reason: "waits for the evidence of db-3",
		},
		{
			name:   "the operator reads what to do about it",
			in:     in(known(ours, 9), peers(at("db-1", ours, "7"))),
			want:   galera.Wait,
			reason: "on any other database node or proxy: hornero-bootstrap forget db-3",
		},
		{
			name: "declared gone is absent, also when it never registered",
			in: in(
				known(ours, 9),
				peers(at("db-1", ours, "7")),
				settings(map[string]string{"forgotten.db-3": "0"}),
			),
			want: galera.Bootstrap,
		},
		{
			name: "declared gone is absent",
			in: in(
				known(ours, 9),
				peers(at("db-1", ours, "7")),
				settings(map[string]string{"forgotten.db-3": "1"}),
			),
			want: galera.Bootstrap,
		},
		{
			name: "an empty replacement does not speak for the one before it",
			in: in(
				known(ours, 9),
				peers(at("db-1", ours, "7"), empty("db-3")),
				settings(map[string]string{"replaced.db-3": "1"}),
			),
			want: galera.Wait,
			reason: "waits for the evidence of db-3 (it is new and empty; nobody accounts for what its " +
				"incarnation 1 held)",
		},
		{
			name: "nor does a half-filled one",
			in: in(
				known(ours, 9),
				peers(
					at("db-1", ours, "7"),
					peer("db-3", "waiting", galera.FactEvidence, "torn"),
				),
				settings(map[string]string{"replaced.db-3": "1"}),
			),
			want:   galera.Wait,
			reason: "waits for the evidence of db-3",
		},
		{
			name: "one that has data does",
			in: in(
				known(ours, 9),
				peers(at("db-1", ours, "7"), at("db-3", ours, "8")),
				settings(map[string]string{"replaced.db-3": "1"}),
			),
			want: galera.Bootstrap,
		},
		{
			name: "nor does this node",
			in: in(
				peers(at("db-1", ours, "7"), at("db-3", ours, "8")),
				settings(map[string]string{"replaced.db-2": "1"}),
			),
			want:   galera.Wait,
			reason: "waits for the evidence of db-2 (it is new and empty",
		},
		{
			name: "an empty replacement is evidence",
			in:   in(known(ours, 9), peers(at("db-1", ours, "7"), empty("db-3"))),
			want: galera.Bootstrap,
		},
		{
			name: "a word that nobody knows is no evidence",
			in: in(
				known(ours, 9),
				peers(
					at("db-1", ours, "7"),
					peer("db-3", "waiting", galera.FactEvidence, "replaying"),
				),
			),
			want:   galera.Wait,
			reason: "db-3 (it says \"replaying\"",
		},
		{
			name:   "an unknown position is none",
			in:     in(known(ours, 9), peers(at("db-1", ours, "-1"), empty("db-3"))),
			want:   galera.Wait,
			reason: "waits for the evidence of db-1",
		},
		{
			name:   "a zero UUID is none",
			in:     in(known(ours, 9), peers(at("db-1", galera.ZeroUUID, "50"), empty("db-3"))),
			want:   galera.Wait,
			reason: "waits for the evidence of db-1",
		},
		{
			name: "a torn node never bootstraps",
			in: in(
				content(galera.ContentTorn),
				peers(at("db-1", ours, "7"), at("db-3", ours, "8")),
			),
			want:   galera.Wait,
			reason: "db-3 is to bootstrap",
		},
		{
			name: "unreadable data is tried again",
			in: in(
				content(galera.ContentUnreadable),
				peers(at("db-1", ours, "7"), at("db-3", ours, "8")),
			),
			want: galera.Recover,
		},
		{
			name: "and the others name it",
			in: in(
				known(ours, 9),
				peers(
					at("db-1", ours, "7"),
					peer("db-3", "recovering", galera.FactEvidence, "unreadable"),
				),
			),
			want:   galera.Wait,
			reason: "db-3 (its data cannot be read)",
		},
		{
			name: "with its reason",
			in: in(
				known(ours, 9),
				peers(
					at("db-1", ours, "7"),
					peer("db-3", "recovering", galera.FactReason, "disk full"),
				),
			),
			want:   galera.Wait,
			reason: "waits for the evidence of db-3 (disk full)",
		},
		{
			name:   "two clusters are not compared",
			in:     in(known(ours, 9), peers(at("db-1", theirs, "700"), at("db-3", ours, "8"))),
			want:   galera.Wait,
			reason: "db-2 holds data of another cluster",
		},
		{
			name: "nor with the recorded one",
			in: in(
				known(theirs, 9),
				peers(at("db-1", theirs, "7"), at("db-3", theirs, "8")),
				settings(begun),
			),
			want:   galera.Wait,
			reason: "data of another cluster",
		},
	}

	testDecisions(t, cases)
}

func TestTheRecordCarriesWhatEachNodeSaid(t *testing.T) {
	action := galera.Decide(in(
		known(ours, 9),
		peers(at("db-1", ours, "7"), empty("db-3")),
	))

	require.Equal(t,
		map[string]string{
			"db-1": "stopped at " + ours + ":7",
			"db-2": "stopped at " + ours + ":9",
			"db-3": "empty",
		},
		action.Evidence,
	)

	require.Equal(t, galera.Position{UUID: ours, Seqno: 9}, action.Position)
	require.Equal(t, galera.DelayEvidence, action.Delay)
}
