package peers

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/canonical/go-dqlite/v2/client"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// leadership is what watch remembers of who leads.
type leadership struct {
	looked time.Time // when it last saw who leads and who votes
	unfit  time.Time // since when this member leads and should not; zero when it does not
	asked  int       // how many were asked to lead instead
}

// transferDeadline is longer than dqlite takes to end a transfer: it must not lose its client before.
const transferDeadline = 5 * time.Second

// lookAtLeadership finds out who leads and who votes, now and then.
func (s *Store) lookAtLeadership(ctx context.Context) {
	if time.Since(s.leads.looked) < s.config.Leadership {
		return
	}

	// This member's own dqlite costs no connection to another one, and knows who leads when it votes.
	leader, nodes, err := whoLeads(ctx, s.app.Client)

	// A stand-by's own dqlite does not know who leads.
	if err != nil || leader == nil {
		leader, nodes, err = whoLeads(ctx, s.app.FindLeader)
	}

	// An election may be under way: the next refresh asks again.
	if err != nil || leader == nil {
		return
	}

	nodes = slices.DeleteFunc(nodes, func(node client.NodeInfo) bool {
		return node.Role != client.Voter
	})
	voters := make([]string, len(nodes))

	for at, node := range nodes {
		voters[at] = node.Address
	}

	s.leads.looked = time.Now()

	s.mu.Lock()
	s.snapshot.Leader = leader.Address
	s.snapshot.Voters = voters
	s.mu.Unlock()

	s.handOver(ctx, leader.ID, nodes)
}

// whoLeads asks a member who leads, nil when it does not know, and who is in consensus.
func whoLeads(
	ctx context.Context,
	connect func(context.Context) (*client.Client, error),
) (*client.NodeInfo, []client.NodeInfo, error) {
	asked, err := connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer asked.Close()

	leader, err := asked.Leader(ctx)
	if err != nil || leader == nil || leader.Address == "" {
		return nil, nil, err
	}

	nodes, err := asked.Cluster(ctx)

	return leader, nodes, err
}

// handOver gives the leadership up when this member should not have it and another voter may. Which nodes
// should not lead changes for a reason, so the peer set is left alone for a while after that. It is also left alone
// when no other voter would do better.
func (s *Store) handOver(ctx context.Context, leader uint64, voters []client.NodeInfo) {
	if leader != s.app.ID() {
		s.leads.unfit = time.Time{}
		return
	}

	snapshot := s.Snapshot()

	avoided := s.config.AvoidLeading(snapshot)
	if !slices.Contains(avoided, s.config.Node) {
		s.leads.unfit = time.Time{}
		return
	}

	if s.leads.unfit.IsZero() {
		s.leads.unfit = time.Now()
	}

	if time.Since(s.leads.unfit) < s.config.HandOver {
		return
	}

	// A transfer that fails is tried again, but not at once.
	s.leads.unfit = time.Now()

	successors := s.successors(snapshot, avoided, voters)
	if len(successors) == 0 {
		return
	}

	// A successor that did not take it is not asked again before the others.
	to := successors[s.leads.asked%len(successors)]
	s.leads.asked++

	// The deadline of this refresh is shorter than a transfer may take.
	s.done.Go(func() {
		s.transfer(context.WithoutCancel(ctx), to)
	})
}

// successors are the voters that may lead instead of this member, in the order of their addresses.
func (s *Store) successors(
	snapshot peerset.Snapshot,
	avoided []string,
	voters []client.NodeInfo,
) []client.NodeInfo {
	may := map[string]bool{}

	for _, peer := range snapshot.Peers {
		other := peer.Name != s.config.Node && !slices.Contains(avoided, peer.Name)
		may[s.config.endpoint(peer.Address)] = peer.Alive && other
	}

	successors := slices.DeleteFunc(voters, func(voter client.NodeInfo) bool {
		return !may[voter.Address]
	})

	slices.SortFunc(successors, func(a, b client.NodeInfo) int {
		return cmp.Compare(a.Address, b.Address)
	})

	return successors
}

// transfer makes another member the leader: one exchange of messages, in which writes are refused and tried again.
func (s *Store) transfer(ctx context.Context, to client.NodeInfo) {
	ctx, cancel := context.WithTimeout(ctx, transferDeadline)
	defer cancel()

	own, err := s.app.Client(ctx)
	if err == nil {
		defer own.Close()

		err = own.Transfer(ctx, to.ID)
	}

	if err != nil {
		s.config.Log.Debug("hand the leadership over", "to", to.Address, "err", err)
		return
	}

	s.config.Log.Info("leadership handed over", "to", to.Address)
}
