package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peers"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/status"
)

// trio is three real members on loopback; the first is the node on which the command runs, with its agent's
// part played here.
type trio struct {
	*testing.T
	root    string
	configs []peers.Config
	stores  []*peers.Store
	restart int
}

func newTrio(t *testing.T) *trio {
	s := &trio{
		T:    t,
		root: t.TempDir(),
	}

	ca, err := pki.NewCA("test")
	require.NoError(t, err)

	port := freePort(t)

	for n := range 3 {
		pair := s.configure(n, ca, port)

		// The first one founds; the others are admitted before they join.
		if n == 0 {
			s.writeIdentity(ca, pair)
			s.stores = append(s.stores, s.open(n))
			s.admit(n)
		} else {
			s.configs[n].Join = []string{s.configs[0].Address}
			s.admit(n)
			s.stores = append(s.stores, s.open(n))
		}
	}

	// dqlite makes voters of the others one after the other.
	require.Eventually(t, func() bool {
		seen, err := peers.ReadFolder(s.configs[0].Dir)
		return err == nil && len(seen.Voters) == 3
	}, 15*time.Second, 50*time.Millisecond)

	t.Cleanup(func() {
		for _, store := range s.stores {
			if store != nil {
				s.end(store)
			}
		}
	})

	return s
}

func freePort(t *testing.T) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())

	return listener.Addr().(*net.TCPAddr).Port
}

// configure adds the configuration of a member, and returns its identity.
func (s *trio) configure(n int, ca pki.Pair, port int) pki.Pair {
	name := fmt.Sprintf("db-%d", n+1)
	pair, err := ca.Issue(pki.Name{
		Stack:       "test",
		Role:        "db",
		Node:        name,
		Incarnation: 1,
		Kind:        peerset.KindMember,
	})
	require.NoError(s, err)

	config, err := pki.PeerTLS(ca.Certificate, pair, "test")
	require.NoError(s, err)

	s.configs = append(s.configs, peers.Config{
		Dir:            filepath.Join(s.root, name),
		Stack:          "test",
		Node:           name,
		Address:        fmt.Sprintf("127.0.0.%d", 31+n),
		Port:           port,
		TLS:            config,
		Log:            slog.New(slog.DiscardHandler),
		Refresh:        50 * time.Millisecond,
		RolesFrequency: 200 * time.Millisecond,
	})

	return pair
}

// writeIdentity leaves an identity where the command looks for it, as an agent does.
func (s *trio) writeIdentity(ca, pair pki.Pair) {
	for file, text := range map[string]string{
		"ca.pem":   ca.Certificate,
		"node.pem": pair.Certificate,
		"node.key": pair.Key.Reveal(),
	} {
		require.NoError(s, os.WriteFile(filepath.Join(s.root, file), []byte(text), 0o600))
	}
}

// admit registers a member with the first one.
func (s *trio) admit(n int) {
	_, err := s.stores[0].Admit(s.Context(), peerset.Join{
		Identity: peerset.Identity{
			Name:        s.configs[n].Node,
			Role:        "db",
			Incarnation: 1,
		},
		Address: s.configs[n].Address,
		Kind:    peerset.KindMember,
	})
	require.NoError(s, err)
}

func (s *trio) open(n int) *peers.Store {
	store, err := peers.Open(s.Context(), s.configs[n])
	require.NoError(s, err)

	return store
}

// end stops a member that has nobody to hand over to.
func (s *trio) end(store *peers.Store) {
	ctx, cancel := context.WithCancel(context.Background())

	// A context that has ended: the member leaves without handing anything over, as in a crash.
	cancel()
	_ = store.Close(ctx)
}

func (s *trio) lose(n int) {
	s.end(s.stores[n])
	s.stores[n] = nil
}

func (s *trio) recoverer(answer string, out *strings.Builder) recoverer {
	return recoverer{
		dir:    s.configs[0].Dir,
		pki:    s.root,
		stdin:  strings.NewReader(answer),
		stdout: out,
		within: 20 * time.Second,
		status: func(context.Context) (status.Status, error) {
			snapshot := s.stores[0].Snapshot()
			return status.Status{PeerSet: status.PeerSet{
				Quorum: snapshot.Quorum,
				Era:    snapshot.Era(),
			}}, nil
		},
		ctl: func(_ context.Context, args ...string) (string, error) {
			require.Equal(s, []string{"restart", agentUnit}, args)
			s.restart++
			s.end(s.stores[0])

			s.stores[0] = s.open(0)

			return "", nil
		},
	}
}

// awaitNoQuorum waits until the first member knows that the majority is lost.
func (s *trio) awaitNoQuorum() {
	s.Helper()

	lost := func() bool {
		return !s.stores[0].Snapshot().Quorum
	}
	require.Eventually(s, lost, 15*time.Second, 20*time.Millisecond)
}

func (s *trio) try(answer string, json, dry, yes bool) (string, error) {
	var out strings.Builder
	err := s.recoverer(answer, &out).run(s.Context(), json, dry, yes)
	return out.String(), err
}

func TestRecoverRebuildsOnlyWhatIsLost(t *testing.T) {
	s := newTrio(t)
	said, err := s.try("", false, false, true)
	require.ErrorIs(t, err, errNothingToRecover)
	require.ErrorContains(t, err, "the peer set has a quorum")
	require.Contains(t, said, "3 of 3 voters answer")

	// One of three is gone: no quorum is seen yet, and two answer.
	s.lose(2)

	// The agent's word is taken away: what is left is to ask the voters themselves.
	blind := s.recoverer("", &strings.Builder{})
	blind.status = func(context.Context) (status.Status, error) {
		return status.Status{}, nil
	}

	err = blind.run(t.Context(), false, false, true)
	require.ErrorContains(t, err, "2 of 3 voters answer")

	s.lose(1)

	s.awaitNoQuorum()

	said, err = s.try("", true, true, false)
	require.NoError(t, err)
	var plan status.Recovery
	require.NoError(t, json.Unmarshal([]byte(said), &plan))
	require.Empty(t, plan.Refused)
	require.Equal(t, "db-1", plan.Node)
	require.Len(t, plan.Answering, 1)
	require.Len(t, plan.Steps, 4)

	said, err = s.try("no\n", false, false, false)
	require.ErrorIs(t, err, errNotAgreed)
	require.Contains(t, said, "1. copy ")
	require.Zero(t, s.restart)
	require.NoDirExists(t, s.configs[0].Dir+".rebuilt")

	said, err = s.try("yes\n", false, false, false)
	require.NoError(t, err)
	require.Contains(t, said, "the peer set is rebuilt from db-1")
	require.Equal(t, 1, s.restart)
	require.Len(t, s.stores[0].Snapshot().Peers, 3)

	_, err = s.try("", false, false, true)
	require.ErrorContains(t, err, "the peer set has a quorum", "twice is once")
	require.Equal(t, 1, s.restart)
}

func TestAClientHoldsNothingToRecoverFrom(t *testing.T) {
	ca, err := pki.NewCA("test")
	require.NoError(t, err)

	pair, err := ca.Issue(pki.Name{
		Stack:       "test",
		Role:        "gate",
		Node:        "gate-1",
		Incarnation: 1,
		Kind:        peerset.KindClient,
	})
	require.NoError(t, err)

	s := &trio{
		T:    t,
		root: t.TempDir(),
		configs: []peers.Config{{
			Dir: filepath.Join(t.TempDir(), "none"),
		}},
	}
	s.writeIdentity(ca, pair)

	var out strings.Builder
	client := s.recoverer("", &out)
	client.status = func(context.Context) (status.Status, error) {
		return status.Status{}, nil
	}

	err = client.run(
		t.Context(),
		true,
		true,
		false,
	)
	require.NoError(t, err)

	var plan status.Recovery
	require.NoError(t, json.Unmarshal([]byte(out.String()), &plan))
	require.Equal(t, "client", plan.Role)
	require.Equal(t, "gate-1", plan.Node)

	err = client.run(
		t.Context(),
		false,
		false,
		true,
	)
	require.ErrorContains(t, err, "a client, holds no copy of the peer set")
	require.Zero(t, s.restart)
}

// firstWrite closes a channel at the first thing that is written.
type firstWrite struct {
	once sync.Once
	open chan struct{}
}

func (o *firstWrite) Write(text []byte) (int, error) {
	o.once.Do(func() { close(o.open) })
	return len(text), nil
}

func TestTwoThatRecoverAtOnceTakeTurns(t *testing.T) {
	s := newTrio(t)
	s.lose(2)
	s.lose(1)

	s.awaitNoQuorum()

	entered, leave := make(chan struct{}), make(chan struct{})
	first := s.recoverer("", &strings.Builder{})
	restart := first.ctl

	// The first recovery stops in its restart, with the lock held.
	first.ctl = func(ctx context.Context, args ...string) (string, error) {
		close(entered)
		<-leave
		return restart(ctx, args...)
	}

	second, planned := s.recoverer("", &strings.Builder{}), &firstWrite{open: make(chan struct{})}
	second.stdout = planned
	results := make(chan error, 2)
	go func() {
		results <- first.run(t.Context(), false, false, true)
	}()
	<-entered

	go func() {
		results <- second.run(t.Context(), false, false, true)
	}()

	// The second one has printed its plan, so it waits for the lock now.
	<-planned.open

	require.DirExists(t, s.configs[0].Dir+".rebuilt")
	close(leave)
	require.NoError(t, <-results)
	require.ErrorContains(t, <-results, "the peer set has a quorum")
	require.Equal(t, 1, s.restart)
}
