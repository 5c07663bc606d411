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
	"github.com/hornero/hornero/lab/api"
)

// TestTheReservedIPFollowsTheLeaseOfRealPrograms has three members keep an address: their lease is real, and so
// is the API in front of pretended machines. There is no metadata service, so that none learns that the address
// has come.
func TestTheReservedIPFollowsTheLeaseOfRealPrograms(t *testing.T) {
	url, operator := lab(t)
	reserved, _, err := operator.ReservedIPs.Create(
		t.Context(),
		&godo.ReservedIPCreateRequest{Region: "nyc3"},
	)
	require.NoError(t, err)

	s := newRealSet(t)
	s.droplets = map[int]int{}

	s.with = func(node *cloudinit.Node) {
		node.Settings = map[string]string{
			cloudinit.SettingReservedIP:    reserved.IP,
			cloudinit.SettingReservedIPAPI: url,
		}

		node.Secrets = map[string]report.Secret{cloudinit.SecretReservedIPToken: report.Secret(api.ScopedToken("token", "reserved_ip:update"))}
	}

	nodes := map[int]*process{} // by Droplet

	for number, name := range []string{"one", "two", "three"} {
		s.droplets[number+1] = droplet(t, operator, name)
	}

	for number := 1; number <= 3; number++ {
		nodes[s.droplets[number]] = s.run("db", number)
	}

	assigned := func() int {
		got, _, err := operator.ReservedIPs.Get(t.Context(), reserved.IP)
		require.NoError(t, err)

		if got.Droplet == nil || got.Locked {
			return 0
		}

		return got.Droplet.ID
	}

	goes := func(notTo int) int {
		require.Eventually(t,
			func() bool {
				id := assigned()
				return id != 0 && id != notTo
			},
			30*time.Second,
			20*time.Millisecond,
			"the address is assigned",
		)

		id := assigned()

		for _, node := range nodes {
			if node.running != nil {
				node.eventually("the lease is with whom the address is assigned to", func(said status.Status) bool {
					return said.ReservedIP != nil &&
						said.PeerSet.ReservedIP == nodes[id].node &&
						said.ReservedIP.Holder == nodes[id].node &&
						said.ReservedIP.Problem == ""
				})
			}
		}

		return id
	}

	first := goes(0)
	nodes[first].eventually("three voters", func(said status.Status) bool {
		return len(said.PeerSet.Voters) == 3
	})

	killed := time.Now()
	_ = nodes[first].end(syscall.SIGKILL)
	second := goes(first)

	t.Logf(
		"figure: the address is with another %.1f s after its holder was killed",
		time.Since(killed).Seconds(),
	)

	nodes[first].start()
	nodes[first].eventually("it is back", func(said status.Status) bool {
		return said.Healthy && said.PeerSet.Quorum
	})
	require.Equal(t, second, goes(0), "who comes back takes nothing away")

	// Without a quorum nothing moves, whatever becomes of the address.
	for id, node := range nodes {
		if id != second {
			_ = node.end(syscall.SIGKILL)
		}
	}

	nodes[second].eventually("no lease is certain", func(said status.Status) bool {
		return !said.PeerSet.Quorum && !said.ReservedIP.Holds
	})

	_, _, err = operator.ReservedIPActions.Unassign(t.Context(), reserved.IP)
	require.NoError(t, err)
	time.Sleep(2 * reservedip.DefaultTTL) // nothing is to happen meanwhile
	require.Zero(t, assigned())

	for id, node := range nodes {
		if id != second {
			node.start()
		}
	}

	goes(0)

	out, _, err := nodes[second].said("events")
	require.NoError(t, err)

	require.Contains(t,
		out,
		nodes[second].node+" holds db.reserved-ip at epoch 2, after "+nodes[first].node+": "+nodes[first].node+
			" did not renew it in time",
	)
}
