package immutable_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/immutable"
	"github.com/hornero/hornero/bootstrap/peerset"
)

func TestDecide(t *testing.T) {
	serving := peerset.Peer{
		Name:    "web-2",
		Role:    "web",
		Alive:   true,
		Healthy: true,
	}

	with := func(change func(*peerset.Peer)) peerset.Peer {
		p := serving
		change(&p)
		return p
	}

	self := peerset.Peer{
		Name:    "web-1",
		Role:    "web",
		Alive:   true,
		Healthy: true,
	}

	drifted := immutable.Situation{
		Action: immutable.Quarantine,
		Drift:  2,
		Node:   "web-1",
		Role:   "web",
	}

	situation := func(change func(*immutable.Situation), peers ...peerset.Peer) immutable.Situation {
		s := drifted
		s.Peers = peerset.Snapshot{
			Quorum: true,
			Peers:  append([]peerset.Peer{self}, peers...),
		}

		change(&s)

		return s
	}

	as := func(*immutable.Situation) {}
	left := func(s *immutable.Situation) {
		s.Quarantined, s.Returns = true, true
	}
	stopped := func(s *immutable.Situation) { s.Quarantined = true }
	for _, c := range []struct {
		name string
		in   immutable.Situation
		want immutable.Move
		why  string
	}{
		{
			name: "another serves",
			in:   situation(as, serving),
			want: immutable.Leave,
			why:  "2 files are not as the image has them",
		},
		{
			name: "only told",
			in: situation(func(s *immutable.Situation) {
				s.Action = immutable.Report
			}, serving),
			want: immutable.Stay,
			why:  "",
		},
		{
			name: "no drift",
			in:   situation(func(s *immutable.Situation) { s.Drift = 0 }, serving),
			want: immutable.Stay,
			why:  "",
		},
		{
			name: "alone",
			in:   situation(as),
			want: immutable.Hold,
			why:  "no other web node serves",
		},
		{
			name: "the other is unhealthy",
			in:   situation(as, with(func(p *peerset.Peer) { p.Healthy = false })),
			want: immutable.Hold,
			why:  "no other web node serves",
		},
		{
			name: "the other is dead",
			in:   situation(as, with(func(p *peerset.Peer) { p.Alive = false })),
			want: immutable.Hold,
			why:  "no other web node serves",
		},
		{
			name: "the other leaves",
			in:   situation(as, with(func(p *peerset.Peer) { p.Draining = true })),
			want: immutable.Hold,
			why:  "no other web node serves",
		},
		{
			name: "the other has another role",
			in:   situation(as, with(func(p *peerset.Peer) { p.Role = "db" })),
			want: immutable.Hold,
			why:  "no other web node serves",
		},
		{
			name: "no quorum",
			in: situation(func(s *immutable.Situation) {
				s.Peers.Quorum = false
			}, serving),
			want: immutable.Hold,
			why:  "the peer set has no quorum, so nobody knows who else serves",
		},
		{
			name: "out already",
			in:   situation(left, serving),
			want: immutable.Stay,
			why:  "",
		},
		{
			name: "out, and all others fell",
			in:   situation(left),
			want: immutable.Back,
			why:  "no other web node serves",
		},
		{
			name: "out, and mended",
			in: situation(func(s *immutable.Situation) {
				left(s)
				s.Drift = 0
			}, serving),
			want: immutable.Back,
			why:  "everything is as it was baked again",
		},
		{
			name: "out with its server stopped",
			in:   situation(stopped),
			want: immutable.Stay,
			why:  "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			move, why := immutable.Decide(c.in)
			require.Equal(t, c.want, move)
			require.Equal(t, c.why, why)
		})
	}
}
