package galera

import (
	"context"
	"slices"
	"strings"
	"time"
)

// bury notes at once that the server that answered as a member of Galera's view has ended, before systemd says
// so. The others shut it out when they hear of it: they need not wait whether it speaks again. What is to be
// done is decided at the next look.
func (d *Driver) bury(member string) {
	local := d.known()
	if local.Member != member || !local.Ended.IsZero() {
		return // it is known already, or another runs by now
	}

	local.Process, local.Wsrep, local.Synced = ProcessFailed, Wsrep{}, false
	local.ended()

	gone, unread := d.Data.Disowned(d.Incarnation)
	if unread == nil {
		local.Gone = gone
	}

	d.inspect(&local, unread)
	d.remember(local)

	in := d.input()
	d.tell(in, Decide(in))
}

// ended notes that the server that was a member of Galera's view is no more.
func (l *Local) ended() {
	if l.Ended.IsZero() && l.Member != "" {
		l.Ended = time.Now()
	}
}

// forget is for a server that is about to be started: what ended before it is no news any more, and it is
// another member.
func (l *Local) forget() {
	l.Member = ""
	l.Ended = time.Time{}
}

// counting returns the others, in the primary component, whose view has this node's server still.
func (in Input) counting() []string {
	self, _ := in.Peers.Peer(in.Node)
	return slices.DeleteFunc(in.otherPrimaries(), func(name string) bool {
		peer, _ := in.Peers.Peer(name)
		return self.Address == "" || !slices.Contains(
			strings.Fields(peer.Facts[FactView]),
			self.Address,
		)
	})
}

// dead returns the members of this node's view of which their own agents say that they have ended, by node.
func (in Input) dead() map[string]string {
	members := map[string]string{}
	for _, peer := range in.Peers.Role(Role) {
		member := peer.Facts[FactEnded]
		// What is no UUID goes into no statement.
		if peer.Name != in.Node &&
			validUUID.MatchString(member) &&
			slices.Contains(in.Local.Wsrep.Incoming, peer.Address) {
			members[peer.Name] = member
		}
	}

	return members
}

// shutOut has the server take members out of the view that are known to have ended. Galera waits for
// evs.suspect_timeout until it does so by itself, and nobody can commit meanwhile. A quorum is needed for the
// new view as for any other. Each of the view does it: whoever hears first begins.
func (d *Driver) shutOut(ctx context.Context, in Input) {
	if !in.Local.Wsrep.primary() {
		return
	}

	dead := in.dead()
	if len(dead) == 0 && in.Local.Wsrep.Evicted {
		// Galera counts whom it remembers among those to hear from at the next change of view, and waits for a
		// second.
		if err := d.Database.Evict(ctx, ""); err != nil {
			d.Log.Warn("forget who was shut out", "err", err)
		}

		return
	}

	for node, member := range dead {
		if d.evicted[node] == member {
			continue
		}

		d.evicted[node] = member

		if err := d.Database.Evict(ctx, member); err != nil {
			d.Log.Warn("shut a server out that has ended",
				"node", node,
				"member", member,
				"err", err,
			)

			continue
		}

		d.Log.Info("shut a server out that has ended", "node", node, "member", member)
	}
}
