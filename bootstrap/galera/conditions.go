package galera

import (
	"fmt"
	"time"
)

// conditions are what a start's failure may be due to besides this node.
type conditions struct {
	quorum    bool
	epoch     int64           // of the recorded bootstrap
	primaries map[string]bool // incarnations that were seen in the primary component
}

// resetOnChange counts failed starts anew when the conditions are no longer those under which starts failed: the peer
// set has its quorum again, another bootstrap was recorded, or a node is primary that was not before. The same nodes
// going in and out of the primary component change nothing: a joiner whose data is bad may be the cause.
func (d *Driver) resetOnChange(in Input) Input {
	change := d.conditions.update(in)
	if change == "" || in.Local.Failures == 0 {
		return in
	}

	d.Log.Info("reset the count of failed starts",
		"failures", in.Local.Failures,
		"damage", in.Local.Damage,
		"reason", change,
	)

	d.retryAt = time.Time{}
	d.update(func(local *Local) { local.resetFailures() })

	return d.input()
}

// update takes the conditions over from the peers, and says what is new; "" when nothing is.
func (c *conditions) update(in Input) (change string) {
	// Decisions complain of a record that cannot be read.
	record, _, _ := recordOf(in.Peers)

	switch {
	case in.Peers.Quorum && !c.quorum:
		change = "the peer set has a quorum"
	case record.Epoch != c.epoch:
		change = "another bootstrap was recorded"
	}

	c.quorum = in.Peers.Quorum
	c.epoch = record.Epoch

	if c.primaries == nil {
		c.primaries = map[string]bool{}
	}

	for _, name := range in.otherPrimaries() {
		peer, _ := in.Peers.Peer(name)
		key := fmt.Sprintf("%s#%d", name, peer.Incarnation)

		if !c.primaries[key] {
			c.primaries[key] = true
			change = name + " is in the primary component"
		}
	}

	return change
}

func (l *Local) resetFailures() {
	l.Failures = 0
	l.Damage = 0
	l.Cause = CauseUnknown
	l.Trouble = ""
}
