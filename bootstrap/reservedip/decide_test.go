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
		Patience:  2 * time.Second,
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

func TestNext(t *testing.T) {
	const self, another = 11, 12
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	look := func(droplet int, age time.Duration) reservedip.Look {
		return reservedip.Look{
			Droplet: droplet,
			At:      ago(age),
		}
	}

	locked, lockedLong := look(another, time.Second), look(another, 2*time.Second)
	locked.Locked, lockedLong.Locked = true, true

	for _, c := range []struct {
		name string
		view reservedip.View
		want reservedip.Step
		why  string
	}{
		{
			name: "without the lease nothing is done",
			view: reservedip.View{Look: look(another, 0)},
			want: reservedip.StepRest,
			why:  "this node does not hold the lease",
		},
		{
			name: "not even followed",
			view: reservedip.View{Action: 7},
			want: reservedip.StepRest,
			why:  "this node does not hold the lease",
		},
		{
			name: "but whether the API answers again",
			view: reservedip.View{Unable: true},
			want: reservedip.StepLook,
			why:  "whether the API answers again is to be known",
		},
		{
			name: "in its time",
			view: reservedip.View{
				Unable: true,
				Until:  now.Add(time.Second),
			},
			want: reservedip.StepRest,
			why:  "this node does not hold the lease",
		},
		{
			name: "first it is looked",
			view: reservedip.View{Holds: true},
			want: reservedip.StepLook,
			why:  "whom the address is assigned to is to be known",
		},
		{
			name: "also when the address is here",
			view: reservedip.View{Holds: true, Active: true},
			want: reservedip.StepLook,
			why:  "whom the address is assigned to is to be known",
		},
		{
			name: "it is right",
			view: reservedip.View{
				Holds:  true,
				Active: true,
				Look:   look(self, 50*time.Second),
			},
			want: reservedip.StepRest,
			why:  "the address is here",
		},
		{
			name: "and looked at now and then",
			view: reservedip.View{
				Holds:  true,
				Active: true,
				Look:   look(self, 70*time.Second),
			},
			want: reservedip.StepLook,
			why:  "whom the address is assigned to is to be known",
		},
		{
			name: "it is elsewhere",
			view: reservedip.View{
				Holds: true,
				Look:  look(another, 0),
			},
			want: reservedip.StepAssign,
			why:  "the address is assigned to Droplet 12",
		},
		{
			name: "it is nowhere",
			view: reservedip.View{
				Holds: true,
				Look:  look(0, 0),
			},
			want: reservedip.StepAssign,
			why:  "the address is assigned to no Droplet",
		},
		{
			name: "it was elsewhere a while ago",
			view: reservedip.View{
				Holds: true,
				Look:  look(another, 2*time.Second),
			},
			want: reservedip.StepLook,
			why:  "whom the address is assigned to is to be known",
		},
		{
			name: "somebody changes it",
			view: reservedip.View{Holds: true, Look: locked},
			want: reservedip.StepRest,
			why:  "another change of the address is under way",
		},
		{
			name: "for longer",
			view: reservedip.View{Holds: true, Look: lockedLong},
			want: reservedip.StepLook,
			why:  "whom the address is assigned to is to be known",
		},
		{
			name: "the API is busy",
			view: reservedip.View{
				Holds: true,
				Look:  look(another, 0),
				Until: now.Add(3 * time.Second),
			},
			want: reservedip.StepRest,
			why:  "the API is asked again in 3 s",
		},
		{
			name: "a change is under way",
			view: reservedip.View{
				Holds:  true,
				Look:   look(another, 0),
				Action: 7,
			},
			want: reservedip.StepFollow,
			why:  "a change is under way",
		},
		{
			name: "it was assigned and is on its way",
			view: reservedip.View{
				Holds: true,
				Look:  look(self, 2*time.Second),
			},
			want: reservedip.StepRest,
			why:  "the address is assigned to this node, and the metadata service does not say so yet",
		},
		{
			name: "for long",
			view: reservedip.View{
				Holds: true,
				Look:  look(self, 11*time.Second),
			},
			want: reservedip.StepLook,
			why:  "whom the address is assigned to is to be known",
		},
		{
			name: "it was assigned and went elsewhere",
			view: reservedip.View{
				Holds:    true,
				Look:     look(another, 0),
				Assigned: ago(10 * time.Second),
			},
			want: reservedip.StepRest,
			why:  "this node assigned the address to itself a moment ago, and it went elsewhere",
		},
		{
			name: "a while ago",
			view: reservedip.View{
				Holds:    true,
				Look:     look(another, 0),
				Assigned: ago(16 * time.Second),
			},
			want: reservedip.StepAssign,
			why:  "the address is assigned to Droplet 12",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.view.Now = now
			c.view.Droplet = self
			step, why := reservedip.Next(c.view, standard())
			require.Equal(t, c.want, step)
			require.Equal(t, c.why, why)
		})
	}
}
