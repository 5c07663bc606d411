package bootstrap_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
)

// fixedMember is a member whose peer set stays as it is.
type fixedMember struct {
	bootstrap.Member
	snapshot peerset.Snapshot
}

func (m fixedMember) Snapshot() peerset.Snapshot { return m.snapshot }

func (m fixedMember) Changed() <-chan struct{} { return nil }

// serveMember serves the agents' API of a member that is in this peer set, and returns its port.
func serveMember(t *testing.T, config *tls.Config, snapshot peerset.Snapshot) int {
	listener, err := net.Listen("tcp", "127.0.0.51:0")
	require.NoError(t, err)

	server := api.Server{
		Registry: fixedMember{snapshot: snapshot},
		Refused:  func(peerset.Refusal) {},
		Log:      slog.New(slog.DiscardHandler),
	}

	// The test's own context ends before the clean-up: the server must outlive it to be asked until then.
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener, config) }()

	t.Cleanup(func() {
		stop()
		require.NoError(t, <-served)
	})

	return listener.Addr().(*net.TCPAddr).Port
}

// memberTLS is the identity of a member, db-1.
func memberTLS(t *testing.T) *tls.Config {
	ca, err := pki.NewCA("blog")
	require.NoError(t, err)

	pair, err := ca.Issue(pki.Name{
		Stack:       "blog",
		Role:        "db",
		Node:        "db-1",
		Incarnation: 1,
		Kind:        peerset.KindMember,
	})
	require.NoError(t, err)

	config, err := pki.PeerTLS(ca.Certificate, pair, "blog")
	require.NoError(t, err)

	return config
}

// pairOfMembers are db-1, whose agent is tested, and db-2, which it hears or does not.
func pairOfMembers(heard bool) []peerset.Peer {
	return []peerset.Peer{
		{
			Name:    "db-1",
			Kind:    peerset.KindMember,
			Address: "127.0.0.52",
		},
		{
			Name:    "db-2",
			Kind:    peerset.KindMember,
			Address: "127.0.0.51",
			Alive:   heard,
		},
	}
}

func TestAMemberFindsThatThePeerSetWasRebuiltWithoutIt(t *testing.T) {
	config := memberTLS(t)
	rebuilt := peerset.Snapshot{
		Founded:  "f",
		Quorum:   true,
		Settings: map[string]string{peerset.SettingEra: "1"},
	}

	for _, c := range []struct {
		name   string
		theirs peerset.Snapshot
		own    peerset.Snapshot
		leaves bool
	}{
		{
			name:   "it is alone",
			theirs: rebuilt,
			own: peerset.Snapshot{
				Founded: "f",
				Peers:   pairOfMembers(true),
			},
			leaves: true,
		},
		{
			name:   "it has a quorum of the old one",
			theirs: rebuilt,
			own: peerset.Snapshot{
				Founded: "f",
				Quorum:  true,
				Peers:   pairOfMembers(false),
			},
			leaves: true,
		},
		{
			name:   "it only remembers",
			theirs: rebuilt,
			own:    peerset.Snapshot{},
			leaves: true,
		},
		{
			name:   "it is of that era",
			theirs: rebuilt,
			own: peerset.Snapshot{
				Founded:  "f",
				Peers:    pairOfMembers(false),
				Settings: map[string]string{peerset.SettingEra: "1"},
			},
		},
		{
			name:   "the other has no quorum",
			theirs: peerset.Snapshot{Founded: "f", Settings: rebuilt.Settings},
			own: peerset.Snapshot{
				Founded: "f",
				Peers:   pairOfMembers(false),
			},
		},
		{
			name:   "it hears the other",
			theirs: rebuilt,
			own: peerset.Snapshot{
				Founded: "f",
				Quorum:  true,
				Peers:   pairOfMembers(true),
			},
		},
		{
			name: "the other is of another founding",
			theirs: peerset.Snapshot{
				Founded:  "g",
				Quorum:   true,
				Settings: rebuilt.Settings,
			},
			own: peerset.Snapshot{
				Founded: "f",
				Peers:   pairOfMembers(false),
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			agent := bootstrap.New(bootstrap.Config{
				State:      t.TempDir(),
				LookAround: 5 * time.Millisecond,
				Log:        slog.New(slog.DiscardHandler),
			})
			agent.Served(&fixedSet{}, "db-1")

			// That nothing happens takes the whole wait, so it is short there.
			wait, want := patience, bootstrap.ErrSetRebuilt
			if !c.leaves {
				wait, want = 300*time.Millisecond, context.DeadlineExceeded
			}

			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()

			client := api.NewClient(config, "", serveMember(t, config, c.theirs), nil)
			remembered := peerset.Snapshot{
				Founded: "f",
				Quorum:  true,
				Peers:   pairOfMembers(true),
			}

			err := agent.WatchEra(ctx, client, fixedMember{snapshot: c.own}, remembered)
			require.ErrorIs(t, err, want)
		})
	}
}
