package immutable_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/immutable"
	"github.com/hornero/hornero/bootstrap/peerset"
)

func TestDecide(t *testing.T) {
	serving := peerset.Peer{Name: "web-2", Role: "web", Alive: true, Healthy: true}
	with := func(change func(*peerset.Peer)) peerset.Peer { p := serving; change(&p); return p }
	self := peerset.Peer{Name: "web-1", Role: "web", Alive: true, Healthy: true}
	drifted := immutable.Situation{Action: immutable.Quarantine, Drift: 2, Node: "web-1", Role: "web"}
	situation := func(change func(*immutable.Situation), peers ...peerset.Peer) immutable.Situation {
		s := drifted
		s.Peers = peerset.Snapshot{Quorum: true, Peers: append([]peerset.Peer{self}, peers...)}
		change(&s)
		return s
	}
	as := func(*immutable.Situation) {}
	left := func(s *immutable.Situation) { s.Quarantined, s.Returns = true, true }
	stopped := func(s *immutable.Situation) { s.Quarantined = true }
	for _, c := range []struct {
		name string
		in   immutable.Situation
		want immutable.Move
		why  string
	}{
		{"another serves", situation(as, serving), immutable.Leave, "2 files are not as the image has them"},
		{"only told", situation(func(s *immutable.Situation) { s.Action = immutable.Report }, serving), immutable.Stay, ""},
		{"no drift", situation(func(s *immutable.Situation) { s.Drift = 0 }, serving), immutable.Stay, ""},
		{"alone", situation(as), immutable.Hold, "no other web node serves"},
		{"the other is unhealthy", situation(as, with(func(p *peerset.Peer) { p.Healthy = false })), immutable.Hold, "no other web node serves"},
		{"the other is dead", situation(as, with(func(p *peerset.Peer) { p.Alive = false })), immutable.Hold, "no other web node serves"},
		{"the other leaves", situation(as, with(func(p *peerset.Peer) { p.Draining = true })), immutable.Hold, "no other web node serves"},
		{"the other has another role", situation(as, with(func(p *peerset.Peer) { p.Role = "db" })), immutable.Hold, "no other web node serves"},
		{"no quorum", situation(func(s *immutable.Situation) { s.Peers.Quorum = false }, serving), immutable.Hold, "the peer set has no quorum, so nobody knows who else serves"},
		{"out already", situation(left, serving), immutable.Stay, ""},
		{"out, and all others fell", situation(left), immutable.Back, "no other web node serves"},
		{"out, and mended", situation(func(s *immutable.Situation) { left(s); s.Drift = 0 }, serving), immutable.Back, "everything is as it was baked again"},
		{"out with its server stopped", situation(stopped), immutable.Stay, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			move, why := immutable.Decide(c.in)
			require.Equal(t, c.want, move)
			require.Equal(t, c.why, why)
		})
	}
}
