//go:build root

package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/reservedip"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/internal/status"
)

// reservedSet is three members that keep a reserved IP, by Droplet. Their lease is real, and so is the API in front
// of pretended machines.
type reservedSet struct {
	*realSet
	operator *godo.Client
	address  string
	nodes    map[int]*process
}

func newReservedSet(t *testing.T) *reservedSet {
	url, operator := lab(t)
	client := reserve(t, url, operator)

	s := &reservedSet{
		realSet:  newRealSet(t),
		operator: operator,
		address:  client.Address,
		nodes:    map[int]*process{},
	}

	s.droplets = map[int]int{}
	s.with = func(node *cloudinit.Node) {
		node.Settings = map[string]string{
			cloudinit.SettingReservedIP:    client.Address,
			cloudinit.SettingReservedIPAPI: url,
		}
		node.Secrets = map[string]report.Secret{cloudinit.SecretReservedIPToken: client.Token}
	}

	for number, name := range []string{"one", "two", "three"} {
		s.droplets[number+1] = droplet(t, operator, name)
	}

	for number := 1; number <= 3; number++ {
		s.nodes[s.droplets[number]] = s.run("db", number)
	}

	return s
}

// assigned is the Droplet that the API says has the address; 0 while it moves.
func (s *reservedSet) assigned() int {
	got, _, err := s.operator.ReservedIPs.Get(s.Context(), s.address)
	require.NoError(s, err)

	if got.Droplet == nil || got.Locked {
		return 0
	}

	return got.Droplet.ID
}

// goes waits until the address is with another Droplet than this one, and the lease with it. It returns which.
func (s *reservedSet) goes(notTo int) int {
	moved := func() bool {
		id := s.assigned()
		return id != 0 && id != notTo
	}
	require.Eventually(
		s,
		moved,
		30*time.Second,
		20*time.Millisecond,
		"the address is assigned",
	)

	id := s.assigned()
	holder := s.nodes[id].node

	for _, node := range s.nodes {
		if node.running == nil {
			continue
		}

		node.eventually("the lease is with whom the address is assigned to", func(said status.Status) bool {
			own := said.ReservedIP
			return own != nil &&
				said.PeerSet.ReservedIP == holder &&
				own.Holder == holder &&
				own.Problem == ""
		})
	}

	return id
}

// others are the nodes but this one.
func (s *reservedSet) others(id int) []*process {
	var others []*process
	for other, node := range s.nodes {
		if other != id {
			others = append(others, node)
		}
	}

	return others
}

// TestTheReservedIPFollowsTheLeaseOfRealPrograms has three members keep an address. There is no metadata service, so
// that none learns that the address has come.
func TestTheReservedIPFollowsTheLeaseOfRealPrograms(t *testing.T) {
	s := newReservedSet(t)

	first := s.goes(0)
	holder := s.nodes[first]
	holder.eventually("three voters", func(said status.Status) bool {
		return len(said.PeerSet.Voters) == 3
	})

	killed := time.Now()
	_ = holder.end(syscall.SIGKILL)
	second := s.goes(first)
	successor := s.nodes[second]
	t.Logf("figure: the address is with another %.1f s after its holder was killed", time.Since(killed).Seconds())

	holder.start()
	holder.eventually("it is back", func(said status.Status) bool {
		return said.Healthy && said.PeerSet.Quorum
	})
	require.Equal(t, second, s.goes(0), "who comes back takes nothing away")

	// Without a quorum nothing moves, whatever becomes of the address.
	for _, node := range s.others(second) {
		_ = node.end(syscall.SIGKILL)
	}

	successor.eventually("no lease is certain", func(said status.Status) bool {
		return !said.PeerSet.Quorum && !said.ReservedIP.Holds
	})

	_, _, err := s.operator.ReservedIPActions.Unassign(t.Context(), s.address)
	require.NoError(t, err)
	time.Sleep(2 * reservedip.DefaultTTL) // nothing is to happen meanwhile
	require.Zero(t, s.assigned())

	for _, node := range s.others(second) {
		node.start()
	}

	s.goes(0)

	out, _, err := successor.said("events")
	require.NoError(t, err)

	taken := successor.node + " holds db.reserved-ip at epoch 2, after " + holder.node + ": "
	require.Contains(t, out, taken+holder.node+" did not renew it in time")
}
