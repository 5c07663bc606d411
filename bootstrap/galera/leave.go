package galera

import (
	"context"
	"slices"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
)

func (in Input) leave() Action {
	switch in.Local.Process {
	case ProcessStopped, ProcessFailed:
		return wait(StateStopped, "drained")
	case ProcessStopping:
		return wait(StateStopped, "draining: the server is stopping")
	}

	// The last one just stops: nobody could take over.
	stop := Action{Kind: Stop, State: StateStopped, Reason: "draining"}
	if !in.hasSuccessor() {
		return stop
	}

	// The old writer stays open until there is a new one, so that clients have somewhere to go.
	writer := in.Peers.Holder(peerset.LeaseWriter)
	if writer == "" || writer == in.Node {
		return wait(in.serving(), "draining: another node is to take the writes first")
	}

	// A proxy that never answers must not keep the node for ever.
	if !in.DrainGrace || !in.Local.Wsrep.synced() {
		return stop
	}

	if senders := in.senders(); len(senders) > 0 {
		return wait(in.serving(), "draining: "+list(senders)+" is to send the writes elsewhere first")
	}

	if !in.Local.Disconnected {
		return Action{
			Kind:   Disconnect,
			State:  in.serving(),
			Reason: "draining: the clients' transactions come to their end",
		}
	}

	return stop
}

// senders returns the proxies that say that they send their writes here: what is under way there would break off.
func (in Input) senders() []string {
	if !in.Peers.Quorum {
		return nil
	}

	var names []string
	for _, peer := range in.Peers.Peers {
		if peer.Alive && peer.Facts[peerset.FactSendsTo] == in.Node {
			names = append(names, peer.Name)
		}
	}

	return names
}

// hasSuccessor tells whether another node of the primary component stays and can take the writes. Two that leave at
// once must not wait for each other.
func (in Input) hasSuccessor() bool {
	return slices.ContainsFunc(in.otherPrimaries(), func(name string) bool {
		peer, _ := in.Peers.Peer(name)
		return !leaves(peer)
	})
}

func leaves(peer peerset.Peer) bool {
	return peer.Draining || peer.Facts[FactLeaving] != ""
}

// disconnectEvery is how often the clients of a node that leaves are looked at: most transactions are shorter.
const disconnectEvery = 10 * time.Millisecond

// disconnect lets each client come to the end of its transaction and then ends its session. By now all proxies send new
// clients to the new writer. A commit that is cut off is one whose fate its client does not know.
func (d *Driver) disconnect(ctx context.Context) error {
	// The node must be looked at in between: no longer than a tick at a time.
	for end := time.Now().Add(d.Times.Tick); time.Now().Before(end); {
		left, err := d.Database.Disconnect(ctx)
		if err != nil {
			return err
		}

		if left == 0 {
			d.update(func(local *Local) { local.Disconnected = true })
			return nil
		}

		if !pause.For(ctx, disconnectEvery) {
			return nil
		}
	}

	return nil
}
