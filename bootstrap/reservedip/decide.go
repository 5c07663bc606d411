package reservedip

import (
	"fmt"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Circumstances are what the decision about the lease is made from.
type Circumstances struct {
	Node    string
	Role    string
	Peers   peerset.Snapshot
	Holds   bool          // the lease, as far as this node knows
	Healthy bool          // the node serves
	Leaving bool          // it gives its work up
	Unable  bool          // the API does not let it move the address, and the address is not here
	Steady  time.Duration // for how long Healthy and Unable have been what they are
	Gave    bool          // this node gave the lease up because it was not fit
}

// Wants decides whether this node is to hold the lease, and why. The lease is sticky: nobody takes it from a holder
// who is fit, and one who is not keeps it while no other node is fit. Trouble that passes at once moves nothing, and
// a node that gave the lease up must be well for a while before it takes it again: the address never flaps.
func Wants(c Circumstances, times Times) (bool, string) {
	switch {
	case c.Leaving:
		return false, "this node gives its work up"
	case c.Holds:
		return c.keeps(times)
	}

	return c.takes(times)
}

func (c Circumstances) fit() bool { return c.Healthy && !c.Unable }

// keeps decides for who holds the lease.
func (c Circumstances) keeps(times Times) (bool, string) {
	switch {
	case c.fit():
		return true, "this node serves"
	case c.fitOthers() == 0:
		return true, "this node is not fit, and no other is"
	case c.Steady < times.Grace:
		return true, "this node was fit a moment ago"
	case c.Unable:
		return false, "the API does not let this node move the address"
	}

	return false, "this node does not serve"
}

// takes decides for who does not hold it.
func (c Circumstances) takes(times Times) (bool, string) {
	switch {
	case c.Healthy && c.fitOthers() == 0:
		return true, "no other node is fit"
	case !c.fit():
		return false, "this node is not fit"
	case c.Gave && c.fitOthers() > 0 && c.Steady < times.Cooldown:
		return false, "this node was not fit a moment ago"
	}

	return true, "this node serves"
}

// fitOthers counts the other nodes of the role that could hold the address.
func (c Circumstances) fitOthers() int {
	count := 0

	for _, peer := range c.Peers.Role(c.Role) {
		serves := peer.Alive && peer.Healthy && !peer.Draining
		able := peer.Facts[peerset.FactReservedIP] != peerset.ReservedIPUnable

		if peer.Name != c.Node && serves && able {
			count++
		}
	}

	return count
}

// Step is what to do next about the address.
type Step string

// The steps. Only StepAssign changes anything.
const (
	StepRest   Step = "rest"
	StepLook   Step = "look"   // ask the API whom the address is assigned to
	StepFollow Step = "follow" // ask the API how far the change is
	StepAssign Step = "assign"
)

// Look is what the API said last.
type Look struct {
	Droplet int // 0: it is assigned to none
	Locked  bool
	At      time.Time
}

// View is what the decision about the address is made from.
type View struct {
	Now      time.Time
	Droplet  int       // this node's
	Holds    bool      // the lease, for certain
	Active   bool      // the metadata service says that the address reaches this node
	Look     Look      // the zero value before the first
	Action   int       // the number of a change that this node began and did not see the end of
	Assigned time.Time // when this node began one last
	Until    time.Time // when to ask the API again, which refused or was busy
	Unable   bool      // it refused, or was busy for long
}

// Next decides the next step, and why. Without the lease nothing is done: when the peer set has no quorum the
// address stays where it is. Before a change the API is asked whom the address is assigned to, and nothing is
// changed that is right.
func Next(v View, times Times) (Step, string) {
	switch {
	case !v.Holds && v.Unable && !v.Now.Before(v.Until):
		return StepLook, "whether the API answers again is to be known"
	case !v.Holds:
		return StepRest, "this node does not hold the lease"

	case v.Now.Before(v.Until):
		return StepRest, fmt.Sprintf("the API is asked again in %.0f s", v.Until.Sub(v.Now).Seconds())
	case v.Action != 0:
		return StepFollow, "a change is under way"
	}

	return v.compare(times)
}

// compare decides by what the API said last, and how long ago.
func (v View) compare(times Times) (Step, string) {
	age := v.Now.Sub(v.Look.At)
	here := v.Look.Droplet == v.Droplet

	switch {
	case v.Active && here && age < times.LookEvery:
		return StepRest, "the address is here"
	case here && age < times.LookEvery/6:
		return StepRest, "the address is assigned to this node, and the metadata service does not say so yet"
	case v.Look.Locked && age < 2*times.Fresh:
		return StepRest, "another change of the address is under way"
	case v.Look.At.IsZero() || age >= times.Fresh:
		return StepLook, "whom the address is assigned to is to be known"
	case v.Now.Sub(v.Assigned) < times.Cooldown:
		return StepRest, "this node assigned the address to itself a moment ago, and it went elsewhere"
	}

	return StepAssign, fmt.Sprintf("the address is assigned to %s", named(v.Look.Droplet))
}

func named(droplet int) string {
	if droplet == 0 {
		return "no Droplet"
	}

	return fmt.Sprintf("Droplet %d", droplet)
}

// backoff is how long to wait after a number of failures in a row.
func backoff(failures int, times Times) time.Duration {
	wait := times.Retry

	// After ten doublings the bound below holds anyway; more would overflow.
	for range min(failures-1, 10) {
		wait *= 2
	}

	return min(wait, times.LongestRetry)
}
