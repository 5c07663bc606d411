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
	calls := randomCalls(&guesses{Rand: dice, d: d}, droplets)
	return calls[dice.IntN(len(calls))]
}

// guesses picks names and numbers.
type guesses struct {
	*rand.Rand
	d *state.Document
}

func pick[T any](g *guesses, all []T) (one T, some bool) {
	// one guess in twenty names what is not there: refusals are tested as well
	if len(all) == 0 || g.IntN(20) == 0 {
		return one, false
	}

	return all[g.IntN(len(all))], true
}

func (g *guesses) droplet() int {
	// ids begin high above this one, so that it is never a Droplet's
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
	// Front and front are one tag: its case does not matter
	return g.one("front", "back", "Front", "other")
}

func (g *guesses) region() string {
	// mars1 is no region; one that is named twice is tried more often
	return g.one("fra1", "nyc3", "fra1", "mars1")
}

// randomCalls are the kinds of calls, each with guesses filled in. A kind that is listed twice is called twice as
// often.
func randomCalls(g *guesses, droplets int) []Call {
	rule := `{"entry_protocol":"http","entry_port":80,"target_protocol":"http","target_port":80}`
	calls := []Call{
		{
			Method: "GET",
			Path:   "/v2/droplets?per_page=5",
		},
		{
			Method: "GET",
			Path:   fmt.Sprintf("/v2/droplets/%d", g.droplet()),
		},
		{
			Method: "GET",
			Path:   fmt.Sprintf("/v2/droplets/%d/actions", g.droplet()),
		},
		{
			Method: "GET",
			Path:   fmt.Sprintf("/v2/droplets/%d/snapshots", g.droplet()),
		},

		{
			Method: "GET",
			Path:   "/v2/tags",
		},

		{
			Method: "GET",
			Path:   "/v2/images?private=true",
		},

		{
			Method: "DELETE",
			Path:   fmt.Sprintf("/v2/droplets/%d", g.droplet()),
		},
		{
			Method: "DELETE",
			Path:   "/v2/droplets?tag_name=" + g.one("other", "nothing"),
		},

		{
			Method: "POST",
			Path:   "/v2/tags",
			Body:   fmt.Sprintf(`{"name":%q}`, g.tag()),
		},
		{
			Method: "DELETE",
			Path:   "/v2/tags/" + g.tag(),
		},
		{
			Method: "POST",
			Path:   "/v2/tags/" + g.tag() + "/resources",
			Body: fmt.Sprintf(
				`{"resources":[{"resource_id":"%d","resource_type":"droplet"}]}`,
				g.droplet(),
			),
		},
		{
			Method: "DELETE",
			Path:   "/v2/tags/" + g.tag() + "/resources",
			Body:   fmt.Sprintf(`{"resources":[{"resource_id":"%d","resource_type":"image"}]}`, g.image()),
		},

		{
			Method: "POST",
			Path:   fmt.Sprintf("/v2/images/%d/actions", g.image()),
			Body:   fmt.Sprintf(`{"type":"transfer","region":%q}`, g.region()),
		},
		{
			Method: "PUT",
			Path:   fmt.Sprintf("/v2/images/%d", g.image()),
			Body:   `{"name":"renamed"}`,
		},
		{
			Method: "DELETE",
			Path:   fmt.Sprintf("/v2/images/%d", g.image()),
		},

		{
			Method: "DELETE",
			Path:   fmt.Sprintf("/v2/snapshots/%d", g.image()),
		},

		{
			Method: "POST",
			Path:   "/v2/images",
			Body: fmt.Sprintf(
				`{"name":"own","region":%q,"url":"http://127.0.0.1:9/none.raw"}`,
				g.region(),
			),
		},

		{
			Method: "POST",
			Path:   "/v2/vpcs",
			Body:   fmt.Sprintf(`{"name":"net-%d","region":%q}`, g.IntN(6), g.region()),
		},
		{
			Method: "DELETE",
			Path:   "/v2/vpcs/" + g.vpc(),
		},
		{
			Method: "GET",
			Path:   "/v2/vpcs/" + g.vpc() + "/members",
		},

		{
			Method: "POST",
			Path:   "/v2/load_balancers",
			Body: fmt.Sprintf(
				`{"name":"lb-%d","region":%q,"tag":%q,"forwarding_rules":[%s]}`,
				g.IntN(5),
				g.region(),
				g.tag(),
				rule,
			),
		},
		{
			Method: "POST",
			Path:   "/v2/load_balancers",
			Body: fmt.Sprintf(
				`{"name":"inner","region":%q,"tag":%q,"network":"INTERNAL","forwarding_rules":[%s]}`,
				g.region(),
				g.tag(),
				rule,
			),
		},
		{
			Method: "POST",
			Path:   "/v2/load_balancers",
			Body: fmt.Sprintf(
				`{"name":"inner","region":%q,"tag":%q,"network":"INTERNAL","forwarding_rules":[%s]}`,
				g.region(),
				g.tag(),
				rule,
			),
		},
		{
			Method: "PUT",
			Path:   "/v2/load_balancers/" + g.balancer(),
			Body: fmt.Sprintf(
				`{"name":"lb","region":%q,"tag":%q,"forwarding_rules":[%s]}`,
				g.region(),
				g.tag(),
				rule,
			),
		},
		{
			Method: "POST",
			Path:   "/v2/load_balancers/" + g.balancer() + "/droplets",
			Body:   fmt.Sprintf(`{"droplet_ids":[%d]}`, g.droplet()),
		},
		{
			Method: "DELETE",
			Path:   "/v2/load_balancers/" + g.balancer(),
		},

		{
			Method: "POST",
			Path:   "/v2/account/keys",
			Body: fmt.Sprintf(
				`{"name":"k","public_key":%q}`,
				"ssh-ed25519 "+
					g.one(
						"AAAAC3NzaC1lZDI1NTE5AAAAIHqzM0kxTAnBDHX5lCXmYMlQpyFLwBJVeKwBYhLXeEuS",
						"rubbish",
					),
			),
		},
		{
			Method: "DELETE",
			Path:   fmt.Sprintf("/v2/account/keys/%d", g.key()),
		},

		{
			Method: "POST",
			Path:   "/v2/reserved_ips",
			Body:   fmt.Sprintf(`{"region":%q}`, g.region()),
		},
		{
			Method: "POST",
			Path:   "/v2/reserved_ips",
			Body:   fmt.Sprintf(`{"droplet_id":%d}`, g.droplet()),
		},
		{
			Method: "POST",
			Path:   "/v2/reserved_ips/" + g.reserved() + "/actions",
			Body: fmt.Sprintf(
				`{"type":%q,"droplet_id":%d}`,
				g.one("assign", "assign", "unassign"),
				g.droplet(),
			),
		},

		{
			Method: "POST",
			Path:   "/v2/floating_ips/" + g.reserved() + "/actions",
			Body:   fmt.Sprintf(`{"type":"assign","droplet_id":%d}`, g.droplet()),
		},

		{
			Method: "DELETE",
			Path:   "/v2/reserved_ips/" + g.reserved(),
		},

		{
			Method: "POST",
			Path:   "/v2/volumes",
			Body: fmt.Sprintf(
				`{"name":"v%d","region":%q,"size_gigabytes":%d}`,
				g.IntN(5),
				g.region(),
				g.IntN(3),
			),
		},
		{
			Method: "POST",
			Path:   "/v2/volumes/" + g.volume() + "/actions",
			Body: fmt.Sprintf(
				`{"type":%q,"droplet_id":%d,"size_gigabytes":9}`,
				g.one("attach", "attach", "detach", "resize"),
				g.droplet(),
			),
		},
		{
			Method: "POST",
			Path:   "/v2/volumes/" + g.volume() + "/snapshots",
			Body:   `{"name":"kept","tags":["web"]}`,
		},
		{
			Method: "DELETE",
			Path:   "/v2/volumes/" + g.volume(),
		},

		{
			Method: "POST",
			Path:   "/v2/domains",
			Body:   fmt.Sprintf(`{"name":"%s.example"}`, g.tag()),
		},

		{
			Method: "POST",
			Path:   "/v2/projects",
			Body:   fmt.Sprintf(`{"name":"p%d","purpose":"x"}`, g.IntN(4)),
		},
		{
			Method: "POST",
			Path:   "/v2/projects/default/resources",
			Body:   fmt.Sprintf(`{"resources":["do:droplet:%d"]}`, g.droplet()),
		},

		{
			Method: "POST",
			Path:   fmt.Sprintf("/lab/v1/droplets/%d/kill", g.droplet()),
		},

		{
			Method: "POST",
			Path:   "/lab/v1/faults",
			Body: fmt.Sprintf(
				`{"kind":%q,"groups":[[%d]],"for":"20ms"}`,
				g.one("freeze", "cut", "oneway"),
				g.droplet(),
			),
		},
		{
			Method: "DELETE",
			Path:   "/lab/v1/faults",
		},

		{
			Method: "POST",
			Path:   "/v2/firewalls",
			Body: fmt.Sprintf(
				`{"name":"f%d","tags":[%q],"inbound_rules":[{"protocol":"tcp","ports":"80","sources":{"tags":[%q]}}]}`,
				g.IntN(4),
				g.tag(),
				g.tag(),
			),
		},
		{
			Method: "DELETE",
			Path:   "/v2/firewalls/" + g.firewall(),
		},
		{
			Method: "POST",
			Path:   "/v2/firewalls/" + g.firewall() + "/droplets",
			Body:   fmt.Sprintf(`{"droplet_ids":[%d]}`, g.droplet()),
		},
	}

	calls = append(calls, dropletActions(g)...)

	if len(g.d.Droplets) < droplets {
		// among so many kinds of calls a single create would leave the lab nearly empty
		for range 8 {
			calls = append(calls, createDroplet(g))
		}
	}

	return calls
}

func dropletActions(g *guesses) []Call {
	kinds := []string{
		"power_off",
		"power_on",
		"shutdown",
		"reboot",
		"power_cycle",
		"rename",
		"snapshot",
		"snapshot",
		"resize",
		"rebuild",
		"enable_ipv6",
	}

	calls := []Call{}
	for _, kind := range kinds {
		// each kind is for a Droplet of its own guess: two may meet in one
		path := fmt.Sprintf("/v2/droplets/%d/actions", g.droplet())
		body := fmt.Sprintf(`{"type":%q,"name":"named","size":"s-1vcpu-2gb","image":%d}`, kind, g.image())

		calls = append(calls, Call{
			Method: "POST",
			Path:   path,
			Body:   body,
		})
	}

	return calls
}

func createDroplet(g *guesses) Call {
	name := fmt.Sprintf("d-%d", g.IntN(9))
	region := g.region()

	// huge is no size
	size := g.one("s-1vcpu-1gb", "s-1vcpu-2gb", "huge")
	image := g.one(`"debian-13-x64"`, fmt.Sprint(g.image()))
	tag := g.tag()
	ipv6 := g.IntN(3) == 0
	public := g.IntN(5) > 0

	return Call{
		Method: "POST",
		Path:   "/v2/droplets",
		Body: fmt.Sprintf(
			`{"name":%q,"region":%q,"size":%q,"image":%s,"tags":[%q],"ipv6":%t,"public_networking":%t}`,
			name, region, size, image, tag, ipv6, public,
		),
	}
}
