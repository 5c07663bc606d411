//go:build root && bench

package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// unharmed is the longest that a client may wait while consensus, and nothing else, is in trouble.
const unharmed = time.Second

// TestConsensusLost takes the peer set's leader away, and then its quorum for a while, and looks whether a
// client of the database notices.
func TestConsensusLost(t *testing.T) {
	s := launch(t)
	s.untilHealthy()

	c := newClients(s)

	for _, loss := range []struct {
		name string
		span time.Duration
		of   func() []node
	}{
		{
			name: "the leader of consensus",
			span: 5 * time.Second,
			of: func() []node {
				return []node{s.leader()}
			},
		},
		{
			name: "the quorum of consensus",
			span: 20 * time.Second,
			of:   s.members,
		},
	} {
		require.Eventually(t, s.whole, healsWithin, 300*time.Millisecond)
		stop := c.start()
		time.Sleep(2 * time.Second)

		writer := s.writer()
		mend := s.silence(loss.of())
		time.Sleep(loss.span)
		mend()

		r := stop()
		fmt.Printf("without %s for %s: gap %.2f s, %d rows, %d attempts failed%s\n",
			loss.name, loss.span, r.gap.Seconds(), r.rows, r.failed, r.story)

		require.Less(t, r.gap, unharmed, loss.name)
		require.Zero(t, r.failed, loss.name)
		require.Eventually(t, s.whole, healsWithin, 300*time.Millisecond)
		require.Equal(t, writer, s.writer(), "the writer stays")
	}

	s.keepsRows(c)
}

// leader is the node that leads consensus.
func (s *stack) leader() node {
	s.t.Helper()
	var status struct {
		PeerSet struct{ Leader string } `json:"peer_set"`
	}
	said := s.on("proxy-1", "hornero-bootstrap status --json")
	require.NoError(s.t, json.Unmarshal([]byte(said), &status))

	host, _, err := net.SplitHostPort(status.PeerSet.Leader)
	require.NoError(s.t, err, "leader %q", status.PeerSet.Leader)

	for _, n := range s.nodes() {
		if n.Addresses.Private == host {
			return n
		}
	}

	s.t.Fatalf("no node has the leader's address %s", host)

	return node{}
}

// members are the nodes of consensus.
func (s *stack) members() []node {
	var members []node
	for _, n := range s.nodes() {
		if n.Role != "web" {
			members = append(members, n)
		}
	}

	return members
}

// silence drops all packets of consensus, and no others, at some nodes.
func (s *stack) silence(nodes []node) (mend func()) {
	s.t.Helper()

	in := func(n node, rules string) {
		s.fromOutside(n.DropletID, `ip netns exec "$1" nft '`+rules+`'`)
	}

	const drop = "tcp dport 9202 drop; tcp sport 9202 drop;"
	for _, n := range nodes {
		in(n, "table inet silence { "+
			"chain in { type filter hook input priority 0; "+drop+" }; "+
			"chain out { type filter hook output priority 0; "+drop+" }; }")
	}

	return func() {
		for _, n := range nodes {
			in(n, "delete table inet silence")
		}
	}
}
