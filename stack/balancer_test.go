package stack_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/stack"
)

func TestBalancersOfEitherForm(t *testing.T) {
	type form struct {
		name string
		text string
		want []stack.Balancer
	}

	for _, c := range []form{
		{
			name: "none",
			text: "",
		},
		{
			name: "the short form",
			text: "load_balancer: {nodes: api, https: 443}\n",
			want: []stack.Balancer{{Nodes: "api", HTTPS: 443}},
		},
		{
			name: "two for two roles",
			text: "balancers:\n  - {name: site, nodes: web, http: 80, https: 443}\n" +
				"  - {name: api, nodes: api, serves: admin, http: 8080}\n",
			want: []stack.Balancer{
				{Name: "site", Nodes: "web", HTTP: 80, HTTPS: 443},
				{Name: "api", Nodes: "api", Serves: "admin", HTTP: 8080},
			},
		},
		{
			name: "two for one role",
			text: "balancers:\n  - {name: b, nodes: api, http: 80}\n" +
				"  - {name: a, nodes: api, serves: admin, http: 80}\n",
			want: []stack.Balancer{
				{Name: "b", Nodes: "api", HTTP: 80},
				{Name: "a", Nodes: "api", Serves: "admin", HTTP: 80},
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := parseAPI(t, withRoles(t, apiRole), "nodes:\n", c.text+"nodes:\n")
			require.NoError(t, err)
			require.Equal(t, c.want, s.AllBalancers())
		})
	}
}

func TestBalancersThatCannotBe(t *testing.T) {
	type problem struct {
		name string
		text string
		want string
	}

	for _, c := range []problem{
		{
			name: "nothing said of it",
			text: "load_balancer:",
			want: `s.yaml:8:15: error: load_balancer: must name the role behind it and a port, as in {nodes: api, ` +
				`http: 80}; remove it when there is to be none`,
		},
		{
			name: "no mapping",
			text: "load_balancer: web",
			want: `s.yaml:8:16: error: load_balancer: must be a mapping of keys to values, got "web"`,
		},
		{
			name: "no role and no port",
			text: "load_balancer: {serves: http}",
			want: lines(
				`s.yaml:8:16: error: load_balancer.http: is missing; write a port, as in http: 80, or https: 443`,
				`s.yaml:8:16: error: load_balancer.nodes: is missing; write the role behind the load balancer, as in `+
					`nodes: api`,
			),
		},
		{
			name: "no such role",
			text: "load_balancer: {nodes: wbe, http: 80}",
			want: `s.yaml:8:24: error: load_balancer.nodes: there is no "wbe"; did you mean "web"?`,
		},
		{
			name: "a role that serves no HTTP",
			text: "load_balancer: {nodes: db, http: 80}",
			want: `s.yaml:8:24: error: load_balancer.nodes: nodes of role db serve nothing that speaks HTTP, else ` +
				`their manifest would say so under serves; write nodes: api`,
		},
		{
			name: "nothing of that name",
			text: "load_balancer: {nodes: api, serves: htpp, http: 80}",
			want: `s.yaml:8:37: error: load_balancer.serves: there is no "htpp"; did you mean "http"?`,
		},
		{
			name: "something that speaks no HTTP",
			text: "load_balancer: {nodes: api, serves: raw, http: 80}",
			want: `s.yaml:8:37: error: load_balancer.serves: "raw" of role api does not speak HTTP, but tcp; write ` +
				`one of http, admin`,
		},
		{
			name: "ports that are none",
			text: "load_balancer: {nodes: api, http: 0, https: 65536}",
			want: lines(
				`s.yaml:8:35: error: load_balancer.http: must be a port from 1 to 65535, got 0`,
				`s.yaml:8:45: error: load_balancer.https: must be a port from 1 to 65535, got 65536`,
			),
		},
		{
			name: "one port for both",
			text: "load_balancer: {nodes: api, http: 80, https: 80}",
			want: `s.yaml:8:46: error: load_balancer.https: must differ from http, got 80 for both`,
		},
		{
			name: "two roles on one",
			text: "load_balancer: {nodes: [web, api], http: 80}",
			want: `s.yaml:8:24: error: load_balancer.nodes: a load balancer of DigitalOcean serves one role; keep ` +
				`one here, and write a second load balancer under balancers, as in - {name: second, nodes: ROLE, ` +
				`http: 80}`,
		},
		{
			name: "two roles on one of several",
			text: "balancers:\n  - {name: all, nodes: [web, api], http: 80}",
			want: `s.yaml:9:24: error: balancers[0].nodes: a load balancer of DigitalOcean serves one role; keep one ` +
				`here, and write a second load balancer under balancers, as in - {name: second, nodes: ROLE, ` +
				`http: 80}`,
		},
		{
			name: "both forms",
			text: "load_balancer: {nodes: web, http: 80}\nbalancers:\n  - {name: api, nodes: api, http: 80}",
			want: `s.yaml:8:16: error: load_balancer: cannot stand beside balancers: it is the short form of a ` +
				`single one; write it there, too, with a name`,
		},
		{
			name: "the short form with a name",
			text: "load_balancer: {name: site, nodes: web, http: 80}",
			want: `s.yaml:8:23: error: load_balancer.name: stands under balancers only: the short form has no name; ` +
				`remove it, or write balancers: [{name: site, ...}]`,
		},
		{
			name: "no name, one name twice, a name that is none, and no mapping",
			text: "balancers:\n  - {nodes: web, http: 80}\n  - {name: a, nodes: web, http: 80}\n" +
				"  - {name: a, nodes: api, http: 80}\n  - {name: A_b, nodes: api, http: 80}\n  - web",
			want: lines(
				`s.yaml:9:5: error: balancers[0].name: is missing; write a name for the load balancer, as in `+
					`name: public`,
				`s.yaml:11:12: error: balancers[2].name: "a" is taken by balancers[1]; give each load balancer a name `+
					`of its own`,
				`s.yaml:12:12: error: balancers[3].name: must be lower-case letters, digits and dashes, begin with a `+
					`letter and have at most 32 characters, got "A_b"`,
				`s.yaml:13:5: error: balancers[4]: must be a mapping of keys to values, got "web"`,
			),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parseAPI(t, withRoles(t, apiRole), "nodes:\n", c.text+"\nnodes:\n")
			require.EqualError(t, err, c.want)
		})
	}
}

func TestABalancerOfARoleThatNoGroupHas(t *testing.T) {
	const groups = "  - {name: web, role: web, count: 2}\n  - {name: api, role: api, count: 2}\n"
	const balancer = "load_balancer: {nodes: api, http: 80}\nnodes:\n"

	_, err := parseAPI(t, withRoles(t, apiRole), groups, "", "nodes:\n", balancer)
	require.EqualError(t, err, `s.yaml:8:24: error: load_balancer.nodes: no group of the stack has role "api"; add `+
		`one under nodes, as in - {name: api, role: api, count: 2}`)
}
