// Package randomcall owns the requests that tests of the lab make at random: over what is there, and now and
// then over what is not. It does not know who sends them, nor what must come of it.
package randomcall

import (
	"fmt"
	"math/rand/v2"

	"github.com/hornero/hornero/lab/state"
)

// Call is a request.
type Call struct{ Method, Path, Body string }

// Next is one request that a client might make. From the given number of Droplets on it makes no more of them,
// nearly: several clients do not wait for each other.
func Next(dice *rand.Rand, d *state.Document, droplets int) Call {
	calls := randomCalls(&guesses{dice, d}, droplets)
	call := calls[dice.IntN(len(calls))]
	return Call{call[0], call[1], call[2]}
}

// guesses picks names and numbers.
type guesses struct {
	*rand.Rand
	d *state.Document
}

func pick[T any](g *guesses, all []T) (one T, some bool) {
	if len(all) == 0 || g.IntN(20) == 0 {
		return one, false
	}

	return all[g.IntN(len(all))], true
}

func (g *guesses) droplet() int {
	if droplet, some := pick(g, g.d.Droplets); some {
		return droplet.ID
	}

	return 1
}

func (g *guesses) image() int {
	if image, some := pick(g, g.d.Images); some {
		return image.ID
	}

	return 2
}

func (g *guesses) balancer() string {
	if balancer, some := pick(g, g.d.LoadBalancers); some {
		return balancer.ID
	}

	return "none"
}

func (g *guesses) vpc() string {
	if vpc, some := pick(g, g.d.VPCs); some {
		return vpc.ID
	}

	return "none"
}

func (g *guesses) key() int {
	if key, some := pick(g, g.d.Keys); some {
		return key.ID
	}

	return 3
}

func (g *guesses) reserved() string {
	if reserved, some := pick(g, g.d.ReservedIPs); some {
		return reserved.Address.String()
	}

	return "198.51.100.1"
}

func (g *guesses) volume() string {
	if volume, some := pick(g, g.d.Volumes); some {
		return volume.ID
	}

	return "none"
}

func (g *guesses) firewall() string {
	if firewall, some := pick(g, g.d.Firewalls); some {
		return firewall.ID
	}

	return "none"
}

func (g *guesses) one(of ...string) string {
	return of[g.IntN(len(of))]
}

func (g *guesses) tag() string {
	return g.one("web", "db", "Web", "other")
}

func (g *guesses) region() string {
	return g.one("fra1", "nyc3", "fra1", "mars1")
}

// randomCalls are the kinds of calls, each with a guess filled in. What is listed twice is called twice as often.
func randomCalls(g *guesses, droplets int) [][3]string {
	rule := `{"entry_protocol":"http","entry_port":80,"target_protocol":"http","target_port":80}`
	calls := [][3]string{
		{"GET", "/v2/droplets?per_page=5", ""},
		{
			"GET",
			fmt.Sprintf("/v2/droplets/%d", g.droplet()),
			"",
		},
		{
			"GET",
			fmt.Sprintf("/v2/droplets/%d/actions", g.droplet()),
			"",
		},
		{
			"GET",
			fmt.Sprintf("/v2/droplets/%d/snapshots", g.droplet()),
			"",
		},
		{"GET", "/v2/tags", ""},
		{"GET", "/v2/images?private=true", ""},
		{
			"DELETE",
			fmt.Sprintf("/v2/droplets/%d", g.droplet()),
			"",
		},
		{
			"DELETE",
			"/v2/droplets?tag_name=" + g.one("other", "nothing"),
			"",
		},
		{
			"POST",
			"/v2/tags",
			fmt.Sprintf(`{"name":%q}`, g.tag()),
		},
		{"DELETE", "/v2/tags/" + g.tag(), ""},
		{
			"POST",
			"/v2/tags/" + g.tag() + "/resources",
			fmt.Sprintf(
				`{"resources":[{"resource_id":"%d","resource_type":"droplet"}]}`,
				g.droplet(),
			),
		},
		{
			"DELETE",
			"/v2/tags/" + g.tag() + "/resources",
			fmt.Sprintf(`{"resources":[{"resource_id":"%d","resource_type":"image"}]}`, g.image()),
		},
		{
			"POST",
			fmt.Sprintf("/v2/images/%d/actions", g.image()),
			fmt.Sprintf(`{"type":"transfer","region":%q}`, g.region()),
		},
		{
			"PUT",
			fmt.Sprintf("/v2/images/%d", g.image()),
			`{"name":"renamed"}`,
		},
		{
			"DELETE",
			fmt.Sprintf("/v2/images/%d", g.image()),
			"",
		},
		{
			"DELETE",
			fmt.Sprintf("/v2/snapshots/%d", g.image()),
			"",
		},
		{
			"POST",
			"/v2/images",
			fmt.Sprintf(
				`{"name":"own","region":%q,"url":"http://127.0.0.1:9/none.raw"}`,
				g.region(),
			),
		},
		{
			"POST",
			"/v2/vpcs",
			fmt.Sprintf(`{"name":"net-%d","region":%q}`, g.IntN(6), g.region()),
		},
		{"DELETE", "/v2/vpcs/" + g.vpc(), ""},
		{"GET", "/v2/vpcs/" + g.vpc() + "/members", ""},
		{
			"POST",
			"/v2/load_balancers",
			fmt.Sprintf(
				`{"name":"lb-%d","region":%q,"tag":%q,"forwarding_rules":[%s]}`,
				g.IntN(5),
				g.region(),
				g.tag(),
				rule,
			),
		},
		{
			"POST",
			"/v2/load_balancers",
			fmt.Sprintf(
				`{"name":"inner","region":%q,"tag":%q,"network":"INTERNAL","forwarding_rules":[%s]}`,
				g.region(),
				g.tag(),
				rule,
			),
		},
		{
			"POST",
			"/v2/load_balancers",
			fmt.Sprintf(
				`{"name":"inner","region":%q,"tag":%q,"network":"INTERNAL","forwarding_rules":[%s]}`,
				g.region(),
				g.tag(),
				rule,
			),
		},
		{
			"PUT",
			"/v2/load_balancers/" + g.balancer(),
			fmt.Sprintf(
				`{"name":"lb","region":%q,"tag":%q,"forwarding_rules":[%s]}`,
				g.region(),
				g.tag(),
				rule,
			),
		},
		{
			"POST",
			"/v2/load_balancers/" + g.balancer() + "/droplets",
			fmt.Sprintf(`{"droplet_ids":[%d]}`, g.droplet()),
		},
		{
			"DELETE",
			"/v2/load_balancers/" + g.balancer(),
			"",
		},
		{
			"POST",
			"/v2/account/keys",
			fmt.Sprintf(
				`{"name":"k","public_key":%q}`,
				"ssh-ed25519 "+
					g.one(
						"AAAAC3NzaC1lZDI1NTE5AAAAIHqzM0kxTAnBDHX5lCXmYMlQpyFLwBJVeKwBYhLXeEuS",
						"rubbish",
					),
			),
		},
		{
			"DELETE",
			fmt.Sprintf("/v2/account/keys/%d", g.key()),
			"",
		},
		{
			"POST",
			"/v2/reserved_ips",
			fmt.Sprintf(`{"region":%q}`, g.region()),
		},
		{
			"POST",
			"/v2/reserved_ips",
			fmt.Sprintf(`{"droplet_id":%d}`, g.droplet()),
		},
		{
			"POST",
			"/v2/reserved_ips/" + g.reserved() + "/actions",
			fmt.Sprintf(
				`{"type":%q,"droplet_id":%d}`,
				g.one("assign", "assign", "unassign"),
				g.droplet(),
			),
		},
		{
			"POST",
			"/v2/floating_ips/" + g.reserved() + "/actions",
			fmt.Sprintf(`{"type":"assign","droplet_id":%d}`, g.droplet()),
		},
		{"DELETE", "/v2/reserved_ips/" + g.reserved(), ""},
		{
			"POST",
			"/v2/volumes",
			fmt.Sprintf(
				`{"name":"v%d","region":%q,"size_gigabytes":%d}`,
				g.IntN(5),
				g.region(),
				g.IntN(3),
			),
		},
		{
			"POST",
			"/v2/volumes/" + g.volume() + "/actions",
			fmt.Sprintf(
				`{"type":%q,"droplet_id":%d,"size_gigabytes":9}`,
				g.one("attach", "attach", "detach", "resize"),
				g.droplet(),
			),
		},
		{
			"POST",
			"/v2/volumes/" + g.volume() + "/snapshots",
			`{"name":"kept","tags":["web"]}`,
		},
		{"DELETE", "/v2/volumes/" + g.volume(), ""},
		{
			"POST",
			"/v2/domains",
			fmt.Sprintf(`{"name":"%s.example"}`, g.tag()),
		},
		{
			"POST",
			"/v2/projects",
			fmt.Sprintf(`{"name":"p%d","purpose":"x"}`, g.IntN(4)),
		},
		{
			"POST",
			"/v2/projects/default/resources",
			fmt.Sprintf(`{"resources":["do:droplet:%d"]}`, g.droplet()),
		},
		{
			"POST",
			fmt.Sprintf("/lab/v1/droplets/%d/kill", g.droplet()),
			"",
		},
		{
			"POST",
			"/lab/v1/faults",
			fmt.Sprintf(
				`{"kind":%q,"groups":[[%d]],"for":"20ms"}`,
				g.one("freeze", "cut", "oneway"),
				g.droplet(),
			),
		},
		{"DELETE", "/lab/v1/faults", ""},
		{
			"POST",
			"/v2/firewalls",
			fmt.Sprintf(
				`{"name":"f%d","tags":[%q],"inbound_rules":[{"protocol":"tcp","ports":"80","sources":{"tags":[%q]}}]}`,
				g.IntN(4),
				g.tag(),
				g.tag(),
			),
		},
		{"DELETE", "/v2/firewalls/" + g.firewall(), ""},
		{
			"POST",
			"/v2/firewalls/" + g.firewall() + "/droplets",
			fmt.Sprintf(`{"droplet_ids":[%d]}`, g.droplet()),
		},
	}

	for _, kind := range []string{
		"power_off", "power_on", "shutdown", "reboot", "power_cycle", "rename", "snapshot",
		"snapshot", "resize", "rebuild", "enable_ipv6",
	} {
		calls = append(calls, [3]string{"POST", fmt.Sprintf("/v2/droplets/%d/actions", g.droplet()),
			fmt.Sprintf(
				`{"type":%q,"name":"named","size":"s-1vcpu-2gb","image":%d}`,
				kind,
				g.image(),
			)})
	}

	if len(g.d.Droplets) < droplets {
		for range 8 {
			calls = append(calls, [3]string{"POST", "/v2/droplets", fmt.Sprintf(`{"name":"d-%d","region":%q,"size":%q,"image":%s,"tags":[%q],"ipv6":%t,"public_networking":%t}`,
				g.IntN(9), g.region(), g.one(
					"s-1vcpu-1gb",
					"s-1vcpu-2gb",
					"huge",
				), g.one(
					`"debian-13-x64"`,
					fmt.Sprint(g.image()),
				), g.tag(), g.IntN(3) == 0, g.IntN(5) > 0)})
		}
	}

	return calls
}
