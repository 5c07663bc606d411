package galera_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
)

func TestDecideToJoin(t *testing.T) {
	cases := []decision{
		{
			name:   "join whoever is primary",
			in:     in(peers(primary("db-1", ours))),
			want:   galera.Join,
			state:  galera.StateJoining,
			reason: "join db-1",
		},
		{
			name:   "in turn",
			in:     in(peers(primary("db-1", ours)), holder(peerset.LeaseGaleraJoin, "db-3")),
			want:   galera.Join,
			state:  galera.StateWaiting,
			reason: "db-3 is joining",
		},
		{
			name: "not while the only one besides the writer gives to another",
			in: in(
				peers(primary("db-1", ours), peer("db-3", galera.StateDonor)),
				holder(peerset.LeaseWriter, "db-1"),
			),
			want:   galera.Wait,
			state:  galera.StateWaiting,
			reason: "waits for db-3 to have given",
		},
		{
			name: "there is a third that can give",
			in: in(
				peers(
					primary("db-1", ours),
					peer("db-3", galera.StateDonor),
					primary("db-4", ours),
				),
				holder(peerset.LeaseWriter, "db-1"),
			),
			want: galera.Join,
		},
		{
			name: "the donor is the writer itself, and all that there is",
			in: in(
				peers(peer("db-1", galera.StateDonor)),
				holder(peerset.LeaseWriter, "db-1"),
			),
			want: galera.Join,
		},
		{
			name: "the donor is about to leave: it is not waited for",
			in: in(
				peers(
					primary("db-1", ours),
					peer("db-3", galera.StateDonor, galera.FactLeaving, "yes"),
				),
				holder(peerset.LeaseWriter, "db-1"),
			),
			want: galera.Join,
		},
		{
			name:   "not a dead one",
			in:     in(peers(dead(primary("db-1", ours)))),
			want:   galera.Wait,
			reason: "or for word of db-1, db-3",
		},
		{
			name: "a torn transfer is wiped",
			in:   in(content(galera.ContentTorn), peers(primary("db-1", ours))),
			want: galera.Join,
			wipe: true,
		},
		{
			name: "data is kept for an incremental transfer",
			in:   in(known(ours, 90), failed(2), peers(primary("db-1", ours))),
			want: galera.Join,
		},
		{
			name: "however often a start fails that says nothing of it",
			in:   in(known(ours, 90), failed(30), peers(primary("db-1", ours))),
			want: galera.Join,
		},
		{
			name: "until the server has refused it too often",
			in:   in(known(ours, 90), damaged(3), peers(primary("db-1", ours))),
			want: galera.Join,
			wipe: true,
		},
		{
			name:   "data ahead of the cluster is never wiped",
			in:     in(known(ours, 101), damaged(3), peers(primary("db-1", ours))),
			want:   galera.Wait,
			reason: "is ahead of the primary component",
		},
		{
			name: "nor what Galera says is ahead, whatever the peers last said",
			in: in(
				known(ours, 90),
				failed(1),
				func(i *galera.Input) { i.Local.Cause = galera.CauseAhead },
				peers(primary("db-1", ours)),
			),
			want:   galera.Wait,
			reason: "is ahead of the primary component",
		},
		{
			name:   "data of another cluster is never joined over",
			in:     in(known(theirs, 5), peers(primary("db-1", ours))),
			want:   galera.Wait,
			reason: "data of another cluster",
		},
		{
			name:  "a crashed server's position is recovered first",
			in:    in(content(galera.ContentCrashed), peers(primary("db-1", ours))),
			want:  galera.Recover,
			state: galera.StateRecovering,
		},
		{
			name: "unreadable data is replaced when there is a primary component",
			in: in(
				content(galera.ContentUnreadable),
				peers(primary("db-1", ours), primary("db-3", ours)),
			),
			want: galera.Join,
			wipe: true,
		},
		{
			name: "beside a donor, too",
			in: in(
				content(galera.ContentUnreadable),
				peers(primary("db-1", ours), peer("db-3", galera.StateDonor)),
			),
			want: galera.Join,
			wipe: true,
		},
		{
			name: "not when only one other node holds the data",
			in:   in(content(galera.ContentUnreadable), peers(primary("db-1", ours))),
			want: galera.Recover,
		},
		{
			name: "nor data of another cluster",
			in: in(
				known(theirs, -1),
				content(galera.ContentUnreadable),
				peers(primary("db-1", ours), primary("db-3", ours)),
			),
			want:   galera.Wait,
			reason: "data of another cluster",
		},
		{
			name: "a recovery that failed waits",
			in: in(content(galera.ContentCrashed), backingOff, func(i *galera.Input) {
				i.Local.RecoveryFailures = 2
				i.Local.Trouble = "disk space: no space left on device"
			}),
			want:   galera.Wait,
			state:  galera.StateRecovering,
			reason: "disk space: no space left",
		},
		{
			name: "and is tried again, primary component or not",
			in: in(
				content(galera.ContentCrashed),
				func(i *galera.Input) { i.Local.RecoveryFailures = 99 },
				peers(primary("db-1", ours), primary("db-3", ours)),
			),
			want: galera.Recover,
		},
		{
			name:   "without quorum data may join, blindly",
			in:     in(known(ours, 5), noQuorum, peers(primary("db-1", ours))),
			want:   galera.Join,
			reason: "remembered addresses",
		},
		{
			name:   "without quorum an empty node waits",
			in:     in(noQuorum, peers(primary("db-1", ours))),
			want:   galera.Wait,
			reason: "no quorum",
		},
	}

	testDecisions(t, cases)
}

func TestClusterConfig(t *testing.T) {
	config := galera.ClusterConfig(in(
		peers(primary("db-1", ours), empty("db-2"), primary("db-3", ours)),
		holder(peerset.LeaseWriter, "db-1"),
	))
	require.Contains(t, config, "wsrep_cluster_address = gcomm://10.0.0.1,10.0.0.3\n")

	require.Contains(t,
		config,
		"wsrep_sst_donor = \"db-3\"\n",
		"the writer is spared, also while the donor is busy",
	)

	require.NotContains(t,
		galera.ClusterConfig(in(
			peers(primary("db-1", ours)),
			holder(peerset.LeaseWriter, "db-1"),
		)),
		"donor",
		"there is nobody else",
	)

	leaving := peer("db-3", galera.StateSynced, galera.FactLeaving, "yes")
	require.NotContains(t,
		galera.ClusterConfig(in(
			peers(primary("db-1", ours), leaving),
			holder(peerset.LeaseWriter, "db-1"),
		)),
		"donor",
		"nor who stays",
	)

	require.NotContains(t,
		galera.ClusterConfig(in(
			peers(primary("db-1", ours), dead(primary("db-3", ours))),
			holder(peerset.LeaseWriter, "db-1"),
		)),
		"donor",
		"nor who lives",
	)

	config = galera.ClusterConfig(in(
		noQuorum,
		peers(dead(primary("db-1", ours)), dead(primary("db-3", ours))),
		holder(peerset.LeaseWriter, "db-1"),
	))
	require.Contains(t, config, "wsrep_sst_donor = \"db-3,\"\n", "what was last known binds nobody")
}
