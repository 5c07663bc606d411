package api_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

// vpc makes a VPC in nyc3.
func (w *world) vpc(name, network string) *godo.VPC {
	w.t.Helper()

	vpc, _, err := w.VPCs.Create(w.t.Context(), &godo.VPCCreateRequest{
		Name:       name,
		RegionSlug: "nyc3",
		IPRange:    network,
	})
	require.NoError(w.t, err)

	return vpc
}

func TestDropletsBehindALoadBalancer(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	balancers := w.LoadBalancers

	inside := request("inside")
	inside.VPCUUID = w.vpc("own", "10.77.0.0/24").ID
	inside.Tags = []string{"web"}
	stranger := w.create(inside)

	ids := []int{}
	for n := range 11 {
		ids = append(ids, w.create(request(fmt.Sprintf("web-%d", n))).ID)
	}

	tagged := w.balancer(balancerRequest())
	require.Empty(t, tagged.DropletIDs, "a tag's Droplet in another VPC is none of it")

	_, err := balancers.AddDroplets(ctx, tagged.ID, ids[0])
	refused(t, err, 422, "tag the Droplets instead")

	_, err = balancers.RemoveDroplets(ctx, tagged.ID, ids[0])
	refused(t, err, 422, "tag the Droplets instead")

	ask := balancerRequest()
	ask.Name = "listed"
	ask.Tag = ""
	ask.DropletIDs = ids[:9]
	made := w.balancer(ask)

	_, err = balancers.AddDroplets(ctx, made.ID, stranger.ID)
	refused(t, err, 422, "some of the specified target droplets don't belong to the same VPC as the Load Balancer")

	_, err = balancers.AddDroplets(ctx, made.ID)
	refused(t, err, 422, "need to provide either a tag or a list of droplets")

	_, err = balancers.AddDroplets(ctx, made.ID, ids[9:]...)
	refused(t, err, 422, "at most 10 droplet_ids")

	_, err = balancers.AddDroplets(
		ctx,
		made.ID,
		ids[8],
		ids[9],
	)
	require.NoError(t, err)

	_, err = balancers.RemoveDroplets(ctx, made.ID, ids[1:]...)
	require.NoError(t, err)
	w.eventually("one target is left", func() bool {
		return slices.Equal(w.balancers.targets(made.ID), ids[:1])
	})
}

func TestWhatCanNotBeChangedOfALoadBalancer(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	balancers := w.LoadBalancers
	own := w.vpc("own", "10.77.0.0/24")

	list := balancerRequest()
	list.Tag = ""
	list.DropletIDs = []int{w.create(request("web")).ID}
	made := w.balancer(list)

	ask := balancerRequest()
	ask.VPCUUID = own.ID
	_, _, err := balancers.Update(ctx, made.ID, ask)
	refused(t, err, 422, "VPC can't be changed")

	ask = balancerRequest()
	ask.Network = "INTERNAL"
	_, _, err = balancers.Update(ctx, made.ID, ask)
	refused(t, err, 422, "network can't be changed")

	ask = balancerRequest()
	ask.Type = "REGIONAL_NETWORK"
	ask.ForwardingRules[0].EntryProtocol = "tcp"
	ask.ForwardingRules[0].TargetProtocol = "tcp"
	_, _, err = balancers.Update(ctx, made.ID, ask)
	refused(t, err, 422, "type can't be changed")

	ask.Type = ""
	made, _, err = balancers.Update(ctx, made.ID, ask)
	require.NoError(t, err)
	require.Equal(t, "web", made.Tag, "from a list to a tag")
	require.Empty(t, made.DropletIDs)
}

func TestForwardingRulesAreAddedAndRemoved(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	made := w.balancer(balancerRequest())

	names := godo.ForwardingRule{
		EntryProtocol:  "udp",
		EntryPort:      53,
		TargetProtocol: "udp",
		TargetPort:     5353,
	}

	_, err := w.LoadBalancers.AddForwardingRules(ctx, made.ID, names, godo.ForwardingRule{
		EntryProtocol:  "tcp",
		EntryPort:      53,
		TargetProtocol: "tcp",
		TargetPort:     5353,
	})
	require.NoError(t, err)

	_, err = w.LoadBalancers.AddForwardingRules(ctx, made.ID, names)
	refused(t, err, 422, "two forwarding rules take entry_port 53")

	_, err = w.LoadBalancers.AddForwardingRules(ctx, made.ID)
	refused(t, err, 422, "at least one rule")
	w.eventually("all rules run", func() bool {
		return len(w.balancers.run(made.ID).Rules) == 3
	})

	_, err = w.LoadBalancers.RemoveForwardingRules(ctx, made.ID, names)
	require.NoError(t, err)

	_, err = w.LoadBalancers.RemoveForwardingRules(ctx, made.ID, names)
	refused(t, err, 422, "no forwarding rule for udp on entry_port 53")

	_, err = w.LoadBalancers.RemoveForwardingRules(ctx, made.ID, made.ForwardingRules[0])
	require.NoError(t, err)

	last, _, err := w.LoadBalancers.Get(ctx, made.ID)
	require.NoError(t, err)
	require.Len(t, last.ForwardingRules, 1)

	_, err = w.LoadBalancers.RemoveForwardingRules(ctx, made.ID, last.ForwardingRules[0])
	refused(t, err, 422, "at least one forwarding rule")

	_, err = w.LoadBalancers.PurgeCache(ctx, made.ID)
	refused(t, err, 422, "GLOBAL")
}

func TestLoadBalancerUpdateReplaces(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("web-1"))
	ask := balancerRequest()
	ask.Tag = ""
	ask.DropletIDs = []int{droplet.ID}

	ask.StickySessions = &godo.StickySessions{
		Type:             "cookies",
		CookieName:       "node",
		CookieTtlSeconds: 60,
	}

	balancer, _, err := w.LoadBalancers.Create(ctx, ask)
	require.NoError(t, err)
	require.Equal(t, "cookies", balancer.StickySessions.Type)

	ask.StickySessions = nil
	updated, _, err := w.LoadBalancers.Update(ctx, balancer.ID, ask)
	require.NoError(t, err)
	require.Equal(t, "none", updated.StickySessions.Type)

	ask.ForwardingRules = nil
	_, _, err = w.LoadBalancers.Update(ctx, balancer.ID, ask)
	refused(t, err, 422, "forwarding rule")

	_, err = w.LoadBalancers.RemoveDroplets(ctx, balancer.ID, droplet.ID)
	require.NoError(t, err)

	_, err = w.LoadBalancers.AddDroplets(ctx, balancer.ID, droplet.ID)
	require.NoError(t, err)

	_, err = w.LoadBalancers.AddDroplets(ctx, balancer.ID, 1)
	refused(t, err, 422, "no Droplet 1")

	rule := godo.ForwardingRule{
		EntryProtocol:  "tcp",
		EntryPort:      3306,
		TargetProtocol: "tcp",
		TargetPort:     3306,
	}

	_, err = w.LoadBalancers.AddForwardingRules(ctx, balancer.ID, rule)
	require.NoError(t, err)

	_, err = w.LoadBalancers.AddForwardingRules(ctx, balancer.ID, rule)
	refused(t, err, 422, "two forwarding rules")

	_, err = w.LoadBalancers.RemoveForwardingRules(ctx, balancer.ID, rule)
	require.NoError(t, err)
	w.eventually("targets applied", func() bool {
		return slices.Equal(w.balancers.targets(balancer.ID), []int{droplet.ID})
	})
}
