package stack_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/jsonschema/judge"
	"github.com/hornero/hornero/stack"
)

type part = judge.Part

// schemaJudge judges by a schema.
func schemaJudge(t *testing.T, text []byte) *judge.Judge {
	t.Helper()
	j, err := judge.New(text)
	require.NoError(t, err)

	return j
}

func allows(t *testing.T, j *judge.Judge, text string) bool {
	t.Helper()
	allowed, err := j.Allows(text)
	require.NoError(t, err)

	return allowed
}

func TestTheSchemaAllowsWhatTheCheckAllows(t *testing.T) {
	all := withRoles(t, apiRole)
	text, err := stack.Schema(all)
	require.NoError(t, err)

	checkedIn, err := os.ReadFile("../stack.yaml")
	require.NoError(t, err)

	j := schemaJudge(t, text)
	require.True(t, allows(t, j, string(checkedIn)))
	require.True(t, allows(t, j, apiText))

	type change struct{ name, old, new string }

	for _, c := range []change{
		{"several balancers", "nodes:\n", "balancers: [{name: a, nodes: api, serves: admin, https: 443}]\nnodes:\n"},
		{"the short form", "nodes:\n", "load_balancer: {nodes: web, http: 80}\nnodes:\n"},
		{"a reserved IP", "nodes:\n", "reserved_ip: {nodes: proxy, address: 203.0.113.9}\nnodes:\n"},
		{"clients", "nodes:\n", "client_addresses: [10.9.0.0/16]\nnodes:\n"},
		{"operators", "nodes:\n", "operator_addresses: [203.0.113.7, 198.51.100.0/24, '2001:db8::/48']\nnodes:\n"},
		{"records", "nodes:\n", "load_balancer: {nodes: web, http: 80}\n" +
			"domain: {name: example.org, records: [{name: '@'}, {name: a.www, to: load_balancer, ttl: 60}]}\nnodes:\n"},
		{"a project", "nodes:\n", "project: Shop of Ann\nnodes:\n"},
		{"SSH keys", "nodes:\n", "ssh_keys: [ann, 512189, '3b:16:bf']\nnodes:\n"},
		{"options", "api, count: 2", "api, count: 2, monitoring: true, ipv6: true, backups: false"},
		{"a VPC", "nodes:\n", "vpc: {range: 10.108.0.0/20}\nnodes:\n"},
		{"drift", "nodes:\n", "drift: quarantine\ndrift_every: 1h30m\nsecrets: s.age\nrelease: debian-12\nnodes:\n"},
		{"an age", "nodes:\n", "images: {max_age: 30d}\nnodes:\n"},
		{"no age", "nodes:\n", "images: {}\nnodes:\n"},
		{"settings", "greeting: Hello", "greeting: 12, workers: 3, upload: 64M, debug: true, hosts: [a, 1]"},
		{"a group's schema", "api, count: 2", "api, count: 2, schema: other"},
		{"a group's own", "api, count: 2", "api, count: 2, image: 7, settings: {patience: 1m30s, mode: fast}"},
	} {
		_, err := parseAPI(t, all, c.old, c.new)
		require.NoError(t, err, c.name)
		require.True(t, allows(t, j, changed(t, c.old, c.new)), c.name)
	}
}

func TestTheSchemaForbidsWhatTheCheckForbids(t *testing.T) {
	all := withRoles(t, apiRole)
	text, err := stack.Schema(all)
	require.NoError(t, err)

	j := schemaJudge(t, text)

	type change struct{ name, old, new string }

	for _, c := range []change{
		{"an unknown key", "region: fra1", "region: fra1\nregoin: fra1"},
		{"a key that has moved", "nodes:\n", "site: {title: Blog}\nnodes:\n"},
		{"an age without a unit", "nodes:\n", "images: {max_age: 30}\nnodes:\n"},
		{"an age of nothing", "nodes:\n", "images: {max_age: 0d}\nnodes:\n"},
		{"no region", "region: fra1\n", ""},
		{"another version", "version: 1", "version: 2"},
		{"no such cloud", "cloud: lab", "cloud: aws"},
		{"a name that is none", "name: shop", "name: Shop"},
		{"no such role", "role: api", "role: apy"},
		{"a part of roles", "role: api", "role: haproxy"},
		{"a text for a number", "count: 3", "count: three"},
		{"a broken number", "count: 3", "count: 3.9"},
		{"no node", "count: 3", "count: 0"},
		{"settings of no role", "  api: {greeting: Hello}", "  apy: {greeting: Hello}"},
		{"no such setting", "greeting: Hello", "greeting: Hello, cardinality: 3"},
		{"a wrong setting", "greeting: Hello", "greeting: Hello, workers: many"},
		{"too many", "greeting: Hello", "greeting: Hello, workers: 65"},
		{"none of the choices", "greeting: Hello", "greeting: Hello, mode: quick"},
		{"no match", "admin_user: admin", "admin_user: two words"},
		{"a group's settings are its role's", "role: api, count: 2", "role: api, count: 2, settings: {title: Blog}"},
		{"a group's schema", "role: api, count: 2", "role: api, count: 2, schema: Other-one"},
		{"a group's image", "role: api, count: 2", "role: api, count: 2, image: newest"},
		{"two roles on one balancer", "nodes:\n", "load_balancer: {nodes: [web, api], http: 80}\nnodes:\n"},
		{"nothing to balance", "nodes:\n", "load_balancer: {nodes: db, http: 80}\nnodes:\n"},
		{"no port", "nodes:\n", "load_balancer: {nodes: api}\nnodes:\n"},
		{"a name for the only one", "nodes:\n", "load_balancer: {name: a, nodes: api, http: 80}\nnodes:\n"},
		{"a balancer without a name", "nodes:\n", "balancers: [{nodes: api, http: 80}]\nnodes:\n"},
		{"a role that holds no address", "nodes:\n", "reserved_ip: {nodes: web, address: 203.0.113.9}\nnodes:\n"},
		{"a VPC that is too small", "nodes:\n", "vpc: {range: 10.108.0.0/29}\nnodes:\n"},
		{"a domain without records", "nodes:\n", "domain: {name: example.org}\nnodes:\n"},
		{"a name that is none", "nodes:\n", "domain: {name: example.org, records: [{name: 'a b'}]}\nnodes:\n"},
		{"a VPC without a range", "nodes:\n", "vpc: {}\nnodes:\n"},
		{"a project without a name", "nodes:\n", "project: ''\nnodes:\n"},
		{"no SSH key", "nodes:\n", "ssh_keys: []\nnodes:\n"},
		{"an option that is none", "api, count: 2", "api, count: 2, backups: daily"},
		{"no client", "nodes:\n", "client_addresses: []\nnodes:\n"},
		{"no operator", "nodes:\n", "operator_addresses: []\nnodes:\n"},
		{"an operator's name", "nodes:\n", "operator_addresses: [office.example.org]\nnodes:\n"},
	} {
		_, err := parseAPI(t, all, c.old, c.new)
		require.Error(t, err, c.name)
		require.False(t, allows(t, j, changed(t, c.old, c.new)), c.name)
	}
}

func TestTheSchemaSaysWhatEachKeyIsFor(t *testing.T) {
	text, err := stack.Schema(withRoles(t, apiRole))
	require.NoError(t, err)

	whole := schemaJudge(t, text).Whole
	require.Empty(t, undescribed(whole, ""))

	api := whole["definitions"].(part)["api"].(part)["properties"].(part)
	require.Equal(t, part{"type": "integer", "default": 4.0, "minimum": 1.0, "maximum": 64.0}, api["workers"])
	require.Equal(t, "what it says first", api["greeting"].(part)["description"])
	require.Equal(t, "30s", api["patience"].(part)["default"])
}

// undescribed are the keys of a schema that nothing is said of. What roles say of their own is theirs.
func undescribed(schema part, path string) []string {
	var found []string

	properties, _ := schema["properties"].(part)
	for name, rule := range properties {
		rule := rule.(part)
		if rule["$ref"] != nil {
			continue
		}

		if rule["description"] == nil {
			found = append(found, path+name)
		}

		found = append(found, undescribed(rule, path+name+".")...)

		if items, ok := rule["items"].(part); ok {
			found = append(found, undescribed(items, path+name+".")...)
		}
	}

	return found
}
