package reservedip_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/bootstrap/reservedip"
)

func standard() reservedip.Times {
	return reservedip.Times{
		TTL:       4 * time.Second,
		Grace:     2 * time.Second,
		Cooldown:  15 * time.Second,
		LookEvery: time.Minute,
		Fresh:     time.Second,
	}
}

func proxy(name, fact string) peerset.Peer {
	return peerset.Peer{
		Name:    name,
		Role:    "proxy",
		Healthy: true,
		Alive:   true,
		Facts:   map[string]string{peerset.FactReservedIP: fact},
	}
}

func TestWants(t *testing.T) {
	sick, dead, drains, unable := proxy("proxy-2", ""), proxy("proxy-2", ""), proxy("proxy-2", ""), proxy(
		"proxy-2",
		peerset.ReservedIPUnable,
	)

	sick.Healthy = false
	dead.Alive = false
	drains.Draining = true

	fit, stranger := proxy("proxy-2", ""), peerset.Peer{
		Name:    "web-1",
		Role:    "web",
		Healthy: true,
		Alive:   true,
	}

	long, short := 20*time.Second, time.Second
	for _, c := range []struct {
		name   string
		c      reservedip.Circumstances
		others []peerset.Peer
		want   bool
		why    string
	}{
		{
			name:   "it is free, or may be",
			c:      reservedip.Circumstances{Healthy: true, Steady: short},
			others: []peerset.Peer{fit},
			want:   true,
			why:    "this node serves",
		},
		{
			name:   "the holder keeps it",
			c:      reservedip.Circumstances{Holds: true, Healthy: true},
			others: []peerset.Peer{fit},
			want:   true,
			why:    "this node serves",
		},
		{
			name:   "who does not serve takes nothing",
			c:      reservedip.Circumstances{Steady: long},
			others: []peerset.Peer{fit},
			want:   false,
			why:    "this node is not fit",
		},
		{
			name:   "nor when nobody else does",
			c:      reservedip.Circumstances{Steady: long},
			others: nil,
			want:   false,
			why:    "this node is not fit",
		},
		{
			name:   "a holder's moment of trouble",
			c:      reservedip.Circumstances{Holds: true, Steady: short},
			others: []peerset.Peer{fit},
			want:   true,
			why:    "this node was fit a moment ago",
		},
		{
			name:   "a holder's trouble",
			c:      reservedip.Circumstances{Holds: true, Steady: long},
			others: []peerset.Peer{fit},
			want:   false,
			why:    "this node does not serve",
		},
		{
			name:   "and no other serves",
			c:      reservedip.Circumstances{Holds: true, Steady: long},
			others: []peerset.Peer{sick},
			want:   true,
			why:    "this node is not fit, and no other is",
		},
		{
			name:   "and the other is gone",
			c:      reservedip.Circumstances{Holds: true, Steady: long},
			others: []peerset.Peer{dead},
			want:   true,
			why:    "this node is not fit, and no other is",
		},
		{
			name:   "and the other goes",
			c:      reservedip.Circumstances{Holds: true, Steady: long},
			others: []peerset.Peer{drains},
			want:   true,
			why:    "this node is not fit, and no other is",
		},
		{
			name:   "and the other may not move it",
			c:      reservedip.Circumstances{Holds: true, Steady: long},
			others: []peerset.Peer{unable},
			want:   true,
			why:    "this node is not fit, and no other is",
		},
		{
			name:   "and the other is of another role",
			c:      reservedip.Circumstances{Holds: true, Steady: long},
			others: []peerset.Peer{stranger},
			want:   true,
			why:    "this node is not fit, and no other is",
		},
		{
			name: "a holder that may not move it",
			c: reservedip.Circumstances{
				Holds:   true,
				Healthy: true,
				Unable:  true,
				Steady:  long,
			},
			others: []peerset.Peer{fit},
			want:   false,
			why:    "the API does not let this node move the address",
		},
		{
			name: "who may not move it takes it from nobody",
			c: reservedip.Circumstances{
				Healthy: true,
				Unable:  true,
				Steady:  long,
			},
			others: []peerset.Peer{fit},
			want:   false,
			why:    "this node is not fit",
		},
		{
			name: "unless nobody else could",
			c: reservedip.Circumstances{
				Healthy: true,
				Unable:  true,
				Steady:  long,
			},
			others: []peerset.Peer{unable},
			want:   true,
			why:    "no other node is fit",
		},
		{
			name: "who gave it up waits",
			c: reservedip.Circumstances{
				Healthy: true,
				Gave:    true,
				Steady:  short,
			},
			others: []peerset.Peer{fit},
			want:   false,
			why:    "this node was not fit a moment ago",
		},
		{
			name: "but not for nobody",
			c: reservedip.Circumstances{
				Healthy: true,
				Gave:    true,
				Steady:  short,
			},
			others: []peerset.Peer{sick},
			want:   true,
			why:    "no other node is fit",
		},
		{
			name: "nor for ever",
			c: reservedip.Circumstances{
				Healthy: true,
				Gave:    true,
				Steady:  long,
			},
			others: []peerset.Peer{fit},
			want:   true,
			why:    "this node serves",
		},
		{
			name: "who leaves gives it up",
			c: reservedip.Circumstances{
				Holds:   true,
				Healthy: true,
				Leaving: true,
			},
			others: []peerset.Peer{fit},
			want:   false,
			why:    "this node gives its work up",
		},
		{
			name: "in any case",
			c: reservedip.Circumstances{
				Holds:   true,
				Healthy: true,
				Leaving: true,
			},
			others: nil,
			want:   false,
			why:    "this node gives its work up",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.c.Node = "proxy-1"
			c.c.Role = "proxy"

			c.c.Peers = peerset.Snapshot{Peers: append(
				[]peerset.Peer{proxy("proxy-1", "")},
				c.others...,
			)}

			want, why := reservedip.Wants(c.c, standard())
			require.Equal(t, c.want, want)
			require.Equal(t, c.why, why)
		})
	}
}
