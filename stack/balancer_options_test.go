package stack_test

import (
	"os"
	"strings"
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

// optionProblems are load balancers that cannot be, and what is said of each.
func optionProblems(t *testing.T) map[string]string {
	t.Helper()

	text, err := os.ReadFile("testdata/balancer-problems.txt")
	require.NoError(t, err)

	problems := map[string]string{}

	for _, row := range strings.Split(string(text), "\n\n")[1:] {
		balancer, want, _ := strings.Cut(strings.TrimSpace(row), "\n")
		problems[balancer] = want
	}

	require.Greater(t, len(problems), 30)

	return problems
}

func TestOptionsOfALoadBalancerThatCannotBe(t *testing.T) {
	all := withRoles(t, apiRole)

	for balancer, want := range optionProblems(t) {
		t.Run(balancer, func(t *testing.T) {
			_, err := parseAPI(t, all, "nodes:\n", "load_balancer: {nodes: api, "+balancer+"\nnodes:\n")
			require.EqualError(t, err, want)
		})
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
