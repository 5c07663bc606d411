package galera_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
)

const (
	ours   = "11111111-1111-1111-1111-111111111111"
	theirs = "22222222-2222-2222-2222-222222222222"
)

// peer is a living database node; facts come in pairs.
func peer(name string, state galera.State, facts ...string) peerset.Peer {
	p := peerset.Peer{
		Name:        name,
		Role:        "db",
		Incarnation: 1,
		Address:     "10.0.0." + name[3:],
		State:       string(state),
		Alive:       true,
		Facts:       map[string]string{},
	}

	p.Healthy = state == galera.StateSynced

	for i := 0; i < len(facts); i += 2 {
		p.Facts[facts[i]] = facts[i+1]
	}

	return p
}

func empty(name string) peerset.Peer {
	return peer(name, galera.StateWaiting, galera.FactEvidence, "empty")
}

func at(name, uuid, seqno string) peerset.Peer {
	return peer(
		name,
		galera.StateWaiting,
		galera.FactEvidence,
		"stopped",
		galera.FactUUID,
		uuid,
		galera.FactSeqno,
		seqno,
	)
}

func primary(name, uuid string) peerset.Peer {
	return peer(name, galera.StateSynced, galera.FactUUID, uuid, galera.FactSeqno, "100")
}

func proxy(name, sends string) peerset.Peer {
	return peerset.Peer{
		Name:        name,
		Role:        "proxy",
		Incarnation: 1,
		Alive:       true,
		Healthy:     true,
		Facts:       map[string]string{peerset.FactSendsTo: sends},
	}
}

func dead(p peerset.Peer) peerset.Peer {
	p.Alive = false
	return p
}

func elsewhere(p peerset.Peer) peerset.Peer {
	p.Address = "10.0.0.99"
	return p
}

// invitation is a history that db-1 has begun in directory seed, with a node invited at its third number.
func invitation(t *testing.T, seed, node string, incarnation int) map[string]string {
	return record(t, galera.Record{
		Node:        "db-1",
		Incarnation: 1,
		Seed:        seed,
		Invited: &galera.Invitation{
			Node:        node,
			Incarnation: incarnation,
			UUID:        ours,
			Seqno:       3,
		},
	})
}

func record(t *testing.T, r galera.Record) map[string]string {
	text, err := json.Marshal(r)
	require.NoError(t, err)
	return map[string]string{galera.SettingDecision: string(text)}
}

// in is db-2 of three, stopped and pristine, with quorum and nobody else there.
func in(change ...func(*galera.Input)) galera.Input {
	input := galera.Input{
		Node:        "db-2",
		Incarnation: 1,
		Expected:    []string{"db-1", "db-2", "db-3"},
		Local: galera.Local{
			Process: galera.ProcessStopped,
			Content: galera.ContentPristine,
		},
		Peers: peerset.Snapshot{
			Founded:  "one",
			Quorum:   true,
			Leases:   map[string]peerset.Lease{},
			Settings: map[string]string{},
		},
	}

	for _, c := range change {
		c(&input)
	}

	return input
}

type edit = func(*galera.Input)

func peers(list ...peerset.Peer) edit {
	return func(i *galera.Input) { i.Peers.Peers = list }
}
func settings(s map[string]string) edit {
	return func(i *galera.Input) {
		for k, v := range s {
			i.Peers.Settings[k] = v
		}
	}
}
func seed(s string) edit {
	return func(i *galera.Input) { i.Local.Seed = s }
}
func founder(i *galera.Input)  { i.Founder = true }
func noQuorum(i *galera.Input) { i.Peers.Quorum = false }
func parting(i *galera.Input) {
	i.Leave, i.DrainGrace = true, true
}
func dismissed(i *galera.Input)  { i.Local.Disconnected = true }
func leaving(i *galera.Input)    { i.Leave = true }
func backingOff(i *galera.Input) { i.BackingOff = true }
func content(c galera.Content) edit {
	return func(i *galera.Input) { i.Local.Content = c }
}
func known(uuid string, seqno int64) edit {
	return func(i *galera.Input) {
		i.Local.Content, i.Local.Position = galera.ContentKnown, galera.Position{UUID: uuid, Seqno: seqno}
	}
}
func failed(times int) edit {
	return func(i *galera.Input) { i.Local.Failures = times }
}
func damaged(times int) edit {
	return func(i *galera.Input) {
		i.Local.Failures = times
		i.Local.Damage = times
		i.Local.Cause = galera.CauseData
	}
}
func running(status string, state int, seqno int64) edit {
	return func(i *galera.Input) {
		i.Local.Process = galera.ProcessRunning

		i.Local.Wsrep = galera.Wsrep{
			ClusterStatus: status,
			LocalState:    state,
			Ready:         status == "Primary",
			Size:          3,
			UUID:          ours,
			Seqno:         seqno,
			Incoming:      []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"},
		}
	}
}
func arbitrated(i *galera.Input) {
	addressless(i)

	i.Peers.Peers = append(i.Peers.Peers, peerset.Peer{
		Name:        "arbitrator-1",
		Role:        "arbitrator",
		Incarnation: 1,
		Alive:       true,
	})
}
func addressless(i *galera.Input) {
	i.Local.Wsrep.Size++
	i.Local.Wsrep.Arbiters = 1
}
func short(i *galera.Input) {
	i.Local.Short, i.Local.Space = true, galera.Space{
		Free:  300 << 20,
		Total: 25 << 30,
	}
}
func crowded(name string) peerset.Peer {
	p := primary(name, ours)
	p.Facts[galera.FactShort] = "yes"
	return p
}
func doing(p galera.Process) edit {
	return func(i *galera.Input) { i.Local.Process = p }
}
func holder(lease, node string) edit {
	return func(i *galera.Input) {
		i.Peers.Leases[lease] = peerset.Lease{
			Name:        lease,
			Holder:      node,
			Incarnation: 1,
			Epoch:       7,
		}
	}
}

func TestDecide(t *testing.T) {
	begun := record(t, galera.Record{
		UUID:        ours,
		Node:        "db-1",
		Incarnation: 1,
	})

	for _, c := range []struct {
		name   string
		in     galera.Input
		want   galera.Kind
		state  galera.State
		reason string // a part of it
		wipe   bool
	}{
		// A fresh stack.
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
			name: "the stack had data once and all of it is gone",
			in: in(
				peers(empty("db-1"), empty("db-3")),
				settings(begun),
			),
			want:   galera.Wait,
			reason: "no database node holds data of cluster " + ours,
		},

		// Beginning together.
		{
			name: "an invited node with the same directory begins at once",
			in: in(
				seed("a"),
				peers(peer("db-1", galera.StateBootstrapping)),
				settings(invitation(t, "a", "db-2", 1)),
			),
			want:   galera.Join,
			state:  galera.StateJoining,
			reason: "together with the others",
		},
		{
			name: "one with another directory does not",
			in: in(
				seed("b"),
				peers(peer("db-1", galera.StateBootstrapping)),
				settings(invitation(t, "a", "db-2", 1)),
			),
			want:   galera.Wait,
			reason: "or for word of db-1",
		},
		{
			name: "nor one from an image that names no directory",
			in: in(
				peers(peer("db-1", galera.StateBootstrapping)),
				settings(invitation(t, "", "db-2", 1)),
			),
			want: galera.Wait,
		},
		{
			name: "nor one that was started before",
			in: in(
				seed("a"),
				content(galera.ContentBlank),
				peers(peer("db-1", galera.StateBootstrapping)),
				settings(invitation(t, "a", "db-2", 1)),
			),
			want: galera.Wait,
		},
		{
			name: "nor one with data",
			in: in(
				seed("a"),
				known(ours, 5),
				peers(peer("db-1", galera.StateBootstrapping)),
				settings(invitation(t, "a", "db-2", 1)),
			),
			want: galera.Wait,
		},
		{
			name: "nor another node",
			in: in(
				seed("a"),
				peers(peer("db-1", galera.StateBootstrapping)),
				settings(invitation(t, "a", "db-3", 1)),
			),
			want: galera.Wait,
		},
		{
			name: "nor another incarnation",
			in: in(
				seed("a"),
				peers(peer("db-1", galera.StateBootstrapping)),
				settings(invitation(t, "a", "db-2", 2)),
			),
			want: galera.Wait,
		},
		{
			name: "nor when the host is gone",
			in: in(
				seed("a"),
				peers(dead(peer("db-1", galera.StateBootstrapping))),
				settings(invitation(t, "a", "db-2", 1)),
			),
			want: galera.Wait,
		},
		{
			name: "nor when the host does something else by now",
			in: in(
				seed("a"),
				peers(peer("db-1", galera.StateRecovering)),
				settings(invitation(t, "a", "db-2", 1)),
			),
			want: galera.Wait,
		},
		{
			name: "nor without a quorum",
			in: in(
				seed("a"),
				noQuorum,
				peers(peer("db-1", galera.StateBootstrapping)),
				settings(invitation(t, "a", "db-2", 1)),
			),
			want:   galera.Wait,
			reason: "no quorum",
		},
		{
			name: "a guest serves nobody before there are users",
			in: in(
				running("Primary", 4, 2),
				peers(peer("db-1", galera.StateBootstrapping)),
				settings(invitation(t, "a", "db-2", 1)),
			),
			want:   galera.Wait,
			state:  galera.StateJoining,
			reason: "db-1 is to make its users",
		},
		{
			name: "a guest whose host has left the cluster makes them",
			in: in(
				running("Primary", 4, 2),
				peers(elsewhere(peer("db-1", galera.StateBootstrapping))),
				settings(invitation(t, "a", "db-2", 1)),
			),
			want: galera.Conclude,
		},
		{
			name: "a host that lost its data does not begin anew: a guest may have it",
			in: in(
				content(galera.ContentBlank),
				settings(record(t, galera.Record{
					Node:        "db-2",
					Incarnation: 1,
					Invited:     &galera.Invitation{Node: "db-1"},
				})),
			),
			want:   galera.Wait,
			reason: "or for word of db-1, db-3",
		},

		// Joining.
		{
			name:   "join whoever is primary",
			in:     in(peers(primary("db-1", ours))),
			want:   galera.Join,
			state:  galera.StateJoining,
			reason: "join db-1",
		},
		{
			name: "in turn",
			in: in(
				peers(primary("db-1", ours)),
				holder(peerset.LeaseGaleraJoin, "db-3"),
			),
			want:   galera.Join,
			state:  galera.StateWaiting,
			reason: "db-3 is joining",
		},
		{
			name: "not while the only one besides the writer gives to another",
			in: in(
				peers(
					primary("db-1", ours),
					peer("db-3", galera.StateDonor),
				),
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
			in: in(
				content(galera.ContentTorn),
				peers(primary("db-1", ours)),
			),
			want: galera.Join,
			wipe: true,
		},
		{
			name: "data is kept for an incremental transfer",
			in: in(
				known(ours, 90),
				failed(2),
				peers(primary("db-1", ours)),
			),
			want: galera.Join,
		},
		{
			name: "however often a start fails that says nothing of it",
			in: in(
				known(ours, 90),
				failed(30),
				peers(primary("db-1", ours)),
			),
			want: galera.Join,
		},
		{
			name: "until the server has refused it too often",
			in: in(
				known(ours, 90),
				damaged(3),
				peers(primary("db-1", ours)),
			),
			want: galera.Join,
			wipe: true,
		},
		{
			name: "data ahead of the cluster is never wiped",
			in: in(
				known(ours, 101),
				damaged(3),
				peers(primary("db-1", ours)),
			),
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
			name: "data of another cluster is never joined over",
			in: in(
				known(theirs, 5),
				peers(primary("db-1", ours)),
			),
			want:   galera.Wait,
			reason: "data of another cluster",
		},
		{
			name: "a crashed server's position is recovered first",
			in: in(
				content(galera.ContentCrashed),
				peers(primary("db-1", ours)),
			),
			want:  galera.Recover,
			state: galera.StateRecovering,
		},
		{
			name: "unreadable data is replaced when there is a primary component",
			in: in(
				content(galera.ContentUnreadable),
				peers(
					primary("db-1", ours),
					primary("db-3", ours),
				),
			),
			want: galera.Join,
			wipe: true,
		},
		{
			name: "beside a donor, too",
			in: in(
				content(galera.ContentUnreadable),
				peers(
					primary("db-1", ours),
					peer("db-3", galera.StateDonor),
				),
			),
			want: galera.Join,
			wipe: true,
		},
		{
			name: "not when only one other node holds the data",
			in: in(
				content(galera.ContentUnreadable),
				peers(primary("db-1", ours)),
			),
			want: galera.Recover,
		},
		{
			name: "nor data of another cluster",
			in: in(
				known(theirs, -1),
				content(galera.ContentUnreadable),
				peers(
					primary("db-1", ours),
					primary("db-3", ours),
				),
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
				peers(
					primary("db-1", ours),
					primary("db-3", ours),
				),
			),
			want: galera.Recover,
		},
		{
			name: "without quorum data may join, blindly",
			in: in(
				known(ours, 5),
				noQuorum,
				peers(primary("db-1", ours)),
			),
			want:   galera.Join,
			reason: "remembered addresses",
		},
		{
			name:   "without quorum an empty node waits",
			in:     in(noQuorum, peers(primary("db-1", ours))),
			want:   galera.Wait,
			reason: "no quorum",
		},

		// After a full stop.
		{
			name: "the most advanced bootstraps",
			in: in(
				known(ours, 9),
				peers(
					at("db-1", ours, "7"),
					at("db-3", ours, "8"),
				),
				settings(begun),
			),
			want:   galera.Bootstrap,
			reason: "most advanced",
		},
		{
			name: "another waits for it",
			in: in(
				known(ours, 9),
				peers(
					at("db-1", ours, "7"),
					at("db-3", ours, "10"),
				),
			),
			want:   galera.Wait,
			reason: "db-3 is to bootstrap",
		},
		{
			name: "a tie goes to the lowest name",
			in: in(
				known(ours, 9),
				peers(
					at("db-1", ours, "9"),
					at("db-3", ours, "9"),
				),
			),
			want:   galera.Wait,
			reason: "db-1 is to bootstrap",
		},
		{
			name: "or to a server that runs",
			in: in(
				known(ours, 9),
				peers(
					at("db-1", ours, "9"),
					peer(
						"db-3",
						galera.StateNonPrimary,
						galera.FactEvidence,
						"non-primary",
						galera.FactUUID,
						ours,
						galera.FactSeqno,
						"9",
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
				peers(
					at("db-1", ours, "7"),
					dead(at("db-3", ours, "8")),
				),
			),
			want:   galera.Wait,
			reason: "waits for the evidence of db-3",
		},
		{
			name: "a node that never came counts too",
			in: in(
				known(ours, 9),
				peers(at("db-1", ours, "7")),
			),
			want:   galera.Wait,
			reason: "waits for the evidence of db-3",
		},
		{
			name: "the operator reads what to do about it",
			in: in(
				known(ours, 9),
				peers(at("db-1", ours, "7")),
			),
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
				peers(
					at("db-1", ours, "7"),
					empty("db-3"),
				),
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
				peers(
					at("db-1", ours, "7"),
					at("db-3", ours, "8"),
				),
				settings(map[string]string{"replaced.db-3": "1"}),
			),
			want: galera.Bootstrap,
		},
		{
			name: "nor does this node",
			in: in(
				peers(
					at("db-1", ours, "7"),
					at("db-3", ours, "8"),
				),
				settings(map[string]string{"replaced.db-2": "1"}),
			),
			want:   galera.Wait,
			reason: "waits for the evidence of db-2 (it is new and empty",
		},
		{
			name: "an empty replacement is evidence",
			in: in(
				known(ours, 9),
				peers(
					at("db-1", ours, "7"),
					empty("db-3"),
				),
			),
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
			name: "an unknown position is none",
			in: in(
				known(ours, 9),
				peers(
					at("db-1", ours, "-1"),
					empty("db-3"),
				),
			),
			want:   galera.Wait,
			reason: "waits for the evidence of db-1",
		},
		{
			name: "a zero UUID is none",
			in: in(
				known(ours, 9),
				peers(
					at("db-1", galera.ZeroUUID, "50"),
					empty("db-3"),
				),
			),
			want:   galera.Wait,
			reason: "waits for the evidence of db-1",
		},
		{
			name: "a torn node never bootstraps",
			in: in(
				content(galera.ContentTorn),
				peers(
					at("db-1", ours, "7"),
					at("db-3", ours, "8"),
				),
			),
			want:   galera.Wait,
			reason: "db-3 is to bootstrap",
		},
		{
			name: "unreadable data is tried again",
			in: in(
				content(galera.ContentUnreadable),
				peers(
					at("db-1", ours, "7"),
					at("db-3", ours, "8"),
				),
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
			name: "two clusters are not compared",
			in: in(
				known(ours, 9),
				peers(
					at("db-1", theirs, "700"),
					at("db-3", ours, "8"),
				),
			),
			want:   galera.Wait,
			reason: "db-2 holds data of another cluster",
		},
		{
			name: "nor with the recorded one",
			in: in(
				known(theirs, 9),
				peers(
					at("db-1", theirs, "7"),
					at("db-3", theirs, "8"),
				),
				settings(begun),
			),
			want:   galera.Wait,
			reason: "data of another cluster",
		},

		// Declared gone, or followed by another of the name.
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

		// A running server.
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
			name: "outside, others inside: starts anew if it must",
			in: in(
				running("non-Primary", 0, 10),
				peers(primary("db-1", ours)),
			),
			want:  galera.Stop,
			state: galera.StateNonPrimary,
		},
		{
			name: "outside and nobody inside: waits for the silent",
			in: in(
				running("non-Primary", 0, 10),
				peers(at("db-1", ours, "9")),
			),
			want:   galera.Wait,
			state:  galera.StateNonPrimary,
			reason: "waits for the evidence of db-3",
		},
		{
			name: "all have spoken: it forms the component again",
			in: in(
				running("non-Primary", 0, 10),
				peers(
					at("db-1", ours, "9"),
					at("db-3", ours, "10"),
				),
			),
			want:  galera.Reform,
			state: galera.StateNonPrimary,
		},
		{
			name: "a more advanced one does",
			in: in(
				running("non-Primary", 0, 10),
				peers(
					at("db-1", ours, "9"),
					at("db-3", ours, "11"),
				),
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
				peers(
					at("db-1", ours, "9"),
					at("db-3", ours, "10"),
				),
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

		// Leaving.
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
				parting,
				running("Primary", 4, 10),
				peers(
					primary("db-1", ours),
					proxy("proxy-1", "db-2"),
				),
				holder(peerset.LeaseWriter, "db-1"),
			),
			want:   galera.Wait,
			state:  galera.StateSynced,
			reason: "proxy-1 is to send the writes elsewhere first",
		},
		{
			name: "when all send them elsewhere the clients go",
			in: in(
				parting,
				running("Primary", 4, 10),
				peers(
					primary("db-1", ours),
					proxy("proxy-1", "db-1"),
				),
				holder(peerset.LeaseWriter, "db-1"),
			),
			want:  galera.Disconnect,
			state: galera.StateSynced,
		},
		{
			name: "a dead proxy sends nothing",
			in: in(
				parting,
				running("Primary", 4, 10),
				peers(
					primary("db-1", ours),
					dead(proxy("proxy-1", "db-2")),
				),
				holder(peerset.LeaseWriter, "db-1"),
			),
			want: galera.Disconnect,
		},
		{
			name: "then the server",
			in: in(
				parting,
				dismissed,
				running("Primary", 4, 10),
				peers(
					primary("db-1", ours),
					proxy("proxy-1", "db-1"),
				),
				holder(peerset.LeaseWriter, "db-1"),
			),
			want: galera.Stop,
		},
		{
			name: "and not for ever",
			in: in(
				leaving,
				running("Primary", 4, 10),
				peers(
					primary("db-1", ours),
					proxy("proxy-1", "db-2"),
				),
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
			in: in(
				leaving,
				running("Primary", 4, 10),
				holder(peerset.LeaseWriter, "db-2"),
			),
			want: galera.Stop,
		},
		{
			name: "and stays stopped",
			in: in(
				leaving,
				known(ours, 5),
				peers(primary("db-1", ours)),
			),
			want:   galera.Wait,
			state:  galera.StateStopped,
			reason: "drained",
		},
	} {
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

func TestTheRecordCarriesWhatEachNodeSaid(t *testing.T) {
	action := galera.Decide(in(
		known(ours, 9),
		peers(
			at("db-1", ours, "7"),
			empty("db-3"),
		),
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

func TestWriter(t *testing.T) {
	three := peers(
		primary("db-1", ours),
		primary("db-2", ours),
		primary("db-3", ours),
	)

	shutOut := func(i *galera.Input) {
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
			in: in(
				running("Primary", 4, 1),
				three,
				holder(peerset.LeaseWriter, "db-2"),
			),
			want: galera.WriterKeep,
		},
		{
			name: "a holder in the view keeps it",
			in: in(
				running("Primary", 4, 1),
				three,
				holder(peerset.LeaseWriter, "db-1"),
			),
			want: galera.WriterKeep,
		},
		{
			name: "a holder outside the view loses it at once",
			in: in(
				running("Primary", 4, 1),
				three,
				shutOut,
				holder(peerset.LeaseWriter, "db-1"),
			),
			want: galera.WriterSeize,
		},
		{
			name: "an arbitrator in the view hides nobody",
			in: in(
				running("Primary", 4, 1),
				three,
				shutOut,
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
				shutOut,
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
				shutOut,
				holder(peerset.LeaseWriter, "db-1"),
			),
			want: galera.WriterKeep,
		},
		{
			name: "not while a member of the view is unknown",
			in: in(
				running("Primary", 4, 1),
				peers(
					primary("db-1", ours),
					primary("db-2", ours),
				),
				shutOut,
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
			in: in(
				running("Primary", 2, 1),
				three,
				holder(peerset.LeaseWriter, "db-2"),
			),
			want: galera.WriterYield,
		},
		{
			name: "unless nobody else can",
			in: in(
				running("Primary", 2, 1),
				peers(
					peer("db-1", galera.StateJoining),
					primary("db-2", ours),
				),
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
				peers(
					peer("db-1", galera.StateDonor),
					dead(primary("db-3", ours)),
				),
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
			require.Equal(t,
				c.want,
				galera.Writer(c.in, galera.Decide(c.in).State),
			)
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
			in: in(
				running("Primary", 4, 1),
				short,
				peers(primary("db-1", ours)),
			),
			want: true,
		},
		{
			name: "non-primary",
			in:   in(running("non-Primary", 4, 1)),
			want: false,
		},
		{
			name: "a donor beside a synced node",
			in: in(
				running("Primary", 2, 1),
				peers(primary("db-1", ours)),
			),
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
		require.Equal(t,
			c.want,
			galera.Healthy(c.in, galera.Decide(c.in).State),
			c.name,
		)
	}
}

func TestClusterConfig(t *testing.T) {
	config := galera.ClusterConfig(in(
		peers(
			primary("db-1", ours),
			empty("db-2"),
			primary("db-3", ours),
		),
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
			peers(
				primary("db-1", ours),
				dead(primary("db-3", ours)),
			),
			holder(peerset.LeaseWriter, "db-1"),
		)),
		"donor",
		"nor who lives",
	)

	config = galera.ClusterConfig(in(
		noQuorum,
		peers(
			dead(primary("db-1", ours)),
			dead(primary("db-3", ours)),
		),
		holder(peerset.LeaseWriter, "db-1"),
	))
	require.Contains(t, config, "wsrep_sst_donor = \"db-3,\"\n", "what was last known binds nobody")
}
