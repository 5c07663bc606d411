package galera

import (
	"context"
	"slices"
	"strings"
	"time"
)

// serverEnded notes at once that the server that answered as a member of Galera's view has ended, before systemd says
// so. The others evict it when they hear of it: they need not wait whether it speaks again. What is to be done is
// decided at the next look.
func (d *Driver) serverEnded(member string) {
	local := d.known()

	// It is known already, or another server runs by now.
	if local.Member != member || !local.Ended.IsZero() {
		return
	}

	local.Process, local.Wsrep, local.Synced = ProcessFailed, Wsrep{}, false
	local.markEnded()

	gone, goneErr := d.Data.GoneReason(d.Incarnation)
	if goneErr == nil {
		local.Gone = gone
	}

	d.inspect(&local, goneErr)
	d.remember(local)

	in := d.input()
	d.publish(in, Decide(in))
}

// markEnded notes that the server that was a member of Galera's view is no more.
func (l *Local) markEnded() {
	if l.Ended.IsZero() && l.Member != "" {
		l.Ended = time.Now()
	}
}

// forgetMember is for a server that is about to be started: it is another member, and what ended before it is no news
// any more.
func (l *Local) forgetMember() {
	l.Member = ""
	l.Ended = time.Time{}
}

// stillCounting returns the other nodes in the primary component whose view still has this node's server.
func (in Input) stillCounting() []string {
	self, _ := in.Peers.Peer(in.Node)

	return slices.DeleteFunc(in.otherPrimaries(), func(name string) bool {
		peer, _ := in.Peers.Peer(name)
		view := strings.Fields(peer.Facts[FactView])

		return self.Address == "" || !slices.Contains(view, self.Address)
	})
}

// endedMembers returns the members of this node's view of which their own agents say that they have ended, by node.
func (in Input) endedMembers() map[string]string {
	members := map[string]string{}

	for _, peer := range in.Peers.Role(in.Role) {
		member := peer.Facts[FactEnded]
		inView := slices.Contains(in.Local.Wsrep.Incoming, peer.Address)

		// Members go into an SQL statement as they are: nothing but a UUID may.
		if peer.Name != in.Node && inView && validUUID.MatchString(member) {
			members[peer.Name] = member
		}
	}

	return members
}

// evictEnded has the server take members out of the view that are known to have ended. By itself Galera waits for
// evs.suspect_timeout, and nobody can commit meanwhile. The new view needs a quorum like any other. Each member of the
// view does it, so that the first to hear begins.
func (d *Driver) evictEnded(ctx context.Context, in Input) {
	if !in.Local.Wsrep.primary() {
		return
	}

	ended := in.endedMembers()

	// Galera counts the evicted whom it remembers among those to hear from at the next change of view, and waits for
	// a second.
	if len(ended) == 0 && in.Local.Wsrep.Evicted {
		if err := d.Database.Evict(ctx, ""); err != nil {
			d.Log.Warn("forget the evicted servers", "err", err)
		}

		return
	}

	// The view takes a moment to change, so each eviction is asked for once. If it fails, Galera finds out by itself.
	for node, member := range ended {
		if d.evicted[node] != member {
			d.evicted[node] = member
			d.evict(ctx, node, member)
		}
	}
}

func (d *Driver) evict(ctx context.Context, node, member string) {
	log := d.Log.With("node", node, "member", member)

	if err := d.Database.Evict(ctx, member); err != nil {
		log.Warn("evict a server that has ended", "err", err)
		return
	}

	log.Info("evict a server that has ended")
}
