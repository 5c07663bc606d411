package reservedip_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/reservedip"
)

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
