package galera_test

import (
	"encoding/json"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// baked is a directory of the bake that drew seed.
func baked(seed string) map[string]string {
	return map[string]string{"ibdata1": "", "hornero-pristine": seed + "\n"}
}

func seeded(name, seed string) peerset.Peer {
	return peer(name, galera.StateWaiting,
		galera.FactAddress, "10.0.0."+name[3:],
		galera.FactEvidence, "empty",
		galera.FactSeed, seed,
	)
}

func (r *rig) decision() (record galera.Record) {
	text := r.set.Snapshot().Settings[galera.SettingDecision]
	if text != "" {
		require.NoError(r.t, json.Unmarshal([]byte(text), &record))
	}

	return record
}

// begun waits until the history has its UUID.
func (r *rig) begun() {
	r.t.Helper()
	r.eventually("begun", func() bool {
		return r.decision().UUID == ours
	})
}

// host is db-2, which is to begin the cluster, in a directory named a. Its server has seen one view and the
// given number of writes.
func host(t *testing.T, writes int64) *rig {
	r := newRig(t, baked("a"))
	r.config.Founder = true
	r.config.Times.Invite = time.Minute
	r.config.GrantsFile = r.path("grants.sql")
	require.NoError(t, os.WriteFile(r.config.GrantsFile, nil, 0o600))

	r.server.onStart = func(s *server) {
		serve(s)
		s.wsrep.Size = 1
		s.wsrep.Views = 1
		s.wsrep.Seqno = 1 + writes
		s.wsrep.Incoming = []string{"10.0.0.2"}
	}

	return r
}

// comes is a node's entry into the view.
func (r *rig) comes(address string) {
	r.server.edit(func(s *server) {
		s.wsrep.Size++
		s.wsrep.Views++
		s.wsrep.Seqno++
		s.wsrep.Incoming = append([]string{address}, s.wsrep.Incoming...)
	})
}

func TestNodesAreInvitedOneAfterTheOtherBeforeAnythingIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := host(t, 0)
		r.say(seeded("db-1", "a"), seeded("db-3", "a"))
		r.start()
		r.eventually("db-1 is invited", func() bool {
			return r.decision().Invited != nil
		})

		first := galera.Invitation{
			Node:        "db-1",
			Incarnation: 1,
			UUID:        ours,
			Seqno:       1,
		}
		require.Equal(t, first, *r.decision().Invited)
		require.Empty(t, r.decision().UUID)

		r.server.edit(func(s *server) {
			s.wsrep.Incoming = []string{"10.0.0.1", "10.0.0.2"}
		})

		// The driver looks at it several times meanwhile.
		time.Sleep(10 * times.Tick)

		invited := r.decision().Invited.Node
		require.Equal(t, "db-1", invited, "its address is there, and the view is not yet")

		r.server.edit(func(s *server) {
			s.wsrep.Incoming = []string{"10.0.0.2"}
		})
		r.comes("10.0.0.1")
		r.eventually("db-3 is invited", func() bool {
			return r.decision().Invited.Node == "db-3"
		})

		seqno := r.decision().Invited.Seqno
		require.EqualValues(t, 2, seqno, "the number that the history has reached by then")
		require.Zero(t, r.server.count(applied), "nothing is written before all are there")

		r.comes("10.0.0.3")
		r.begun()
		require.Equal(t, 1, r.server.count(applied))
		r.synced()
	})
}

func TestAGuestThatDoesNotComeHoldsTheClusterUpOnlyForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := host(t, 0)
		r.config.Times.Invite = 20 * time.Millisecond

		r.say(seeded("db-1", "a"), seeded("db-3", "b"))
		r.start()
		r.begun()

		invited := r.decision().Invited.Node
		require.Equal(t, "db-1", invited, "and another directory is not invited at all")
		require.Equal(t, 1, r.server.count(applied))
	})
}

func TestANodeThatHasJustComeIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := host(t, 0)

		// registered, and no heartbeat yet
		r.say(dead(peer("db-1", "")), seeded("db-3", "b"))
		r.start()
		r.counts(begins, 1)
		time.Sleep(10 * times.Tick)
		require.Zero(t, r.server.count(applied), "db-1 has not said what it holds")

		r.say(seeded("db-1", "a"))
		r.eventually("db-1 is invited", func() bool {
			return r.decision().Invited != nil
		})
	})
}

func TestNobodyIsInvitedWhereSomethingWasWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := host(t, 1)
		r.say(seeded("db-1", "a"), seeded("db-3", "a"))
		r.start()
		r.begun()
		require.Nil(t, r.decision().Invited)
	})
}

func TestAnAgentThatWasRestartedInvitesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := host(t, 0)

		// known, and what they hold is not
		r.say(peer("db-1", ""), peer("db-3", ""))
		r.start()
		r.counts(begins, 1)
		r.eventually("bootstrapping", func() bool {
			return r.driver.Status().State == galera.StateBootstrapping
		})

		r.halt()
		require.Zero(t, r.server.count(applied))

		r.say(seeded("db-1", "a"), seeded("db-3", "a"))
		r.start()
		r.begun()
		require.Nil(t, r.decision().Invited, "who knows what the agent before wrote")
	})
}

func TestAGuestDeclaresItsDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, baked("a"))
		r.server.onStart = func(s *server) {
			serve(s)
			s.wsrep.Incoming = []string{"10.0.0.1", "10.0.0.2"}
		}

		r.say(peer("db-1", galera.StateBootstrapping), empty("db-3"))
		r.start()
		r.eventually("its seed is told", func() bool {
			return r.fact(galera.FactSeed) == "a"
		})

		decide := func(record galera.Record) {
			text, err := json.Marshal(record)
			require.NoError(t, err)

			r.set.edit(func(s *peerset.Snapshot) {
				s.Settings[galera.SettingDecision] = string(text)
			})
		}

		record := galera.Record{
			Node:        "db-1",
			Incarnation: 1,
			Seed:        "a",
			Invited: &galera.Invitation{
				Node:        "db-2",
				Incarnation: 1,
				UUID:        ours,
				Seqno:       3,
			},
		}
		decide(record)
		r.reason("db-1 is to make its users")
		require.Equal(t, 1, r.server.count(starts))
		require.Zero(t, r.server.count(begins))

		text, err := os.ReadFile(r.path("grastate.dat"))
		require.NoError(t, err)

		position, err := galera.ParseGrastate(string(text))
		require.NoError(t, err)
		require.Equal(t, galera.Position{UUID: ours, Seqno: 3}, position)
		require.Contains(t, string(text), "safe_to_bootstrap: 0")
		require.NoFileExists(t, r.path("hornero-pristine"))
		require.False(t, r.driver.Status().Healthy)

		record.UUID = ours
		decide(record)
		r.synced()
	})
}

func TestDecideToBeginTogether(t *testing.T) {
	cases := []decision{
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
	}

	testDecisions(t, cases)
}
