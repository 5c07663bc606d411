package reservedip_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/bootstrap/reservedip"
)

func standard() reservedip.Times {
	return reservedip.Times{TTL: 4 * time.Second, Patience: 2 * time.Second, Cooldown: 15 * time.Second, LookEvery: time.Minute, Fresh: time.Second}
}

func proxy(name, fact string) peerset.Peer {
	return peerset.Peer{Name: name, Role: "proxy", Healthy: true, Alive: true, Facts: map[string]string{peerset.FactReservedIP: fact}}
}

func TestWants(t *testing.T) {
	sick, dead, drains, unable := proxy("proxy-2", ""), proxy("proxy-2", ""), proxy("proxy-2", ""), proxy("proxy-2", peerset.ReservedIPUnable)
	sick.Healthy, dead.Alive, drains.Draining = false, false, true
	fit, stranger := proxy("proxy-2", ""), peerset.Peer{Name: "web-1", Role: "web", Healthy: true, Alive: true}
	long, short := 20*time.Second, time.Second
	for _, c := range []struct {
		name   string
		c      reservedip.Circumstances
		others []peerset.Peer
		want   bool
		why    string
	}{
		{"it is free, or may be", reservedip.Circumstances{Healthy: true, Steady: short}, []peerset.Peer{fit}, true, "this node serves"},
		{"the holder keeps it", reservedip.Circumstances{Holds: true, Healthy: true}, []peerset.Peer{fit}, true, "this node serves"},
		{"who does not serve takes nothing", reservedip.Circumstances{Steady: long}, []peerset.Peer{fit}, false, "this node is not fit"},
		{"nor when nobody else does", reservedip.Circumstances{Steady: long}, nil, false, "this node is not fit"},
		{"a holder's moment of trouble", reservedip.Circumstances{Holds: true, Steady: short}, []peerset.Peer{fit}, true, "this node was fit a moment ago"},
		{"a holder's trouble", reservedip.Circumstances{Holds: true, Steady: long}, []peerset.Peer{fit}, false, "this node does not serve"},
		{"and no other serves", reservedip.Circumstances{Holds: true, Steady: long}, []peerset.Peer{sick}, true, "this node is not fit, and no other is"},
		{"and the other is gone", reservedip.Circumstances{Holds: true, Steady: long}, []peerset.Peer{dead}, true, "this node is not fit, and no other is"},
		{"and the other goes", reservedip.Circumstances{Holds: true, Steady: long}, []peerset.Peer{drains}, true, "this node is not fit, and no other is"},
		{"and the other may not move it", reservedip.Circumstances{Holds: true, Steady: long}, []peerset.Peer{unable}, true, "this node is not fit, and no other is"},
		{"and the other is of another role", reservedip.Circumstances{Holds: true, Steady: long}, []peerset.Peer{stranger}, true, "this node is not fit, and no other is"},
		{"a holder that may not move it", reservedip.Circumstances{Holds: true, Healthy: true, Unable: true, Steady: long}, []peerset.Peer{fit}, false, "the API does not let this node move the address"},
		{"who may not move it takes it from nobody", reservedip.Circumstances{Healthy: true, Unable: true, Steady: long}, []peerset.Peer{fit}, false, "this node is not fit"},
		{"unless nobody else could", reservedip.Circumstances{Healthy: true, Unable: true, Steady: long}, []peerset.Peer{unable}, true, "no other node is fit"},
		{"who gave it up waits", reservedip.Circumstances{Healthy: true, Gave: true, Steady: short}, []peerset.Peer{fit}, false, "this node was not fit a moment ago"},
		{"but not for nobody", reservedip.Circumstances{Healthy: true, Gave: true, Steady: short}, []peerset.Peer{sick}, true, "no other node is fit"},
		{"nor for ever", reservedip.Circumstances{Healthy: true, Gave: true, Steady: long}, []peerset.Peer{fit}, true, "this node serves"},
		{"who leaves gives it up", reservedip.Circumstances{Holds: true, Healthy: true, Leaving: true}, []peerset.Peer{fit}, false, "this node gives its work up"},
		{"in any case", reservedip.Circumstances{Holds: true, Healthy: true, Leaving: true}, nil, false, "this node gives its work up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.c.Node, c.c.Role = "proxy-1", "proxy"
			c.c.Peers = peerset.Snapshot{Peers: append([]peerset.Peer{proxy("proxy-1", "")}, c.others...)}
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
		return reservedip.Look{Droplet: droplet, At: ago(age)}
	}
	locked, lockedLong := look(another, time.Second), look(another, 2*time.Second)
	locked.Locked, lockedLong.Locked = true, true
	for _, c := range []struct {
		name string
		view reservedip.View
		want reservedip.Step
		why  string
	}{
		{"without the lease nothing is done", reservedip.View{Look: look(another, 0)}, reservedip.StepRest, "this node does not hold the lease"},
		{"not even followed", reservedip.View{Action: 7}, reservedip.StepRest, "this node does not hold the lease"},
		{"but whether the API answers again", reservedip.View{Unable: true}, reservedip.StepLook, "whether the API answers again is to be known"},
		{"in its time", reservedip.View{Unable: true, Until: now.Add(time.Second)}, reservedip.StepRest, "this node does not hold the lease"},
		{"first it is looked", reservedip.View{Holds: true}, reservedip.StepLook, "whom the address is assigned to is to be known"},
		{"also when the address is here", reservedip.View{Holds: true, Active: true}, reservedip.StepLook, "whom the address is assigned to is to be known"},
		{"it is right", reservedip.View{Holds: true, Active: true, Look: look(self, 50*time.Second)}, reservedip.StepRest, "the address is here"},
		{"and looked at now and then", reservedip.View{Holds: true, Active: true, Look: look(self, 70*time.Second)}, reservedip.StepLook, "whom the address is assigned to is to be known"},
		{"it is elsewhere", reservedip.View{Holds: true, Look: look(another, 0)}, reservedip.StepAssign, "the address is assigned to Droplet 12"},
		{"it is nowhere", reservedip.View{Holds: true, Look: look(0, 0)}, reservedip.StepAssign, "the address is assigned to no Droplet"},
		{"it was elsewhere a while ago", reservedip.View{Holds: true, Look: look(another, 2*time.Second)}, reservedip.StepLook, "whom the address is assigned to is to be known"},
		{"somebody changes it", reservedip.View{Holds: true, Look: locked}, reservedip.StepRest, "another change of the address is under way"},
		{"for longer", reservedip.View{Holds: true, Look: lockedLong}, reservedip.StepLook, "whom the address is assigned to is to be known"},
		{"the API is busy", reservedip.View{Holds: true, Look: look(another, 0), Until: now.Add(3 * time.Second)}, reservedip.StepRest, "the API is asked again in 3 s"},
		{"a change is under way", reservedip.View{Holds: true, Look: look(another, 0), Action: 7}, reservedip.StepFollow, "a change is under way"},
		{"it was assigned and is on its way", reservedip.View{Holds: true, Look: look(self, 2*time.Second)}, reservedip.StepRest, "the address is assigned to this node, and the metadata service does not say so yet"},
		{"for long", reservedip.View{Holds: true, Look: look(self, 11*time.Second)}, reservedip.StepLook, "whom the address is assigned to is to be known"},
		{"it was assigned and went elsewhere", reservedip.View{Holds: true, Look: look(another, 0), Assigned: ago(10 * time.Second)}, reservedip.StepRest, "this node assigned the address to itself a moment ago, and it went elsewhere"},
		{"a while ago", reservedip.View{Holds: true, Look: look(another, 0), Assigned: ago(16 * time.Second)}, reservedip.StepAssign, "the address is assigned to Droplet 12"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.view.Now, c.view.Droplet = now, self
			step, why := reservedip.Next(c.view, standard())
			require.Equal(t, c.want, step)
			require.Equal(t, c.why, why)
		})
	}
}
