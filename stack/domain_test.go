package stack_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/stack"
)

// balancer is that of the usual stack.
const balancer = "load_balancer:\n  nodes: web\n  http: 80\n  https: 443"

func TestTheRecordsOfADomain(t *testing.T) {
	s, err := parse(t, "https: 443", "https: 443\nreserved_ip: {nodes: proxy, address: 203.0.113.9}\n"+
		"domain: {name: example.org, records: [{name: '@'}, {name: www, ttl: 60}, {name: '*.a', to: reserved_ip}]}")
	require.NoError(t, err)
	require.Equal(t, []stack.Record{
		{Name: "@", To: "load_balancer", TTL: 300},
		{Name: "www", To: "load_balancer", TTL: 60},
		{Name: "*.a", To: "reserved_ip", TTL: 300},
	}, s.Domain.Records)
	require.Equal(t, "example.org", s.Domain.FullName(s.Domain.Records[0]))
	require.Equal(t, "www.example.org", s.Domain.FullName(s.Domain.Records[1]))

	s, err = parse(t, balancer, "balancers: [{name: a, nodes: web, http: 80}, {name: b, nodes: web, http: 80}]\n"+
		"domain: {name: example.org, records: [{name: www}, {name: b, to: b}]}")
	require.NoError(t, err)
	require.Equal(t, "a", s.Domain.Records[0].To, "the first")
	require.Equal(t, "b", s.Domain.Records[1].To)

	s, err = parse(t, balancer, "reserved_ip: {nodes: proxy, address: "+
		"203.0.113.9}\ndomain: {name: example.org, records: [{name: www}]}")
	require.NoError(t, err)
	require.Equal(t, "reserved_ip", s.Domain.Records[0].To)
}

func TestRecordsThatCannotBe(t *testing.T) {
	for written, want := range map[string]string{
		"": "22:8: error: domain: must name a domain of the account and records, as in {name: example.org, records: " +
			"[{name: www}]}; remove it when there is to be none",
		"{records: [{name: www}]}": "22:9: error: domain.name: is missing; write a domain of the account, as in " +
			"name: example.org",
		"{name: Example, records: [{name: www}]}": `22:16: error: domain.name: must be a domain in lower case, as in ` +
			`example.org, got "Example"`,
		"{name: example.org}": `22:9: error: domain.records: is missing; write which names are the stack's, as in ` +
			`records: [{name: "@"}, {name: www}]`,
		"{name: example.org, records: []}": "22:38: error: domain.records: must hold at least one, as in {name: www}",
		"{name: example.org, records: [{ttl: 60}]}": `22:39: error: domain.records[0].name: is missing; write a name ` +
			`below the domain's, as in name: www, or name: "@" for the domain itself`,
		"{name: example.org, records: [{name: a b}]}": `22:46: error: domain.records[0].name: must be a name below ` +
			`the domain's in lower case, as in www, or "@" for the domain itself, got "a b"`,
		"{name: example.org, records: [{name: www.example.org.}]}": "22:46: error: domain.records[0].name: must be " +
			"without the domain; write www",
		"{name: example.org, records: [{name: example.org}]}": "22:46: error: domain.records[0].name: must be " +
			`without the domain; write "@"`,
		"{name: example.org, records: [{name: a}, {name: a}]}": `22:57: error: domain.records[1].name: "a" is ` +
			"there already, as domain.records[0]; remove one",
		"{name: example.org, records: [{name: a, to: web}]}": `22:53: error: domain.records[0].to: there is no ` +
			`"web"; ` + "write one of load_balancer",
		"{name: example.org, records: [{name: a, ttl: 5}]}": "22:54: error: domain.records[0].ttl: must be from 30 " +
			"to 86400 seconds, got 5",
	} {
		_, err := parse(t, "https: 443", "https: 443\ndomain: "+written)
		require.EqualError(t, err, "s.yaml:"+want, written)
	}

	_, err := parse(t, balancer, "domain: {name: a.org, records: [{name: a}]}")
	require.ErrorContains(t, err, "domain.records[0]: the stack has nothing that a name could point at; write a ")
}
