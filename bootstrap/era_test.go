package bootstrap_test

import (
	"context"
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

// standing is a member whose peer set stays as it is.
type standing struct {
	bootstrap.Member
	snapshot peerset.Snapshot
}

func (s standing) Snapshot() peerset.Snapshot { return s.snapshot }

func (s standing) Changed() <-chan struct{} { return nil }

func TestAMemberFindsThatThePeerSetWasRebuiltWithoutIt(t *testing.T) {
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

	peer := func(alive bool) []peerset.Peer {
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
				Alive:   alive,
			},
		}
	}

	rebuilt := peerset.Snapshot{
		Founded:  "f",
		Quorum:   true,
		Settings: map[string]string{peerset.SettingEra: "1"},
	}

	for _, c := range []struct {
		name     string
		theirs   peerset.Snapshot
		own      peerset.Snapshot
		outlived bool
	}{
		{
			name:   "it is alone",
			theirs: rebuilt,
			own: peerset.Snapshot{
				Founded: "f",
				Peers:   peer(true),
			},
			outlived: true,
		},
		{
			name:   "it has a quorum of the old one",
			theirs: rebuilt,
			own: peerset.Snapshot{
				Founded: "f",
				Quorum:  true,
				Peers:   peer(false),
			},
			outlived: true,
		},
		{
			name:     "it only remembers",
			theirs:   rebuilt,
			own:      peerset.Snapshot{},
			outlived: true,
		},
		{
			name:   "it is of that era",
			theirs: rebuilt,
			own: peerset.Snapshot{
				Founded:  "f",
				Peers:    peer(false),
				Settings: map[string]string{peerset.SettingEra: "1"},
			},
			outlived: false,
		},
		{
			name:   "the other has no quorum",
			theirs: peerset.Snapshot{Founded: "f", Settings: rebuilt.Settings},
			own: peerset.Snapshot{
				Founded: "f",
				Peers:   peer(false),
			},
			outlived: false,
		},
		{
			name:   "it hears the other",
			theirs: rebuilt,
			own: peerset.Snapshot{
				Founded: "f",
				Quorum:  true,
				Peers:   peer(true),
			},
			outlived: false,
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
				Peers:   peer(false),
			},
			outlived: false,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.51:0")
			require.NoError(t, err)

			ctx, stop := context.WithCancel(context.Background())
			served := make(chan error, 1)
			go func() {
				served <- api.Server{
					Registry: standing{snapshot: c.theirs},
					Refused:  func(peerset.Refusal) {},
					Log:      slog.New(slog.DiscardHandler),
				}.Serve(ctx,
					listener,
					config,
				)
			}()
			defer func() {
				stop()
				require.NoError(t, <-served)
			}()

			agent := bootstrap.New(bootstrap.Config{
				State:      t.TempDir(),
				LookAround: 5 * time.Millisecond,
				Log:        slog.New(slog.DiscardHandler),
			})
			agent.Served(&still{}, "db-1")

			patience, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if !c.outlived {
				patience, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
			}
			defer cancel()

			client := api.NewClient(config, "", listener.Addr().(*net.TCPAddr).Port, nil)
			err = agent.WatchEra(
				patience,
				client,
				standing{snapshot: c.own},
				peerset.Snapshot{
					Founded: "f",
					Quorum:  true,
					Peers:   peer(true),
				},
			)
			if c.outlived {
				require.ErrorIs(t, err, bootstrap.ErrOutlived)
			} else {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
		})
	}
}
