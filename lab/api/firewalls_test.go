package api_test

import (
	"net/netip"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
)

func (w *world) firewalls() []api.DropletFirewall {
	w.machines.mutex.Lock()
	defer w.machines.mutex.Unlock()
	return w.machines.firewalls
}

func (w *world) succeeded(id string) *godo.Firewall {
	w.t.Helper()
	var firewall *godo.Firewall
	w.eventually("firewall in force", func() bool {
		got, _, err := w.Firewalls.Get(w.t.Context(), id)
		require.NoError(w.t, err)
		firewall = got

		return got.Status == "succeeded"
	})

	return firewall
}

// wall is a firewall of a Droplet, and of all that are tagged guarded.
func wall(droplet int) *godo.FirewallRequest {
	return &godo.FirewallRequest{
		Name:       "wall",
		Tags:       []string{"guarded"},
		DropletIDs: []int{droplet},

		InboundRules: []godo.InboundRule{
			{
				Protocol:  "tcp",
				PortRange: "22",
				Sources:   &godo.Sources{Addresses: []string{"203.0.113.0/24"}},
			},
			{
				Protocol: "icmp",
				Sources:  &godo.Sources{Tags: []string{"Friends"}},
			},
		},

		OutboundRules: []godo.OutboundRule{{
			Protocol:     "tcp",
			PortRange:    "all",
			Destinations: &godo.Destinations{Addresses: []string{"0.0.0.0/0", "::/0"}},
		}},
	}
}

// firewall creates one and waits until it is in force.
func (w *world) firewall(ask *godo.FirewallRequest) *godo.Firewall {
	w.t.Helper()
	made, _, err := w.Firewalls.Create(w.t.Context(), ask)
	require.NoError(w.t, err)

	return w.succeeded(made.ID)
}

func TestFirewallComesIntoForce(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	web := w.create(request("web"))

	made, answer, err := w.Firewalls.Create(ctx, wall(web.ID))
	require.NoError(t, err)
	require.Equal(t, 202, answer.StatusCode)
	require.Equal(t, "waiting", made.Status)

	pending := []godo.PendingChange{{
		DropletID: web.ID,
		Status:    "waiting",
	}}
	require.Equal(t, pending, made.PendingChanges)

	firewall := w.succeeded(made.ID)
	require.Empty(t, firewall.PendingChanges)
	require.Equal(t, "22", firewall.InboundRules[0].PortRange)
	require.Equal(t, "0", firewall.InboundRules[1].PortRange, "icmp's ports come back as 0")
	require.Equal(t, "0", firewall.OutboundRules[0].PortRange, "all comes back as 0")

	require.Len(t, w.firewalls(), 1)
	inbound := w.firewalls()[0].Inbound

	ssh := api.FirewallRule{
		Protocol: "tcp",
		First:    22,
		Last:     22,
		Peers:    []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
	}
	require.Equal(t, ssh, inbound[0])
	require.Empty(t, inbound[1].Peers, "nobody has the tag")

	replaced, answer, err := w.Firewalls.Update(ctx, made.ID, &godo.FirewallRequest{
		Name:         "wall",
		InboundRules: wall(web.ID).InboundRules[:1],
	})
	require.NoError(t, err)
	require.Equal(t, 200, answer.StatusCode)
	require.Empty(t, replaced.Tags, "what is left out is gone")
	w.eventually("nothing is guarded", func() bool {
		return len(w.firewalls()) == 0
	})

	_, err = w.Firewalls.Delete(ctx, made.ID)
	require.NoError(t, err)

	_, err = w.Firewalls.Delete(ctx, made.ID)
	refused(t, err, 404, "could not be found")
}

func TestFirewallFollowsTags(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	web := w.create(request("web"))
	db := w.create(request("db"))
	made := w.firewall(wall(web.ID))

	w.tag("guarded", db.ID)
	w.eventually("a Droplet tagged later comes in", func() bool {
		return len(w.firewalls()) == 2
	})

	listed, _, err := w.Firewalls.ListByDroplet(ctx, db.ID, nil)
	require.NoError(t, err)
	require.Equal(t, made.ID, listed[0].ID)

	friend := request("friend")
	friend.Tags = []string{"friends"}
	w.create(friend)
	w.eventually("a source's tag is followed", func() bool {
		return len(w.firewalls()[0].Inbound[1].Peers) == 2
	})

	w.untag("guarded", db.ID)
	w.eventually("one untagged leaves", func() bool {
		return len(w.firewalls()) == 1
	})
}

func TestSeveralFirewallsOfADroplet(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	web := w.create(request("web"))
	db := w.create(request("db"))
	w.firewall(wall(web.ID))

	second := w.firewall(&godo.FirewallRequest{
		Name:       "more",
		DropletIDs: []int{web.ID},
		InboundRules: []godo.InboundRule{{
			Protocol:  "udp",
			PortRange: "8000-9000",
			Sources:   &godo.Sources{DropletIDs: []int{db.ID}},
		}},
	})
	require.Len(t, w.firewalls()[0].Inbound, 3, "the union of both")

	_, err := w.Firewalls.RemoveDroplets(ctx, second.ID, web.ID)
	require.NoError(t, err)
	w.eventually("one off again", func() bool {
		return len(w.firewalls()[0].Inbound) == 2
	})

	rules := &godo.FirewallRulesRequest{OutboundRules: wall(web.ID).OutboundRules}

	_, err = w.Firewalls.AddRules(ctx, second.ID, rules)
	require.NoError(t, err)

	_, err = w.Firewalls.RemoveRules(ctx, second.ID, rules)
	require.NoError(t, err)
	require.Empty(t, w.succeeded(second.ID).OutboundRules)
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
		_, _, err := w.Firewalls.Create(t.Context(), ask)
		refused(t, err, 422, why)
		require.Empty(t, w.store.View().Firewalls)
	}
}
