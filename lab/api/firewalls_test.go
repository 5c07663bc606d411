package api_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
)

func (w *world) shields() []api.Shield {
	w.machines.mutex.Lock()
	defer w.machines.mutex.Unlock()
	return w.machines.shields
}

func (w *world) succeeded(id string) *godo.Firewall {
	w.t.Helper()
	var firewall *godo.Firewall
	w.eventually("firewall in force", func() bool {
		got, _, err := w.client.Firewalls.Get(w.t.Context(), id)
		require.NoError(w.t, err)
		firewall = got

		return got.Status == "succeeded"
	})

	return firewall
}

func TestFirewalls(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	web, db := w.create(request("web")), w.create(request("db"))
	ask := &godo.FirewallRequest{
		Name:       "wall",
		Tags:       []string{"guarded"},
		DropletIDs: []int{web.ID},
		InboundRules: []godo.InboundRule{{
			Protocol:  "tcp",
			PortRange: "22",
			Sources:   &godo.Sources{Addresses: []string{"203.0.113.0/24"}},
		},
			{
				Protocol: "icmp",
				Sources:  &godo.Sources{Tags: []string{"Friends"}},
			}},
		OutboundRules: []godo.OutboundRule{{
			Protocol:     "tcp",
			PortRange:    "all",
			Destinations: &godo.Destinations{Addresses: []string{"0.0.0.0/0", "::/0"}},
		}},
	}

	made, answer, err := w.client.Firewalls.Create(ctx, ask)
	require.NoError(t, err)
	require.Equal(t, 202, answer.StatusCode)
	require.Equal(t, "waiting", made.Status)

	require.Equal(t,
		[]godo.PendingChange{{DropletID: web.ID, Status: "waiting"}},
		made.PendingChanges,
	)

	firewall := w.succeeded(made.ID)
	require.Empty(t, firewall.PendingChanges)

	require.Equal(t,
		[]string{"22", "0"},
		[]string{firewall.InboundRules[0].PortRange, firewall.InboundRules[1].PortRange},
		"icmp's ports come back as 0",
	)

	require.Equal(t, "0", firewall.OutboundRules[0].PortRange, "all comes back as 0")
	require.Len(t, w.shields(), 1)

	require.Equal(t,
		api.Passage{
			Protocol: "tcp",
			First:    22,
			Last:     22,
			Peers:    []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
		},
		w.shields()[0].Inbound[0],
	)

	require.Empty(t, w.shields()[0].Inbound[1].Peers, "nobody has the tag")

	_, err = w.client.Tags.TagResources(ctx,
		"guarded",
		&godo.TagResourcesRequest{Resources: []godo.Resource{{
			ID:   fmt.Sprint(db.ID),
			Type: "droplet",
		}}},
	)
	require.NoError(t, err)
	w.eventually("a Droplet tagged later comes in", func() bool {
		return len(w.shields()) == 2
	})

	listed, _, err := w.client.Firewalls.ListByDroplet(ctx, db.ID, nil)
	require.NoError(t, err)
	require.Equal(t, made.ID, listed[0].ID)

	ask2 := request("friend")
	ask2.Tags = []string{"friends"}
	w.create(ask2)
	w.eventually("a source's tag is followed", func() bool {
		return len(w.shields()[0].Inbound[1].Peers) == 2
	})

	_, err = w.client.Tags.UntagResources(ctx,
		"guarded",
		&godo.UntagResourcesRequest{Resources: []godo.Resource{{
			ID:   fmt.Sprint(db.ID),
			Type: "droplet",
		}}},
	)
	require.NoError(t, err)
	w.eventually("one untagged leaves", func() bool {
		return len(w.shields()) == 1
	})

	second, _, err := w.client.Firewalls.Create(ctx, &godo.FirewallRequest{
		Name:       "more",
		DropletIDs: []int{web.ID},
		InboundRules: []godo.InboundRule{{
			Protocol:  "udp",
			PortRange: "8000-9000",
			Sources:   &godo.Sources{DropletIDs: []int{db.ID}},
		}},
	})
	require.NoError(t, err)
	w.succeeded(second.ID)
	require.Len(t, w.shields()[0].Inbound, 3, "the union of both")

	_, err = w.client.Firewalls.RemoveDroplets(ctx, second.ID, web.ID)
	require.NoError(t, err)
	w.eventually("one off again", func() bool {
		return len(w.shields()[0].Inbound) == 2
	})

	_, err = w.client.Firewalls.AddRules(ctx,
		second.ID,
		&godo.FirewallRulesRequest{OutboundRules: ask.OutboundRules},
	)
	require.NoError(t, err)

	_, err = w.client.Firewalls.RemoveRules(ctx,
		second.ID,
		&godo.FirewallRulesRequest{OutboundRules: ask.OutboundRules},
	)
	require.NoError(t, err)
	require.Empty(t, w.succeeded(second.ID).OutboundRules)

	replaced, answer, err := w.client.Firewalls.Update(ctx, made.ID, &godo.FirewallRequest{
		Name:         "wall",
		InboundRules: ask.InboundRules[:1],
	})
	require.NoError(t, err)
	require.Equal(t, 200, answer.StatusCode)
	require.Empty(t, replaced.Tags, "what is left out is gone")
	w.eventually("nothing is guarded", func() bool {
		return len(w.shields()) == 0
	})

	_, err = w.client.Firewalls.Delete(ctx, made.ID)
	require.NoError(t, err)

	_, err = w.client.Firewalls.Delete(ctx, made.ID)
	refused(t, err, 404, "could not be found")
}

func TestFirewallRefusals(t *testing.T) {
	w := newWorld(t)

	rule := func(change func(*godo.InboundRule)) []godo.InboundRule {
		one := godo.InboundRule{
			Protocol:  "tcp",
			PortRange: "80",
			Sources:   &godo.Sources{Addresses: []string{"0.0.0.0/0"}},
		}
		change(&one)

		return []godo.InboundRule{one}
	}

	for why, ask := range map[string]*godo.FirewallRequest{
		"at least one rule": {Name: "w"},
		"name can only": {
			Name:         "a b",
			InboundRules: rule(func(*godo.InboundRule) {}),
		},
		"invalid ports": {
			Name:         "w",
			InboundRules: rule(func(r *godo.InboundRule) { r.PortRange = "90-80" }),
		},
		`invalid ports "x"`: {
			Name:         "w",
			InboundRules: rule(func(r *godo.InboundRule) { r.PortRange = "x" }),
		},
		"invalid protocol": {
			Name:         "w",
			InboundRules: rule(func(r *godo.InboundRule) { r.Protocol = "sctp" }),
		},
		"invalid address": {
			Name: "w",
			InboundRules: rule(func(r *godo.InboundRule) {
				r.Sources.Addresses = []string{"here"}
			}),
		},
		"droplet 1 is not": {
			Name: "w",
			InboundRules: rule(func(r *godo.InboundRule) {
				r.Sources.DropletIDs = []int{1}
			}),
		},
		"load balancer x is": {
			Name: "w",
			InboundRules: rule(func(r *godo.InboundRule) {
				r.Sources.LoadBalancerUIDs = []string{"x"}
			}),
		},
		"droplet 2 is not": {
			Name:         "w",
			DropletIDs:   []int{2},
			InboundRules: rule(func(*godo.InboundRule) {}),
		},
		`"a b" is no tag`: {
			Name:         "w",
			Tags:         []string{"a b"},
			InboundRules: rule(func(*godo.InboundRule) {}),
		},
	} {
		_, _, err := w.client.Firewalls.Create(t.Context(), ask)
		refused(t, err, 422, why)
		require.Empty(t, w.store.View().Firewalls)
	}
}
