package bootstrap

import (
	"context"
	"slices"
	"sync"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
)

// writer names the node that takes the writes: when its machine is lost, the lease moves at once only if a
// leader is left. The reserved IP's holder is not named: its lease outlives its loss by three seconds or four,
// and a new leader is there within two.
func writer(snapshot peerset.Snapshot) []string {
	return []string{snapshot.Holder(peerset.LeaseWriter)}
}

// keepTelling tells the other members of changes that this one made, so that they need not look for them all
// the time.
func (a *Agent) keepTelling(ctx context.Context, client *api.Client, member Member) {
	c := couriers{
		send: client.News,
		to:   map[string]pause.Bell{},
	}
	defer c.dismiss()

	for {
		select {
		case <-ctx.Done():
			return
		case <-a.changed:
		}

		var others []string

		for _, peer := range member.Snapshot().Peers {
			if peer.Kind == peerset.KindMember && peer.Alive && peer.Name != a.node.Node {
				others = append(others, peer.Address)
			}
		}

		c.tell(ctx, others)
	}
}

// couriers carry word of changes, each to one member: one that vanished, and counts as alive for a while, holds
// up no other's.
type couriers struct {
	send func(ctx context.Context, member string)
	to   map[string]pause.Bell
	work sync.WaitGroup
}

// tell sends word to these members, and from now on to no others. It waits for nobody.
func (c *couriers) tell(ctx context.Context, members []string) {
	for member, word := range c.to {
		if !slices.Contains(members, member) {
			close(word)
			delete(c.to, member)
		}
	}

	for _, member := range members {
		word, ok := c.to[member]
		if !ok {
			word = pause.NewBell()
			c.to[member] = word

			c.work.Go(func() {
				for range word {
					c.send(ctx, member)
				}
			})
		}

		word.Ring()
	}
}

func (c *couriers) dismiss() {
	c.tell(context.Background(), nil)
	c.work.Wait()
}
