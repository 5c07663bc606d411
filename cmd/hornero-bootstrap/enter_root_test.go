//go:build root

package main

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/roles"
)

// health is what the health port says, and with which code.
func (p *process) health() (int, string) {
	response, err := healthClient.Get(p.url + "/healthz")
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()

	text, err := io.ReadAll(response.Body)
	require.NoError(p, err)

	return response.StatusCode, string(text)
}

// of is a peer as a node's status has it; nothing when it has none of that name.
func of(s status.Status, name string) status.Peer {
	at := slices.IndexFunc(s.PeerSet.Peers, func(peer status.Peer) bool {
		return peer.Name == name
	})
	if at < 0 {
		return status.Peer{}
	}

	return s.PeerSet.Peers[at]
}

// TestANodeOnItsWayIntoConsensusWorksAndDoesNotCount keeps a new member out of consensus: its port there is
// taken. Meanwhile it is in the peer set, as alive as any, says what it does, and is not healthy.
func TestANodeOnItsWayIntoConsensusWorksAndDoesNotCount(t *testing.T) {
	s := newRealSet(t)
	founder := s.run("db", 1)
	s.run("db", 2)

	taken, err := net.Listen("tcp", net.JoinHostPort("127.1.2.3", strconv.Itoa(roles.PeersPort)))
	require.NoError(t, err)
	defer taken.Close()

	joiner := s.launch("db", 3, 1, program)

	founder.eventually("it is registered and works", func(s status.Status) bool {
		peer := of(s, "db-3")
		return peer.Alive && peer.State == "serving"
	})

	for range 20 {
		code, text := joiner.health()
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.Contains(t, text, "on its way into consensus")

		now := founder.status()
		require.False(t, of(now, "db-3").Healthy)
		require.False(t, slices.ContainsFunc(now.PeerSet.Voters, func(voter string) bool {
			return strings.HasPrefix(voter, joiner.address)
		}))
		time.Sleep(50 * time.Millisecond)
	}

	require.False(t, joiner.ready())

	require.NoError(t, taken.Close())
	require.Eventually(
		t,
		joiner.ready,
		30*time.Second,
		20*time.Millisecond,
		"it is in consensus",
	)
	founder.eventually("healthy, and one of three voters", func(s status.Status) bool {
		return of(s, "db-3").Healthy && len(s.PeerSet.Voters) == 3
	})
}
