package haproxy_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/roles"
)

// variedSites are those of a stack whose second site has a variant, and a canary for who asks.
func variedSites() []roles.Site {
	sites := testSites()
	sites[1].Variants = []roles.Variant{
		{Header: map[string]string{"X-Canary": "yes"}},
		{
			Group:  "b",
			Header: map[string]string{"X-Variant": "b"},
			Cookie: map[string]string{"variant": "b"},
		},
	}

	return sites
}

func newVariedEdge(t *testing.T, network string, start ...peerset.Peer) *edge {
	ca, err := pki.NewCA("test")
	require.NoError(t, err)

	node := edgeNode{
		name: "edge-1",
		host: ".21",
		by:   ca,
	}
	expect := func(p *proxy) { p.facts.Expected["shop"] = []string{"shop-1", "shop-2", "b-1"} }

	return newEdgeWith(
		t,
		network,
		node,
		expect,
		variedSites(),
		start...,
	)
}

// asker comes to the second site with a header.
type asker struct {
	*edge
	client *http.Client
}

// gets tells whether some requests come to these nodes, to each of them at least once, and nowhere else.
func (a asker) gets(header, value string, nodes ...string) func() bool {
	return func() bool {
		var by []string

		for range 8 {
			got := get(a.client, shopAddress+"/", header, value)
			if got.status != http.StatusOK {
				return false
			}

			by = append(by, got.told["name"])
		}

		slices.Sort(by)

		return slices.Equal(nodes, slices.Compact(by))
	}
}

func TestVisitorsGetTheVariantThatTheyAskFor(t *testing.T) {
	network := newNetwork()
	variant := sitePeer("b-1", "shop", network+".43")
	e := newVariedEdge(t, network, edgePeers(network, variant)...)

	newSiteNode(t, "shop-1", network+".41")
	newSiteNode(t, "shop-2", network+".42")
	first := newSiteNode(t, "b-1", network+".43")
	newSiteNode(t, "b-2", network+".44")

	a := asker{
		edge:   e,
		client: e.client(false),
	}

	e.until("keep the others from it", a.gets("Accept", "*/*", "shop-1", "shop-2"))
	e.until("go by the header", a.gets("x-variant", "b", "b-1"))
	e.until("go by the cookie", a.gets("Cookie", "other=1; variant=b", "b-1"))
	e.until("want the whole value", a.gets("X-Variant", "bb", "shop-1", "shop-2"))

	// The application may want to know.
	require.Equal(t, "b", get(a.client, shopAddress+"/", "X-Variant", "b").told["X-Variant"])

	// Its nodes come and go as any do.
	other := sitePeer("b-2", "shop", network+".44")
	e.put(snapshot("", 0, edgePeers(network, variant, other)...))
	e.until("learn of another", a.gets("X-Variant", "b", "b-1", "b-2"))

	first.dies()
	e.until("leave one that is lost", a.gets("X-Variant", "b", "b-2"))

	e.put(snapshot("", 0, edgePeers(network)...))
	e.until("serve all by the site when there is none", a.gets("X-Variant", "b", "shop-1", "shop-2"))
	require.Zero(t, e.reloads.Load())
}

func TestWhoAsksForTheCanaryGetsIt(t *testing.T) {
	network := newNetwork()
	e := newVariedEdge(t, network, edgePeers(network)...)
	newSiteNode(t, "shop-1", network+".41")
	newSiteNode(t, "shop-2", network+".42")

	a := asker{
		edge:   e,
		client: e.client(false),
	}

	e.until("serve all by the site while there is no canary", a.gets("X-Canary", "yes", "shop-1", "shop-2"))
	require.NotContains(t, e.state().Reason, "canary", "that there is none is as it should be")

	canary := func(share string) []peerset.Peer {
		peers := edgePeers(network)
		peers[3] = sharing(peers[3], share)

		return peers
	}

	e.put(snapshot("", 0, canary("1")...))
	e.until("send to it who asks", a.gets("X-Canary", "yes", "shop-2"))

	e.put(snapshot("", 0, canary("")...))
	e.until("end it", a.gets("X-Canary", "yes", "shop-1", "shop-2"))
	require.Zero(t, e.reloads.Load())
}
