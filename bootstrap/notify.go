package bootstrap

import (
	"context"
	"slices"
	"sync"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
)

// writers names the nodes that take the writes: when such a machine is lost, the lease moves at once only if a
// leader is left. The reserved IP's holder is not named: its lease outlives its loss by three seconds or four,
// and a new leader is there within two.
func (a *Agent) writers(snapshot peerset.Snapshot) []string {
	var names []string
	for _, lease := range a.rights.Writers(snapshot) {
		names = append(names, lease.Holder)
	}

	return names
}

// keepNotifying notifies the other members of changes that this one made, so that they need not look for them all
// the time.
func (a *Agent) keepNotifying(ctx context.Context, client *api.Client, member Member) {
	n := newNotifier(client.NotifyChange)
	defer n.stop()

	for {
		select {
		case <-ctx.Done():
			return
		case <-a.changed:
		}

		var others []string

		for _, peer := range member.Snapshot().Peers {
			// Clients hear of it from the member that they poll.
			if peer.Kind == peerset.KindMember && peer.Alive && peer.Name != a.node.Node {
				others = append(others, peer.Address)
			}
		}

		n.notify(ctx, others)
	}
}

// notifier sends notifications of changes, each member's from a goroutine of its own: a member that vanished, and
// counts as alive for a while, holds up no other's. Only one goroutine uses it.
type notifier struct {
	send  func(ctx context.Context, member string)
	bells map[string]pause.Bell // by member; a closed one ends the member's goroutine
	work  sync.WaitGroup
}

func newNotifier(send func(ctx context.Context, member string)) *notifier {
	return &notifier{
		send:  send,
		bells: map[string]pause.Bell{},
	}
}

// notify notifies these members, and from now on no others. It waits for nobody.
func (n *notifier) notify(ctx context.Context, members []string) {
	for member, bell := range n.bells {
		if !slices.Contains(members, member) {
			close(bell)
			delete(n.bells, member)
		}
	}

	for _, member := range members {
		bell, ok := n.bells[member]
		if !ok {
			bell = pause.NewBell()
			n.bells[member] = bell

			n.work.Go(func() {
				for range bell {
					n.send(ctx, member)
				}
			})
		}

		// Changes that come while one is sent count once: a member that hears of them reads everything.
		bell.Ring()
	}
}

func (n *notifier) stop() {
	n.notify(context.Background(), nil)
	n.work.Wait()
}
