package fleet_test

import (
	"strings"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

func TestALoadBalancerGoesOnlyWhenSomebodySaysSo(t *testing.T) {
	t.Parallel()

	for name, balancers := range map[string]string{
		"none":         "",
		"another name": "balancers: [{name: front, nodes: web, http: PORT}]",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.mustUp()

			old := w.balancer()
			w.config.Stack = w.parse(withBalancers(text, balancers), w.config.Manifests)

			err := w.up()
			require.ErrorIs(t, err, fleet.ErrNotConfirmed)
			require.ErrorContains(t, err, "load balancer hornero-blog, with its address "+old.IP)
			require.Equal(t, old, w.balancer(), "nothing is touched before")

			asked := w.agree()
			w.mustUp()

			lost := fleet.Removal{
				What:  "load balancer hornero-blog",
				Loses: "its address " + old.IP,
			}
			require.Equal(t, []fleet.Removal{lost}, *asked)

			w.nothingToDo()
			require.NotContains(t, w.balancers(), "hornero-blog")

			web := w.droplet("web-1")
			require.NotContains(t, web.Tags, webTraffic)
		})
	}
}

func TestALoadBalancerIsMadeAnew(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	old := w.balancer()

	w.config.ReplaceBalancers = []string{"wbe"}
	err := w.up()
	require.ErrorIs(t, err, fleet.ErrNoBalancer)
	require.ErrorContains(t, err, "replace load balancer wbe: stack.yaml has no such load balancer; it has: web")

	w.config.ReplaceBalancers = []string{"web"}
	require.ErrorIs(t, w.up(), fleet.ErrNotConfirmed)
	require.Equal(t, old, w.balancer())

	asked := w.agree()
	w.mustUp()
	require.Len(t, *asked, 1)
	require.NotEqual(t, old.ID, w.balancer().ID)
	w.nothingToDo()
}

// A load balancer reaches nodes over their network, and moves to no other.
func TestALoadBalancerInAnotherNetworkIsMadeAnewOnDemand(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	w.deleteBalancer()
	w.createBalancer("hornero-blog", webTraffic)

	lines := w.plan()
	require.Len(t, lines, 2, "the firewall lets in the one that is gone")
	require.Contains(t, lines[0], "replace load balancer hornero-blog: ")
	require.Contains(t, lines[0], "; VPC ")

	err := w.up()
	require.ErrorIs(t, err, fleet.ErrFixed)
	require.ErrorContains(t, err, "`hornero up --replace-balancer web` makes it anew, at another address")

	w.agree()
	w.config.ReplaceBalancers = []string{"web"}
	w.mustUp()
	w.nothingToDo()
}

// The type of a load balancer, and who reaches it, are for good.
func TestUpRefusesAChangeThatTheAPIWouldRefuse(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	before := w.balancer()
	w.destroyDroplet("web-2", 6)
	w.awaitDroplets(6)

	w.config.Stack.LoadBalancer.DualStack = true
	require.Contains(t, strings.Join(w.plan(), "\n"), "replace load balancer hornero-blog: dual_stack off -> on")

	err := w.up()
	require.ErrorIs(t, err, fleet.ErrFixed)
	require.ErrorContains(t, err, "change load balancer hornero-blog: it cannot be changed: dual_stack off -> on; ")
	require.ErrorContains(t, err, "`hornero up --replace-balancer web` makes it anew, at another address")
	require.Equal(t, before.ForwardingRules, w.balancer().ForwardingRules)
	require.Len(t, w.names(), 6, "nothing is launched")

	w.agree()
	w.config.ReplaceBalancers = []string{"web"}
	w.mustUp()
	w.nothingToDo()
	require.Equal(t, "DUALSTACK", w.balancer().NetworkStack)
}

// Somebody took the tag by which it was known: its network tells whose it is.
func TestALoadBalancerIsKnownByItsNetwork(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	before := w.balancer()
	w.changeBalancer(func(request *godo.LoadBalancerRequest) {
		request.Name += "-once"
		request.Tag = "mine"
	})

	w.agree()
	w.mustUp()
	w.haveBalancers("hornero-blog")
	require.NotEqual(t, before.ID, w.balancer().ID)
}
