package haproxy_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/haproxy"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// sharing is a node that reports what part of its role's visitors it is to get.
func sharing(peer peerset.Peer, percent string) peerset.Peer {
	peer.Facts = map[string]string{peerset.FactShare: percent}
	return peer
}

func TestACanaryWeighsAsMuchAsItsShareTakes(t *testing.T) {
	roles := haproxy.Roles{Sites: map[string]string{"site-a": "web"}}
	peer := func(number string) peerset.Peer { return sitePeer("web-"+number, "web", "10.0.0."+number) }

	weighs := func(peers ...peerset.Peer) []string {
		var servers []haproxy.Server

		for _, peer := range peers {
			one := server("site-a/" + peer.Name + " " + peer.Address + " up passed")
			one.Weight = 100
			servers = append(servers, one)
		}

		return haproxy.Decide(servers, roles, snapshot("", 0, peers...)).Open
	}

	one, two, three, four := peer("1"), peer("2"), peer("3"), peer("4")

	require.Empty(t, weighs(one, two, three))
	require.Equal(t,
		[]string{"set server site-a/web-3 weight 22"},
		weighs(one, two, sharing(three, "10")),
		"22 of 222",
	)
	require.Equal(t,
		[]string{"set server site-a/web-3 weight 25", "set server site-a/web-4 weight 25"},
		weighs(one, two, sharing(three, "20"), sharing(four, "20")),
		"20 percent are of both together",
	)
	require.Empty(
		t,
		weighs(one, sharing(three, "90")),
		"no more than another node",
	)
	require.Empty(
		t,
		weighs(sharing(three, "10")),
		"alone it has all",
	)
	require.Equal(t,
		[]string{"set server site-a/web-3 weight 11"},
		weighs(one, sick(two), sharing(three, "10")),
		"what is left of the others counts",
	)
	require.Empty(t, weighs(one, two, sharing(three, "many")))
}

func TestACanaryGetsItsShareWithoutAReload(t *testing.T) {
	sites := testSites()
	nodes := []string{"shop-1", "shop-2", "shop-3"}
	network := newNetwork()
	e := newEdgeOn(t, network, sites, edgePeers(network, sitePeer("shop-3", "shop", network+".43"))...)

	for at, host := range []string{".41", ".42", ".43"} {
		newSiteNode(t, nodes[at], network+host)
	}

	give := func(percent string) {
		peers := edgePeers(network)
		e.put(snapshot("", 0, append(peers, sharing(sitePeer("shop-3", "shop", network+".43"), percent))...))
	}

	// of is how many of a hundred visitors come to the canary.
	client := e.client(false)
	of := func() (canary int) {
		for range 100 {
			got := get(client, "https://shop.example.org/")
			require.Contains(
				t,
				nodes,
				got.told["name"],
				"%v",
				got.err,
			)

			if got.told["name"] == "shop-3" {
				canary++
			}
		}

		return canary
	}

	near := func(want int) func() bool {
		return func() bool { return slices.Contains([]int{want - 1, want, want + 1}, of()) }
	}

	e.until("check all", func() bool {
		return e.passed(nodes[0]) && e.passed(nodes[1]) && e.passed(nodes[2])
	})
	e.until("begin with as many as any", near(33))
	give("10")
	e.until("give it 10 percent", near(10))
	give("20")
	e.until("give it 20 percent", near(20))
	give("")
	e.until("give it as many as any", near(33))
	require.Zero(
		t,
		e.reloads.Load(),
		"the process is told so",
	)
}
