package galera_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
)

func TestWriter(t *testing.T) {
	three := peers(
		primary("db-1", ours),
		primary("db-2", ours),
		primary("db-3", ours),
	)

	outsideTheView := func(i *galera.Input) {
		i.Local.Wsrep.Size = 2
		i.Local.Wsrep.Incoming = []string{"10.0.0.2", "10.0.0.3"}
	}

	third := func(i *galera.Input) { i.Node = "db-3" }
	for _, c := range []struct {
		name string
		in   galera.Input
		want galera.WriterMove
	}{
		{
			name: "a synced node takes a free lease",
			in:   in(running("Primary", 4, 1), three),
			want: galera.WriterKeep,
		},
		{
			name: "and renews it",
			in:   in(running("Primary", 4, 1), three, holder(peerset.LeaseWriter, "db-2")),
			want: galera.WriterKeep,
		},
		{
			name: "a holder in the view keeps it",
			in:   in(running("Primary", 4, 1), three, holder(peerset.LeaseWriter, "db-1")),
			want: galera.WriterKeep,
		},
		{
			name: "a holder outside the view loses it at once",
			in: in(
				running("Primary", 4, 1),
				three,
				outsideTheView,
				holder(peerset.LeaseWriter, "db-1"),
			),
			want: galera.WriterSeize,
		},
		{
			name: "an arbitrator in the view hides nobody",
			in: in(
				running("Primary", 4, 1),
				three,
				outsideTheView,
				arbitrated,
				holder(peerset.LeaseWriter, "db-1"),
			),
			want: galera.WriterSeize,
		},
		{
			name: "a member without an address is nobody known, where there is no arbitrator",
			in: in(
				running("Primary", 4, 1),
				three,
				outsideTheView,
				addressless,
				holder(peerset.LeaseWriter, "db-1"),
			),
			want: galera.WriterKeep,
		},
		{
			name: "to the lowest name only",
			in: in(
				third,
				running("Primary", 4, 1),
				three,
				outsideTheView,
				holder(peerset.LeaseWriter, "db-1"),
			),
			want: galera.WriterKeep,
		},
		{
			name: "not while a member of the view is unknown",
			in: in(
				running("Primary", 4, 1),
				peers(primary("db-1", ours), primary("db-2", ours)),
				outsideTheView,
				holder(peerset.LeaseWriter, "db-1"),
			),
			want: galera.WriterKeep,
		},
		{
			name: "outside the primary component it yields",
			in: in(
				running("non-Primary", 0, 1),
				three,
				holder(peerset.LeaseWriter, "db-2"),
			),
			want: galera.WriterYield,
		},
		{
			name: "outside it does not try",
			in: in(
				running("non-Primary", 0, 1),
				three,
				holder(peerset.LeaseWriter, "db-1"),
			),
			want: galera.WriterPass,
		},
		{
			name: "a donor yields",
			in:   in(running("Primary", 2, 1), three, holder(peerset.LeaseWriter, "db-2")),
			want: galera.WriterYield,
		},
		{
			name: "unless nobody else can",
			in: in(
				running("Primary", 2, 1),
				peers(peer("db-1", galera.StateJoining), primary("db-2", ours)),
				holder(peerset.LeaseWriter, "db-2"),
			),
			want: galera.WriterKeep,
		},
		{
			name: "a leaving node yields",
			in: in(
				leaving,
				running("Primary", 4, 1),
				three,
				holder(peerset.LeaseWriter, "db-2"),
			),
			want: galera.WriterYield,
		},
		{
			name: "a leaving node does not take it",
			in:   in(leaving, running("Primary", 4, 1), three),
			want: galera.WriterPass,
		},
		{
			name: "stopped",
			in:   in(known(ours, 1), three),
			want: galera.WriterPass,
		},
		{
			name: "whose disk is nearly full yields",
			in: in(
				short,
				running("Primary", 4, 1),
				three,
				holder(peerset.LeaseWriter, "db-2"),
			),
			want: galera.WriterYield,
		},
		{
			name: "and takes no free lease",
			in:   in(short, running("Primary", 4, 1), three),
			want: galera.WriterPass,
		},
		{
			name: "to one that has room",
			in: in(
				short,
				running("Primary", 4, 1),
				peers(crowded("db-1"), primary("db-3", ours)),
				holder(peerset.LeaseWriter, "db-2"),
			),
			want: galera.WriterYield,
		},
		{
			name: "not when all are short",
			in: in(
				short,
				running("Primary", 4, 1),
				peers(crowded("db-1"), crowded("db-3")),
				holder(peerset.LeaseWriter, "db-2"),
			),
			want: galera.WriterKeep,
		},
		{
			name: "nor when the other cannot take them",
			in: in(
				short,
				running("Primary", 4, 1),
				peers(peer("db-1", galera.StateDonor), dead(primary("db-3", ours))),
				holder(peerset.LeaseWriter, "db-2"),
			),
			want: galera.WriterKeep,
		},
		{
			name: "who leaves hands over to one that is short",
			in: in(
				leaving,
				running("Primary", 4, 1),
				peers(crowded("db-1")),
				holder(peerset.LeaseWriter, "db-2"),
			),
			want: galera.WriterYield,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			state := galera.Decide(c.in).State
			require.Equal(t, c.want, galera.Writer(c.in, state))
		})
	}
}

func TestAnAgentThatJustStartedLeavesTheWriterAlone(t *testing.T) {
	require.Equal(t,
		galera.WriterPass,
		galera.Writer(in(holder(peerset.LeaseWriter, "db-2")), ""),
	)
}

func TestHealthy(t *testing.T) {
	for _, c := range []struct {
		name string
		in   galera.Input
		want bool
	}{
		{"synced", in(running("Primary", 4, 1)), true},
		{
			name: "its disk is nearly full: it can be read",
			in:   in(running("Primary", 4, 1), short, peers(primary("db-1", ours))),
			want: true,
		},
		{
			name: "non-primary",
			in:   in(running("non-Primary", 4, 1)),
			want: false,
		},
		{
			name: "a donor beside a synced node",
			in:   in(running("Primary", 2, 1), peers(primary("db-1", ours))),
			want: false,
		},
		{
			name: "a donor alone",
			in:   in(running("Primary", 2, 1)),
			want: true,
		},
		{"joining", in(running("Primary", 3, 1)), false},
		{
			name: "a donor that holds the writer lease",
			in: in(
				running("Primary", 2, 1),
				peers(primary("db-1", ours)),
				holder(peerset.LeaseWriter, "db-2"),
			),
			want: true,
		},
	} {
		state := galera.Decide(c.in).State

		require.Equal(t, c.want, galera.Healthy(c.in, state), c.name)
	}
}
