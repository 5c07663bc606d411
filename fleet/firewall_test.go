package fleet_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/stack"
)

// firewalls are all of the account, by name.
func (w *world) firewalls() map[string]godo.Firewall {
	all, err := do.Firewalls(w.t.Context(), w.config.Client)
	require.NoError(w.t, err)

	named := map[string]godo.Firewall{}
	for _, firewall := range all {
		named[firewall.Name] = firewall
	}

	return named
}

// lets is what a firewall lets in, a line each port.
func (w *world) lets(name string) []string {
	firewall, there := w.firewalls()[name]
	require.True(w.t, there, name)

	balancers, err := do.LoadBalancers(w.t.Context(), w.config.Client)
	require.NoError(w.t, err)

	var lines []string

	for _, rule := range firewall.InboundRules {
		ends := slices.Concat(rule.Sources.Addresses, rule.Sources.Tags)

		for _, balancer := range balancers {
			if slices.Contains(rule.Sources.LoadBalancerUIDs, balancer.ID) {
				ends = append(ends, balancer.Name)
			}
		}

		lines = append(lines, rule.Protocol+" "+rule.PortRange+" from "+strings.Join(ends, ", "))
	}

	return lines
}

// changeFirewall changes one behind the fleet's back.
func (w *world) changeFirewall(name string, change func(*godo.FirewallRequest)) {
	is := w.firewalls()[name]
	request := &godo.FirewallRequest{
		Name:          is.Name,
		InboundRules:  is.InboundRules,
		OutboundRules: is.OutboundRules,
		DropletIDs:    is.DropletIDs,
		Tags:          is.Tags,
	}
	change(request)

	_, _, err := w.config.Client.Firewalls.Update(w.t.Context(), is.ID, request)
	require.NoError(w.t, err)
}

// createFirewall makes one that has nothing to do with the fleet.
func (w *world) createFirewall(name string, tags ...string) string {
	firewall, _, err := w.config.Client.Firewalls.Create(w.t.Context(), &godo.FirewallRequest{
		Name:         name,
		Tags:         tags,
		InboundRules: []godo.InboundRule{openTo("8080", "0.0.0.0/0")},
	})
	require.NoError(w.t, err)

	return firewall.ID
}

func openTo(port string, addresses ...string) godo.InboundRule {
	return godo.InboundRule{
		Protocol:  "tcp",
		PortRange: port,
		Sources:   &godo.Sources{Addresses: addresses},
	}
}

// warnings are those of the plan.
func (w *world) warnings() []string {
	plan, err := fleet.ReadPlan(w.t.Context(), w.config)
	require.NoError(w.t, err)

	return plan.Warnings
}

// What the built-in roles need of each other, and nothing else.
func TestEachRoleHasAFirewall(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, text+"operator_addresses: [203.0.113.7, '2001:db8::/48']\n", nil)

	// Not one Droplet is ever there without.
	w.created = func(api.Machine) { assert.Len(t, w.firewalls(), 3) }
	require.NoError(t, w.up())

	const (
		ping    = "icmp 0 from hornero:blog"
		ssh     = "tcp 22 from 2001:db8::/48, 203.0.113.7"
		agent   = "tcp 9201 from hornero:blog"
		peers   = "tcp 9202 from hornero:blog"
		metrics = "tcp 9203 from hornero:blog"
	)

	require.Equal(t, []string{
		ping,
		ssh,
		"tcp 3306 from hornero:blog:role:db, hornero:blog:role:proxy",
		"tcp 4444 from hornero:blog:role:db",
		"tcp 4567 from hornero:blog:role:db",
		"tcp 4568 from hornero:blog:role:db",
		"tcp 9200 from hornero:blog",
		agent,
		peers,
		metrics,
	}, w.lets("hornero-blog-db"))
	require.Equal(t, []string{
		ping,
		ssh,
		"tcp 3306 from hornero:blog:role:web",
		"tcp 3307 from hornero:blog:role:web",
		"tcp 9200 from hornero:blog",
		agent,
		peers,
		metrics,
	}, w.lets("hornero-blog-proxy"))
	require.Equal(t, []string{
		ping,
		ssh,
		"tcp 80 from hornero:blog:role:proxy, hornero-blog",
		"tcp 8082 from hornero:blog:role:web",
		"tcp 8083 from hornero-blog", // with the PROXY protocol
		"tcp 9200 from hornero:blog, hornero-blog",
		agent,
		metrics,
		"tcp 9210 from hornero:blog:role:web",
	}, w.lets("hornero-blog-web"))

	for name, firewall := range w.firewalls() {
		role := strings.TrimPrefix(name, "hornero-blog-")
		require.Equal(
			t,
			[]string{"hornero:blog:role:" + role},
			firewall.Tags,
		)
		require.Empty(t, firewall.DropletIDs)
		require.Len(t, firewall.OutboundRules, 3)
	}

	require.Empty(t, w.plan())
	require.Empty(t, about(w.warnings(), "port 22 "))
	require.Empty(t, about(w.warnings(), "firewall "))

	said := w.hear()
	require.NoError(t, w.up())
	require.NotContains(
		t,
		said(),
		"firewall",
		"the second up changes nothing",
	)
}

// A stack that was launched by an earlier version gets its firewalls while it runs.
func TestUpGivesARunningStackItsFirewalls(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	require.NoError(t, w.up())

	before := w.names()
	for _, firewall := range w.firewalls() {
		_, err := w.config.Client.Firewalls.Delete(t.Context(), firewall.ID)
		require.NoError(t, err)
	}

	require.Equal(t, []string{
		"create firewall hornero-blog-db: it is not there",
		"create firewall hornero-blog-proxy: it is not there",
		"create firewall hornero-blog-web: it is not there",
	}, w.plan())

	require.NoError(t, w.up())
	require.Empty(t, w.plan())
	require.Equal(t, before, w.names())
}

func TestWithoutOperatorAddressesEverybodyMayTryToLogIn(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	require.NoError(t, w.up())
	require.Contains(
		t,
		w.lets("hornero-blog-web"),
		"tcp 22 from 0.0.0.0/0, ::/0",
	)

	require.Empty(t, w.plan(), "a warning is no difference")
	require.Len(t, about(w.warnings(), "port 22 "), 1)
	require.Contains(
		t,
		about(w.warnings(), "port 22 ")[0],
		"port 22 of every node is open to everybody; ",
	)

	w.config.Stack.OperatorAddresses = []string{"203.0.113.0/24"}
	require.Contains(
		t,
		w.plan(),
		"change firewall hornero-blog-web: port 22 from 0.0.0.0/0, ::/0 -> 203.0.113.0/24",
	)
	require.NoError(t, w.up())
	require.Contains(
		t,
		w.lets("hornero-blog-web"),
		"tcp 22 from 203.0.113.0/24",
	)
	require.Empty(t, w.plan())
}

// What is changed by hand is named, and up mends it.
func TestThePlanShowsWhatWasChangedOfAFirewall(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	require.NoError(t, w.up())

	web := func(change func(*godo.FirewallRequest)) func() {
		return func() {
			w.changeFirewall("hornero-blog-web", change)
		}
	}

	const line = "change firewall hornero-blog-web: "

	for _, c := range []struct {
		what string
		do   func()
		want []string
	}{
		{
			what: "it is deleted",
			do: func() {
				id := w.firewalls()["hornero-blog-web"].ID
				_, err := w.config.Client.Firewalls.Delete(t.Context(), id)
				require.NoError(t, err)
			},
			want: []string{"create firewall hornero-blog-web: it is not there"},
		},
		{
			what: "a rule is added",
			do: web(func(request *godo.FirewallRequest) {
				request.InboundRules = append(request.InboundRules, openTo("8000-9000", "0.0.0.0/0"))
			}),
			want: []string{line + "port 8000-9000 from 0.0.0.0/0 -> nobody"},
		},
		{
			what: "a port is opened to more",
			do: web(func(request *godo.FirewallRequest) {
				request.InboundRules = append(request.InboundRules, openTo("80", "198.51.100.0/24"))
			}),
			want: []string{line + "port 80 from 198.51.100.0/24, load balancer hornero-blog, tag " +
				"hornero:blog:role:proxy -> load balancer hornero-blog, tag hornero:blog:role:proxy"},
		},
		{
			what: "all is opened",
			do: web(func(request *godo.FirewallRequest) {
				request.InboundRules = append(request.InboundRules, openTo("all", "0.0.0.0/0"))
			}),
			want: []string{line + "all tcp from 0.0.0.0/0 -> nobody"},
		},
		{
			what: "rules are removed",
			do: web(func(request *godo.FirewallRequest) {
				gone := func(rule godo.InboundRule) bool {
					return rule.PortRange == "80" || rule.PortRange == "9201"
				}
				request.InboundRules = slices.DeleteFunc(request.InboundRules, gone)
			}),
			want: []string{line + "port 80 from nobody -> load balancer hornero-blog, tag hornero:blog:role:proxy; " +
				"port 9201 from nobody -> tag hornero:blog"},
		},
		{
			what: "nothing goes out",
			do: web(func(request *godo.FirewallRequest) {
				request.OutboundRules = nil
			}),
			want: []string{line + "outbound all tcp to nobody -> 0.0.0.0/0, ::/0; outbound all udp to nobody -> " +
				"0.0.0.0/0, ::/0; outbound icmp to nobody -> 0.0.0.0/0, ::/0"},
		},
		{
			what: "its tag is removed",
			do: web(func(request *godo.FirewallRequest) {
				request.Tags = nil
			}),
			want: []string{line + "target none -> hornero:blog:role:web"},
		},
		{
			what: "other tags, and a Droplet",
			do: web(func(request *godo.FirewallRequest) {
				request.Tags = []string{"mine", "hornero:blog:role:db"}
				request.DropletIDs = []int{w.droplet("proxy-1").ID}
			}),
			want: []string{fmt.Sprintf(
				"%starget hornero:blog:role:db, mine, Droplet %d -> hornero:blog:role:web",
				line,
				w.droplet("proxy-1").ID,
			)},
		},
		{
			what: "its name",
			do: web(func(request *godo.FirewallRequest) {
				request.Name = "mine"
			}),
			want: []string{"create firewall hornero-blog-web: it is not there"},
		},
		{
			what: "the load balancer is deleted",
			do:   w.deleteBalancer,
			want: []string{
				"create load balancer hornero-blog: it is not there",
				line + "port 80 from load balancer ",
			},
		},
	} {
		c.do()

		lines := w.plan()
		require.Len(t, lines, len(c.want), "%s: %q", c.what, lines)

		for i, want := range c.want {
			require.Contains(t, lines[i], want, c.what)
		}

		require.NoError(t, w.up(), c.what)
		require.Empty(t, w.plan(), c.what)
	}
}

// A firewall of somebody else's on our Droplets opens what ours close.
func TestAFirewallOfSomebodyElseIsToldAndLeftAlone(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, text+"operator_addresses: [203.0.113.7]\n", nil)
	require.NoError(t, w.up())

	by := w.createFirewall("watch", "hornero:blog:node:db-2", "hornero:blog:role:web")
	w.createFirewall("elsewhere", "mine")
	want := "firewall watch (" + by + ") is not the stack's and covers db-2, web-1, web-2: "

	require.Empty(t, w.plan())
	require.Len(t, about(w.warnings(), "firewall "), 1)
	require.Contains(t, about(w.warnings(), "firewall ")[0], want)

	before := w.firewalls()
	said := w.hear()
	require.NoError(t, w.up())
	require.Contains(t, said(), want)
	require.Equal(
		t,
		before["watch"].InboundRules,
		w.firewalls()["watch"].InboundRules,
	)

	require.NoError(t, w.fleet().Destroy(t.Context()))
	require.Len(t, w.firewalls(), 2)
}

// A role's firewall goes after the last of its nodes, and others' rules name it no longer.
func TestTheFirewallOfARoleThatIsGoneIsDeleted(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	require.NoError(t, w.up())

	own := strings.Replace(withBalancers(text, ""), "  - {name: web, role: web, count: 2}\n", "", 1)
	w.config.Stack = w.parse(own, w.config.Manifests)

	w.config.Confirm = func(context.Context, []fleet.Removal) error { return nil }

	// While its nodes run they are behind it, and are served.
	for _, line := range w.plan() {
		require.NotContains(t, line, "firewall hornero-blog-proxy")
		require.NotContains(t, line, "remove firewall")
	}

	require.NoError(t, w.up())
	require.NotContains(t, w.firewalls(), "hornero-blog-web")
	require.NotContains(
		t,
		w.lets("hornero-blog-proxy"),
		"tcp 3306 from hornero:blog:role:web",
	)

	for _, line := range w.plan() {
		require.NotContains(t, line, "firewall")
	}

	w.createFirewall("hornero-blog-once", "hornero:blog:role:once")
	require.Contains(t, w.plan(),
		"remove firewall hornero-blog-once: neither stack.yaml nor a node has its role any more")
	require.NoError(t, w.up())
	require.NotContains(t, w.firewalls(), "hornero-blog-once")
}

func TestDestroyRemovesTheFirewallsOfTheStackAndNoOther(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	require.NoError(t, w.up())

	w.createFirewall("hornero-blog-once", "hornero:blog:role:once") // of a role that the stack had
	w.createFirewall("hornero-blog-2-web", "hornero:blog-2:role:web")
	w.createFirewall("mine", "hornero:blog:role:web")

	require.NoError(t, w.fleet().Destroy(t.Context()))
	require.Len(t, w.firewalls(), 2)
	require.Contains(t, w.firewalls(), "hornero-blog-2-web")
	require.Contains(t, w.firewalls(), "mine")
}

// Role web of stack blog, and role b of stack blog-we: their names may meet.
func TestTheFirewallOfAnotherStackIsNotTaken(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.createFirewall("hornero-blog-web", "hornero:blog-we:role:b")

	err := w.up()
	require.ErrorIs(t, err, fleet.ErrFirewallTaken)
	require.ErrorContains(t, err, "hornero-blog-web")
	require.Empty(t, w.names(), "before a Droplet is launched")

	require.NoError(t, w.fleet().Destroy(t.Context()))
	require.Contains(t, w.firewalls(), "hornero-blog-web")
}

func TestTheReservedIPIsOpenToEverybody(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	require.NoError(t, w.up())
	require.NotContains(
		t,
		w.lets("hornero-blog-proxy"),
		"tcp 443 from 0.0.0.0/0, ::/0",
	)

	w.config.Stack.ReservedIP = &stack.ReservedIP{Nodes: "proxy", Address: "198.51.100.250"}
	require.Contains(t, w.plan(), "change firewall hornero-blog-proxy: port 443 from nobody -> 0.0.0.0/0, ::/0; "+
		"port 80 from nobody -> 0.0.0.0/0, ::/0")
}
