package galera_test

import (
	"testing"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
)

func TestDecideToLeave(t *testing.T) {
	cases := []decision{
		{
			name: "the writer hands over first",
			in: in(
				leaving,
				running("Primary", 4, 10),
				peers(primary("db-1", ours)),
				holder(peerset.LeaseWriter, "db-2"),
			),
			want:   galera.Wait,
			state:  galera.StateSynced,
			reason: "take the writes first",
		},
		{
			name: "then stops",
			in: in(
				leaving,
				running("Primary", 4, 10),
				peers(primary("db-1", ours)),
				holder(peerset.LeaseWriter, "db-1"),
			),
			want:  galera.Stop,
			state: galera.StateStopped,
		},
		{
			name: "but not while a proxy sends its writes here",
			in: in(
				inDrainGrace,
				running("Primary", 4, 10),
				peers(primary("db-1", ours), proxy("proxy-1", "db-2")),
				holder(peerset.LeaseWriter, "db-1"),
			),
			want:   galera.Wait,
			state:  galera.StateSynced,
			reason: "proxy-1 is to send the writes elsewhere first",
		},
		{
			name: "when all send them elsewhere the clients go",
			in: in(
				inDrainGrace,
				running("Primary", 4, 10),
				peers(primary("db-1", ours), proxy("proxy-1", "db-1")),
				holder(peerset.LeaseWriter, "db-1"),
			),
			want:  galera.Disconnect,
			state: galera.StateSynced,
		},
		{
			name: "a dead proxy sends nothing",
			in: in(
				inDrainGrace,
				running("Primary", 4, 10),
				peers(primary("db-1", ours), dead(proxy("proxy-1", "db-2"))),
				holder(peerset.LeaseWriter, "db-1"),
			),
			want: galera.Disconnect,
		},
		{
			name: "then the server",
			in: in(
				inDrainGrace,
				disconnected,
				running("Primary", 4, 10),
				peers(primary("db-1", ours), proxy("proxy-1", "db-1")),
				holder(peerset.LeaseWriter, "db-1"),
			),
			want: galera.Stop,
		},
		{
			name: "and not for ever",
			in: in(
				leaving,
				running("Primary", 4, 10),
				peers(primary("db-1", ours), proxy("proxy-1", "db-2")),
				holder(peerset.LeaseWriter, "db-1"),
			),
			want: galera.Stop,
		},
		{
			name: "who leaves, too, takes no writes",
			in: in(
				leaving,
				running("Primary", 4, 10),
				peers(peer("db-1", galera.StateSynced, galera.FactLeaving, "yes")),
			),
			want: galera.Stop,
		},
		{
			name: "the last one just stops",
			in:   in(leaving, running("Primary", 4, 10), holder(peerset.LeaseWriter, "db-2")),
			want: galera.Stop,
		},
		{
			name:   "and stays stopped",
			in:     in(leaving, known(ours, 5), peers(primary("db-1", ours))),
			want:   galera.Wait,
			state:  galera.StateStopped,
			reason: "drained",
		},
	}

	testDecisions(t, cases)
}
