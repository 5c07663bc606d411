package bootstrap_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/cloudinit"
)

// admitting is a peer set that lets everybody in.
type admitting struct{ peerset.Registry }

func (admitting) Snapshot() peerset.Snapshot { return peerset.Snapshot{} }

func (admitting) Changed() <-chan struct{} { return nil }

func (admitting) Admit(context.Context, peerset.Join) (peerset.Welcome, error) {
	return peerset.Welcome{
		Members:  []string{"10.0.0.1"},
		Snapshot: peerset.Snapshot{Founded: "f"},
	}, nil
}

// entered is what a node's look for a peer set ended with.
type entered struct {
	founds  bool
	welcome peerset.Welcome
	err     error
}

// seeker is a node that looks for a peer set.
type seeker struct {
	*bootstrap.Agent
	t     *testing.T
	ended chan entered
	stop  func()
}

// seek has a node look, at an address of its own.
func (s stackOf) seek(node cloudinit.Node, droplet, host int) *seeker {
	node.Stack, node.Role = "blog", "db"
	pair := s.issue(node.Node, node.Incarnation, peerset.KindMember)
	node.TLS = cloudinit.TLS{
		CA:          s.ca.Certificate,
		Certificate: pair.Certificate,
		Key:         pair.Key,
	}

	agent := bootstrap.New(bootstrap.Config{
		State:      s.TempDir(),
		Retry:      5 * time.Millisecond,
		SweepPause: 20 * time.Millisecond,
		FoundAfter: time.Second,
		Known:      func() bool { return false },
		Log:        testLog(s.T),
	})
	agent.Placed(node, droplet, loopback(host), loopback(0)+"/24")

	one := &seeker{
		Agent: agent,
		t:     s.T,
		ended: make(chan entered, 1),
	}
	one.stop = background(s.T, func(ctx context.Context) {
		var e entered
		e.welcome, e.founds, e.err = agent.FindEntry(ctx)
		one.ended <- e

		// Whoever founds keeps its door open meanwhile.
		<-ctx.Done()
	})

	return one
}

func founder(name string, incarnation int) cloudinit.Node {
	return cloudinit.Node{
		Node:        name,
		Incarnation: incarnation,
		Found:       true,
	}
}

// end waits until the look ends.
func (s *seeker) end() entered {
	select {
	case e := <-s.ended:
		return e
	case <-time.After(patience):
		require.Fail(s.t, "it still looks", s.Status().Reason)
	}

	return entered{}
}

// says waits until the node says what it waits for.
func (s *seeker) says(what string) {
	eventually(s.t, func() bool { return strings.Contains(s.Status().Reason, what) }, what)
}

func TestOfTwoThatMayFoundOneDoes(t *testing.T) {
	for name, c := range map[string]struct {
		first, second int // incarnations
	}{
		"the elder Droplet":     {1, 1},
		"the newer incarnation": {2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t)
			second := s.seek(founder("db-2", c.second), 9, 12)
			first := s.seek(founder("db-1", c.first), 7, 11)

			// Whoever comes late finds the other begun: the order decides between those that look at once.
			founds, joins := first, second
			select {
			case e := <-first.ended:
				require.True(t, e.founds)
			case e := <-second.ended:
				require.True(t, e.founds)

				founds, joins = second, first
			case <-time.After(patience):
				require.Fail(t, "nobody founds")
			}

			select {
			case e := <-joins.ended:
				require.Fail(t, "both ended", "%+v", e)
			case <-time.After(300 * time.Millisecond):
			}

			joins.says("another node is to found it")
			background(t, func(ctx context.Context) { _ = founds.ServeAPI(ctx, admitting{}) })

			e := joins.end()
			require.NoError(t, e.err)
			require.False(t, e.founds)
			require.Equal(t, "f", e.welcome.Snapshot.Founded)
		})
	}
}

func TestTheOrderOfCandidates(t *testing.T) {
	newer, elder, younger := api.Candidate{Incarnation: 2, Droplet: 9},
		api.Candidate{Incarnation: 1, Droplet: 7},
		api.Candidate{Incarnation: 1, Droplet: 8}

	require.True(t, newer.Before(elder))
	require.True(t, elder.Before(younger))
	require.False(t, younger.Before(elder))
	require.False(t, elder.Before(newer))
	require.False(t, elder.Before(elder))
}

func TestACandidateFoundsWhenTheOneBeforeItIsLost(t *testing.T) {
	for says, second := range map[string]cloudinit.Node{
		"another node is to found it": founder("db-1", 1),

		// As when two operators launch it at once: the younger is destroyed, although it came first.
		"another Droplet is this node, too": founder("db-1", 2),
	} {
		s := newStack(t)
		begun := s.seek(founder("db-1", 2), 9, 21)
		require.True(t, begun.end().founds)

		waits := s.seek(second, 7, 22)
		waits.says(says)
		require.Empty(t, waits.ended)

		begun.stop()
		require.True(t, waits.end().founds)
		waits.stop()
	}
}

func TestANodeThatKnowsNobodyWaitsForTheFounder(t *testing.T) {
	s := newStack(t)
	waits := s.seek(cloudinit.Node{Node: "db-2", Incarnation: 1}, 8, 32)
	waits.says("no node of the stack answers in " + loopback(0) + "/24")

	founds := s.seek(founder("db-1", 1), 7, 31)
	require.True(t, founds.end().founds)
	background(t, func(ctx context.Context) { _ = founds.ServeAPI(ctx, admitting{}) })

	e := waits.end()
	require.NoError(t, e.err)
	require.Equal(t, []string{"10.0.0.1"}, e.welcome.Members)

	// Who may found joins the peer set that is there.
	late := s.seek(founder("db-1", 2), 9, 33)
	require.False(t, late.end().founds)

	// An address that was told and does not answer is no hindrance.
	told := cloudinit.Node{Node: "db-3", Incarnation: 1, Join: []string{loopback(99)}}
	require.Equal(t, "f", s.seek(told, 10, 34).end().welcome.Snapshot.Founded)
}
