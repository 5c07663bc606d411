package galera

import (
	"context"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// cutTime is how long the proxies may take to end the sessions to a node that has lost the writes: a client that is cut
// off connects again, and one that is refused does not know what to do.
const cutTime = time.Second

// lateTransaction is how long a client's transaction may go on at a node after another has taken the writes. The
// proxies have cut their sessions by then: whoever is left came past them.
const lateTransaction = 30 * time.Second

// gate opens the server to its clients' writes while the node has the writer lease, and closes it when another has it.
// What Galera applies and what root does goes on. A server that starts is closed.
type gate struct {
	database Database
	grace    time.Duration // how long the proxies may take to send their writes elsewhere

	mu     sync.Mutex
	opened int64     // the epoch of the writer lease when the node took it last
	taking bool      // it is being taken: the server is open already
	others time.Time // since when another node has the lease; zero while none has
}

// take opens the server and then takes the lease by means of hold: the first client that a proxy sends must not find
// it closed. A lease that another is about to keep is asked for first.
func (g *gate) take(
	ctx context.Context,
	soon bool,
	hold func() (lease peerset.Lease, held bool, err error),
) (peerset.Lease, bool, error) {
	if soon {
		if err := g.begin(ctx); err != nil {
			return peerset.Lease{}, false, err
		}
	}

	lease, held, err := hold()
	g.end(lease, held && err == nil)

	if held && err == nil && !soon {
		err = g.database.TakeWrites(ctx)
	}

	return lease, held, err
}

func (g *gate) begin(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()

	if err := g.database.TakeWrites(ctx); err != nil {
		return err
	}

	g.taking = true

	return nil
}

func (g *gate) end(lease peerset.Lease, held bool) {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.taking = false

	if held {
		g.opened = lease.Epoch
	}
}

// follow makes the server what the lease says. The snapshot may be older than a lease that the node has just taken.
func (g *gate) follow(ctx context.Context, in Input) error {
	g.mu.Lock()
	defer g.mu.Unlock()

	lease := in.Peers.Leases[peerset.LeaseWriter]

	switch {
	case in.holdsWriter():
		g.others = time.Time{}
		return g.database.TakeWrites(ctx)

	// A node that leaves lets its clients come to an end, and then stops. The last writer stays open until another has
	// the lease: clients have somewhere to go.
	case in.Leave, lease.Holder == "", g.taking, lease.Epoch <= g.opened:
		g.others = time.Time{}
		return nil

	case g.others.IsZero():
		g.others = time.Now()
	}

	since := time.Since(g.others)
	if since < cutTime || since < g.grace && len(in.senders()) > 0 {
		return nil
	}

	return g.database.RefuseWrites(ctx, since >= lateTransaction)
}

// isVacant tells whether the writer lease has no holder, or one that is not heard of: it can be taken now.
func (in Input) isVacant() bool {
	holder := in.Peers.Holder(peerset.LeaseWriter)
	peer, known := in.Peers.Peer(holder)

	return !known || !peer.Alive
}
