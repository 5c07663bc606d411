package stack_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/stack"
)

// wholeBalancer has every key of a load balancer.
const wholeBalancer = `load_balancer:
  nodes: api
  serves: http
  http: 80
  https: 443
  rules:
    - {protocol: http3, port: 443}
    - {protocol: https, port: 8443, to: https, passthrough: true, serves: raw}
    - {protocol: http2, port: 444, to: http2, target_port: 9443}
    - {protocol: tcp, port: 9000, serves: raw}
    - {protocol: udp, port: 53}
  redirect: true
  sticky: {cookie: node, ttl: 1h}
  health: {protocol: https, port: 9443, path: /up, interval: 5s, timeout: 4s, unhealthy: 3, healthy: 4}
  proxy_protocol: true
  allow: [203.0.113.7, 198.51.100.0/24]
  deny: [198.51.100.9, '2001:db8::/48']
  size: 3
  idle: 200s
  keepalive: true
  network: external
  type: regional
  ciphers: strong
  dual_stack: true
  certificate: {lets_encrypt: [www.example.org, '*.example.org'], dns_records: true}
`

func TestALoadBalancerWithAllThatItMayHave(t *testing.T) {
	all := withRoles(t, apiRole)
	s, err := parseAPI(t, all, "nodes:\n", wholeBalancer+"nodes:\n")
	require.NoError(t, err)

	b := s.AllBalancers()[0]
	require.Equal(t, []stack.Rule{
		{Protocol: "http", Port: 80, To: "http", Serves: "http"},
		{Protocol: "https", Port: 443, To: "http", Serves: "http"},
		{Protocol: "http3", Port: 443, To: "http", Serves: "http"},
		{Protocol: "https", Port: 8443, To: "https", Serves: "raw", Passthrough: true},
		{Protocol: "http2", Port: 444, To: "http2", Serves: "http", TargetPort: 9443},
		{Protocol: "tcp", Port: 9000, To: "tcp", Serves: "raw"},
		{Protocol: "udp", Port: 53, To: "udp", Serves: "http", TargetPort: 53},
	}, b.AllRules())

	require.Equal(t, 200*time.Second, b.Idle)
	require.True(t, b.EndsTLS())
	require.True(t, b.Health.Own())
	require.Equal(t, []string{"www.example.org", "*.example.org"}, b.IssuedNames())

	text, err := stack.Schema(all)
	require.NoError(t, err)
	require.True(t, allows(t, schemaJudge(t, text), changed(t, "nodes:\n", wholeBalancer+"nodes:\n")))
}

// optionProblem is something that a load balancer cannot be, after "load_balancer: {nodes: api, ".
type optionProblem struct {
	text string
	want string // after the file's name
}

func ruleProblems() []optionProblem {
	return []optionProblem{
		{
			"rules: []}",
			"8:36: error: load_balancer.rules: must hold at least one, as in - {protocol: http, port: 80}",
		},
		{
			"rules: [{port: 80}]}",
			"8:37: error: load_balancer.rules[0].protocol: is missing; write what visitors speak, as in protocol: https",
		},
		{
			"rules: [{protocol: htpp, port: 80}]}",
			`8:48: error: load_balancer.rules[0].protocol: there is no "htpp"; did you mean "http"?`,
		},
		{
			"rules: [{protocol: http, port: 70000}]}",
			"8:60: error: load_balancer.rules[0].port: must be a port from 1 to 65535, got 70000",
		},
		{
			"http: 80, rules: [{protocol: tcp, port: 80, serves: raw}]}",
			"8:69: error: load_balancer.rules[0].port: 80 is taken by load_balancer.http; give each rule a port of its own",
		},
		{
			"rules: [{protocol: tcp, port: 80, to: http}]}",
			`8:67: error: load_balancer.rules[0].to: a rule of tcp goes to tcp, got "http"`,
		},
		{
			"rules: [{protocol: https, port: 443, passthrough: true, to: http}]}",
			`8:89: error: load_balancer.rules[0].to: a rule of https with passthrough goes to https, got "http"`,
		},
		{
			"rules: [{protocol: http, port: 80, passthrough: true}]}",
			"8:77: error: load_balancer.rules[0].passthrough: TLS is passed through for https and http2 only, not for http",
		},
		{
			"http: 80, rules: [{protocol: http3, port: 443}]}",
			"8:58: error: load_balancer.rules[0].protocol: http3 needs a rule of https or http2 beside it: visitors " +
				"begin there; add - {protocol: https, port: 443}",
		},
		{
			"https: 443, rules: [{protocol: http3, port: 443}, {protocol: http3, port: 444}]}",
			"8:90: error: load_balancer.rules[1].protocol: http3 is there already, as load_balancer.rules[0]; a load " +
				"balancer takes one",
		},
		{
			"rules: [{protocol: http, port: 80, serves: raw}]}",
			`8:72: error: load_balancer.rules[0].serves: "raw" of role api does not speak HTTP, but tcp; write one of ` +
				`http, admin`,
		},
		{
			"rules: [{protocol: http, port: 80, serves: http, target_port: 81}]}",
			"8:91: error: load_balancer.rules[0].target_port: cannot stand beside serves, which has a port; remove one " +
				"of them",
		},
		{
			"rules: [{protocol: udp, port: 53, serves: raw}]}",
			"8:71: error: load_balancer.rules[0].serves: no role says that it serves udp; write target_port: 53 instead",
		},
	}
}

func kindProblems() []optionProblem {
	return []optionProblem{
		{
			"http: 80, type: global}",
			"8:45: error: load_balancer.type: a global load balancer stands before stacks of several regions, and a " +
				"stack is one region; make it at DigitalOcean, with the load balancers of your stacks for its targets",
		},
		{
			"http: 80, type: network}",
			"8:35: error: load_balancer.http: a load balancer of type network passes tcp and udp on; write rules, as in " +
				"- {protocol: tcp, port: 80, target_port: 80}",
		},
		{
			"type: network, rules: [{protocol: tcp, port: 80, serves: raw}]}",
			"8:74: error: load_balancer.rules[0].port: a load balancer of type network changes no port: must be 9000, " +
				"that of raw, got 80",
		},
		{
			"type: network, rules: [{protocol: udp, port: 53, target_port: 54}]}",
			"8:91: error: load_balancer.rules[0].target_port: a load balancer of type network changes no port: must be " +
				"53, got 54",
		},
		{
			"type: network, proxy_protocol: true, rules: [{protocol: udp, port: 53}]}",
			"8:60: error: load_balancer.proxy_protocol: a load balancer of type network passes packets on as they are, " +
				"with the visitor's address; remove it",
		},
		{
			"http: 80, network: outside}",
			`8:48: error: load_balancer.network: there is no "outside"; write one of external, internal`,
		},
		{
			"http: 80, network: internal, dual_stack: true}",
			"8:70: error: load_balancer.dual_stack: an internal load balancer has no IPv6 address; remove it",
		},
		{
			"type: network, dual_stack: true, rules: [{protocol: udp, port: 53}]}",
			"8:56: error: load_balancer.dual_stack: a load balancer of type network has an IPv6 address only when all " +
				"nodes have one, and a stack's nodes have none; remove it",
		},
		{
			"http: 80, size: 201}",
			"8:45: error: load_balancer.size: must be from 1 to 200, got 201",
		},
		{
			"http: 80, size: 0}",
			"8:45: error: load_balancer.size: must be from 1 to 200, got 0",
		},
		{
			"http: 80, idle: 20s}",
			"8:45: error: load_balancer.idle: must be from 30s to 10m0s, got 20s",
		},
		{
			"http: 80, idle: 90500ms}",
			"8:45: error: load_balancer.idle: must be whole seconds, got 1m30.5s",
		},
		{
			"http: 80, ciphers: strong}",
			"8:48: error: load_balancer.ciphers: no rule ends TLS at the load balancer, so there is nothing to choose; " +
				"remove it",
		},
		{
			"http: 80, redirect: true}",
			"8:49: error: load_balancer.redirect: a load balancer redirects from http at port 80 to https at port 443; " +
				"write http: 80 and https: 443, or remove it",
		},
	}
}

func visitorProblems() []optionProblem {
	return []optionProblem{
		{
			"http: 80, sticky: {ttl: 1h}}",
			"8:47: error: load_balancer.sticky.cookie: is missing; write the cookie's name, as in cookie: node",
		},
		{
			"http: 80, sticky: {cookie: a, ttl: 0s}}",
			"8:56: error: load_balancer.sticky.cookie: must be from 2 to 40 characters that a cookie's name can hold, " +
				"got \"a\"\ns.yaml:8:64: error: load_balancer.sticky.ttl: must be at least 1s, got 0s",
		},
		{
			"rules: [{protocol: tcp, port: 80, serves: raw}], sticky: {cookie: node, ttl: 1h}}",
			"8:86: error: load_balancer.sticky: the load balancer reads no requests, so it can set no cookie: all its " +
				"rules are tcp, udp or passed through; remove it",
		},
		{
			"http: 80, allow: [203.0.113, 198.51.100.7/24]}",
			"8:47: error: load_balancer.allow[0]: must be an address or a network, as in 203.0.113.7 or " +
				"198.51.100.0/24, got \"203.0.113\"\ns.yaml:8:58: error: load_balancer.allow[1]: \"198.51.100.7/24\" is an " +
				"address inside of a network; write 198.51.100.0/24 for the network, or 198.51.100.7 for the address alone",
		},
		{
			"http: 80, deny: [203.0.113.7, 203.0.113.7/32]}",
			`8:59: error: load_balancer.deny[1]: "203.0.113.7/32" is there already, as load_balancer.deny[0]; remove one`,
		},
		{
			"http: 80, health: {protocol: udp}}",
			`8:58: error: load_balancer.health.protocol: there is no "udp"; did you mean "tcp"?`,
		},
		{
			"http: 80, health: {protocol: tcp, path: /up}}",
			"8:69: error: load_balancer.health.path: a check by tcp asks for no path; remove it",
		},
		{
			"http: 80, health: {path: up, interval: 2s, timeout: 301s, healthy: 1, unhealthy: 11}}",
			"8:54: error: load_balancer.health.path: must begin with / and hold no white space, quote, backslash or #, " +
				"got \"up\"\ns.yaml:8:68: error: load_balancer.health.interval: must be from 3s to 5m0s, got 2s\n" +
				"s.yaml:8:81: error: load_balancer.health.timeout: must be from 3s to 5m0s, got 5m1s\n" +
				"s.yaml:8:96: error: load_balancer.health.healthy: must be from 2 to 10, got 1\n" +
				"s.yaml:8:110: error: load_balancer.health.unhealthy: must be from 2 to 10, got 11",
		},
		{
			"http: 80, certificate: {lets_encrypt: [www.example.org]}}",
			"8:52: error: load_balancer.certificate: no rule needs one: none of https, http2 or http3 ends at the load " +
				"balancer; remove it, or write https: 443",
		},
		{
			"https: 443, certificate: {dns_records: true}}",
			"8:54: error: load_balancer.certificate: must name what Let's Encrypt issues it for, as in {lets_encrypt: " +
				"[www.example.org]}; remove it, and the certificate of the secrets file is used",
		},
		{
			"https: 443, certificate: {lets_encrypt: [WWW.example.org, a.org, a.org]}}",
			`8:70: error: load_balancer.certificate.lets_encrypt[0]: must be a name in lower case, as in ` +
				"www.example.org or *.example.org, got \"WWW.example.org\"\ns.yaml:8:94: error: " +
				`load_balancer.certificate.lets_encrypt[2]: "a.org" is there already, as ` +
				`load_balancer.certificate.lets_encrypt[1]; remove one`,
		},
	}
}

func TestOptionsOfALoadBalancerThatCannotBe(t *testing.T) {
	all := withRoles(t, apiRole)

	for _, list := range [][]optionProblem{ruleProblems(), kindProblems(), visitorProblems()} {
		for _, c := range list {
			t.Run(c.text, func(t *testing.T) {
				_, err := parseAPI(t, all, "nodes:\n", "load_balancer: {nodes: api, "+c.text+"\nnodes:\n")
				require.EqualError(t, err, "s.yaml:"+c.want)
			})
		}
	}
}

// What only passes bytes on may stand before a role that speaks no HTTP.
func TestALoadBalancerBeforeADatabase(t *testing.T) {
	all := withRoles(t, apiRole)
	const balancer = "load_balancer: {nodes: db, rules: [{protocol: tcp, port: 3306, serves: mysql}]}\n"

	s, err := parseAPI(t, all, "nodes:\n", balancer+"nodes:\n")
	require.NoError(t, err)
	require.False(t, s.LoadBalancer.ReadsHTTP())

	text, err := stack.Schema(all)
	require.NoError(t, err)

	j := schemaJudge(t, text)
	require.True(t, allows(t, j, changed(t, "nodes:\n", balancer+"nodes:\n")))
}
