package galera

import (
	"fmt"
	"time"
)

// circumstances are what a start's failure may be due to besides this node.
type circumstances struct {
	quorum    bool
	epoch     int64           // of the recorded bootstrap
	primaries map[string]bool // incarnations that were seen in the primary component
}

// notice forgives earlier failures when the circumstances are others than those under which starts failed: the
// peer set has its quorum again, another bootstrap was recorded, or somebody is primary who was not before. The
// same nodes going in and out of the primary component are no news: a joiner whose data is bad may be what
// shakes them.
func (d *Driver) notice(in Input) Input {
	was := d.around
	if was.primaries == nil {
		d.around.primaries = map[string]bool{}
	}

	record, _, _ := recordOf(in.Peers) // one that cannot be read is what decisions complain of
	d.around.quorum = in.Peers.Quorum
	d.around.epoch = record.Epoch
	news := ""

	switch {
	case in.Peers.Quorum && !was.quorum:
		news = "the peer set has a quorum"
	case record.Epoch != was.epoch:
		news = "another bootstrap was recorded"
	}

	for _, name := range in.otherPrimaries() {
		peer, _ := in.Peers.Peer(name)
		if key := fmt.Sprintf("%s#%d", name, peer.Incarnation); !d.around.primaries[key] {
			d.around.primaries[key] = true
			news = name + " is in the primary component"
		}
	}

	if news == "" || in.Local.Failures == 0 {
		return in
	}

	d.Log.Info("begin to count failed starts anew",
		"failures", in.Local.Failures,
		"damage", in.Local.Damage,
		"reason", news,
	)

	d.retryAt = time.Time{}
	d.update(func(local *Local) { local.forgive() })

	return d.input()
}

func (l *Local) forgive() {
	l.Failures = 0
	l.Damage = 0
	l.Cause = CauseUnknown
	l.Trouble = ""
}
