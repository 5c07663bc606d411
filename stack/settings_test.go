package stack_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/stack"
)

func TestSettingsAreTheGroupsThenTheRolesThenTheDefault(t *testing.T) {
	all := withRoles(t, apiRole)
	s, err := parseAPI(t, all,
		"api: {greeting: Hello}",
		"api: {greeting: Hello, workers: 8, hosts: [one, two], debug: true, upload: 64M, patience: 1m}",
		"  - {name: api, role: api, count: 2}\n",
		"  - {name: api, role: api, count: 1}\n"+
			"  - name: batch\n    role: api\n    count: 2\n    image: 4711\n    settings: {greeting: Hi, mode: fast}\n",
	)
	require.NoError(t, err)

	common := map[string]string{
		"greeting":    "Hello",
		"address":     "",
		"workers":     "8",
		"patience":    "1m",
		"upload":      "64M",
		"debug":       "true",
		"hosts":       "one\ntwo",
		"mode":        "safe",
		"drift":       "report",
		"drift_every": "6h0m0s",
	}

	node, err := s.Node("api-1")
	require.NoError(t, err)
	require.Equal(t, stack.Node{Name: "api-1", Role: "api", Size: stack.DefaultSize, Group: "api"}, node)
	require.Equal(t, common, s.SettingsOf(node, all["api"]))

	node, err = s.Node("batch-2")
	require.NoError(t, err)

	want := stack.Node{
		Name:  "batch-2",
		Role:  "api",
		Size:  stack.DefaultSize,
		Group: "batch",
		Image: 4711,
	}
	require.Equal(t, want, node)

	common["greeting"] = "Hi"
	common["mode"] = "fast"
	require.Equal(t, common, s.SettingsOf(node, all["api"]))
}

func TestSettingsThatNobodySaysAreTheManifests(t *testing.T) {
	all := withRoles(t, apiRole)
	s, err := parseAPI(t, all, "region: fra1", "region: fra1\ndrift: quarantine\ndrift_every: 90m")
	require.NoError(t, err)

	want := map[string]string{
		"greeting":    "Hello",
		"address":     "",
		"workers":     "4",
		"patience":    "30s",
		"upload":      "0",
		"debug":       "false",
		"hosts":       "",
		"mode":        "safe",
		"drift":       "quarantine",
		"drift_every": "1h30m0s",
	}
	require.Equal(t, want, s.SettingsOf(stack.Node{Role: "api", Group: "api"}, all["api"]))
}

func TestTheReservedIPIsASettingOfThoseWhoMayHoldIt(t *testing.T) {
	const entrance = "version: 1\nname: entrance\npeers: client\nreserved_ip: {}\nsettings:\n  lines: {type: lines}\n"
	all := withRoles(t, apiRole, entrance)

	s, err := parseAPI(t, all,
		"nodes:\n", "reserved_ip: {nodes: proxy, address: 203.0.113.9}\nnodes:\n",
		"  - {name: db,", "  - {name: in, role: entrance, count: 1}\n  - {name: db,",
	)
	require.NoError(t, err)

	for role, want := range map[string]string{
		"proxy":    "203.0.113.9",
		"entrance": "", // it could, but is not the one
	} {
		address, there := s.SettingsOf(stack.Node{Role: role}, all[role])["reserved_ip.address"]
		require.True(t, there, role)
		require.Equal(t, want, address, role)
	}

	for _, role := range []string{"db", "web", "api"} {
		require.NotContains(t, s.SettingsOf(stack.Node{Role: role}, all[role]), "reserved_ip.address")
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		name string
		old  string
		new  string
		want string
	}{
		{
			name: "no such role",
			old:  "  api: {greeting: Hello}",
			new:  "  api: {greeting: Hello}\n  apy:\n    debug: true",
			want: `s.yaml:8:3: error: roles.apy: there is no "apy"; did you mean "api"?`,
		},
		{
			name: "a misspelt role, of which nothing is missing as well",
			old:  "  api: {greeting: Hello}",
			new:  "  aip: {greeting: Hello}",
			want: `s.yaml:7:3: error: roles.aip: there is no "aip"; did you mean "api"?`,
		},
		{
			name: "a part of roles",
			old:  "  api: {greeting: Hello}",
			new:  "  api: {greeting: Hello}\n  haproxy: {haproxy_extra: x}",
			want: `s.yaml:8:3: error: roles.haproxy: "haproxy" is only a part of other roles; write one of api, ` +
				`arbitrator, cache, db, edge, proxy, web`,
		},
		{
			name: "no mapping",
			old:  "  api: {greeting: Hello}",
			new:  "  api: Hello",
			want: `s.yaml:7:8: error: roles.api: must be a mapping of keys to values, got "Hello"`,
		},
		{
			name: "misspelt, and not missing as well",
			old:  "greeting: Hello",
			new:  "greetign: Hello",
			want: `s.yaml:7:9: error: roles.api.greetign: role api has no setting "greetign"; did you mean "greeting"?`,
		},
		{
			name: "unknown",
			old:  "greeting: Hello",
			new:  "greeting: Hello, cardinality: 3",
			want: `s.yaml:7:26: error: roles.api.cardinality: role api has no setting "cardinality"; its settings ` +
				`are address, debug, greeting, hosts, mode, patience, upload, workers`,
		},
		{
			name: "of a role without any",
			old:  "  api: {greeting: Hello}",
			new:  "  api: {greeting: Hello}\n  arbitrator: {weight: 2}",
			want: `s.yaml:8:16: error: roles.arbitrator.weight: role arbitrator has no setting "weight", nor any ` +
				`other; remove it`,
		},
		{
			name: "given twice",
			old:  "greeting: Hello",
			new:  "greeting: Hello, greeting: Hi",
			want: `s.yaml:7:26: error: roles.api.greeting: given twice; the first is on line 7`,
		},
		{
			name: "no number",
			old:  "greeting: Hello",
			new:  "greeting: Hello, workers: many",
			want: `s.yaml:7:35: error: roles.api.workers: must be a whole number, got "many"`,
		},
		{
			name: "an octal number",
			old:  "greeting: Hello",
			new:  "greeting: Hello, workers: 010",
			want: `s.yaml:7:35: error: roles.api.workers: must be a whole number, got "010"`,
		},
		{
			name: "too many",
			old:  "greeting: Hello",
			new:  "greeting: Hello, workers: 65",
			want: `s.yaml:7:35: error: roles.api.workers: must be at most 64, got 65`,
		},
		{
			name: "too large",
			old:  "greeting: Hello",
			new:  "greeting: Hello, upload: 2G",
			want: `s.yaml:7:34: error: roles.api.upload: must be at most 1G, got 2G`,
		},
		{
			name: "no duration",
			old:  "greeting: Hello",
			new:  "greeting: Hello, patience: 30",
			want: `s.yaml:7:36: error: roles.api.patience: must be a duration, as in 90s or 6h, got "30"`,
		},
		{
			name: "no boolean",
			old:  "greeting: Hello",
			new:  "greeting: Hello, debug: on",
			want: `s.yaml:7:33: error: roles.api.debug: must be true or false, got "on"`,
		},
		{
			name: "no list",
			old:  "greeting: Hello",
			new:  "greeting: Hello, hosts: one",
			want: `s.yaml:7:33: error: roles.api.hosts: must be a list, got "one"`,
		},
		{
			name: "a list where a text belongs",
			old:  "greeting: Hello",
			new:  "greeting: [Hello]",
			want: `s.yaml:7:19: error: roles.api.greeting: must be text, got a list`,
		},
		{
			name: "none of the choices",
			old:  "greeting: Hello",
			new:  "greeting: Hello, mode: fats",
			want: `s.yaml:7:32: error: roles.api.mode: there is no "fats"; did you mean "fast"?`,
		},
		{
			name: "nothing where something is required",
			old:  "greeting: Hello",
			new:  `greeting: ""`,
			want: `s.yaml:7:19: error: roles.api.greeting: must not be empty`,
		},
		{
			name: "missing",
			old:  "  api: {greeting: Hello}\n",
			new:  "",
			want: `s.yaml:6:3: error: roles.api.greeting: is missing; write greeting: sample (what it says first)`,
		},
		{
			name: "missing in one of two groups",
			old:  "  api: {greeting: Hello}\n",
			new:  "",
			want: `s.yaml:12:5: error: nodes[4].settings.greeting: is missing here and under roles.api; write ` +
				`greeting: sample (what it says first)`,
		},
		{
			name: "of a group",
			old:  "role: api, count: 2",
			new:  "role: api, count: 2, settings: {mode: quick, geeting: Hi}",
			want: lines(
				`s.yaml:12:55: error: nodes[3].settings.mode: there is no "quick"; write one of fast, safe`,
				`s.yaml:12:62: error: nodes[3].settings.geeting: role api has no setting "geeting"; `+
					`did you mean "greeting"?`,
			),
		},
		{
			name: "a group's own image",
			old:  "role: api, count: 2",
			new:  "role: api, count: 2, image: newest",
			want: `s.yaml:12:45: error: nodes[3].image: must be a whole number, got "newest"`,
		},
		{
			name: "no image at all",
			old:  "role: api, count: 2",
			new:  "role: api, count: 2, image: 0",
			want: "s.yaml:12:45: error: nodes[3].image: must be a snapshot's number, as `hornero images list` names " +
				"it, got 0; leave it out for the newest of the role",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			changes := []string{c.old, c.new}
			if strings.HasPrefix(c.want, "s.yaml:12:5:") {
				const group = "  - {name: api, role: api, count: 2}\n"
				changes = append(changes, group, strings.Replace(group, "2}", "2, settings: {greeting: Hi}}", 1)+
					"  - {name: batch, role: api, count: 1}\n")
			}

			_, err := parseAPI(t, withRoles(t, apiRole), changes...)
			require.EqualError(t, err, c.want)
		})
	}
}

func TestSettingsOfARoleThatTheStackDoesNotHaveAreReadOnly(t *testing.T) {
	all := withRoles(t, apiRole)
	const group = "  - {name: api, role: api, count: 2}\n"

	_, err := parseAPI(t, all, group, "", "{greeting: Hello}", "{workers: 3}")
	require.NoError(t, err, "nothing is required of it")

	_, err = parseAPI(t, all, group, "", "{greeting: Hello}", "{workers: three}")
	require.EqualError(t, err, `s.yaml:7:18: error: roles.api.workers: must be a whole number, got "three"`)
}

func TestAliasesAreWhatTheyStandFor(t *testing.T) {
	all := withRoles(t, apiRole)
	s, err := parseAPI(t, all,
		"role: api, count: 2}", "role: api, count: 1, settings: &own {greeting: Hi}}\n"+
			"  - {name: batch, role: api, count: 1, settings: *own}",
		"  api: {greeting: Hello}\n", "",
	)
	require.NoError(t, err)
	require.Equal(t, "Hi", s.SettingsOf(stack.Node{Role: "api", Group: "batch"}, all["api"])["greeting"])

	// All that is wrong with the second is its name: it is the first once more.
	const last = "role: api, count: 2}"
	_, err = parseAPI(t, all, last, last+"\n  - &last {name: more, role: api, count: 1}\n  - *last")
	require.EqualError(t, err, `s.yaml:13:18: error: nodes[5].name: "more" is taken by nodes[4]; give each group a `+
		`name of its own`)
}

func TestURLsAreThoseThatVisitorsUse(t *testing.T) {
	all := withRoles(t, apiRole)

	s, err := parseAPI(t, all)
	require.NoError(t, err)
	require.Equal(t, []string{"https://www.example.org"}, s.URLs(all), "the others are at the load balancer's")

	s, err = parseAPI(t, all,
		`, url: "https://www.example.org"`, "",
		"role: api, count: 2}", "role: api, count: 1, settings: {address: 'https://api.example.org'}}\n"+
			"  - {name: batch, role: api, count: 1, settings: {address: 'https://batch.example.org'}}",
	)
	require.NoError(t, err)
	require.Equal(t, []string{"https://api.example.org"}, s.URLs(all), "of the first group")

	s, err = stack.Load("../stack.yaml", all)
	require.NoError(t, err)
	require.Empty(t, s.URLs(all))
}

func TestAnAddressThatCannotBeWorkedOutIsAnError(t *testing.T) {
	// Only nodes have secrets.
	all := withRoles(t, strings.Replace(apiRole, `{{setting "address"}}`, `{{secret "api.token"}}`, 1))

	_, err := parseAPI(t, all)
	require.ErrorContains(t, err, "work out the address of api: ")
	require.ErrorContains(t, err, `secret "api.token" is not in the manifest's list or was not given to this node`)
}
