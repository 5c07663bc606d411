package stack_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

func manifests(t testing.TB) map[string]*roles.Manifest {
	t.Helper()
	all, err := roles.LoadDir(roles.Embedded())
	require.NoError(t, err)

	return all
}

const text = `version: 1
name: blog
cloud: lab
region: fra1
release: debian-13
secrets: secrets.age
roles:
  web: {title: Blog, admin_user: admin, admin_email: admin@example.org}
nodes:
  - {name: db, role: db, count: 3}
  - name: proxy
    role: proxy
    count: 2
    size: s-1vcpu-1gb
  - name: web
    role: web
    count: 2
load_balancer:
  nodes: web
  http: 80
  https: 443
`

func TestTheCheckedInStackIsRight(t *testing.T) {
	s, err := stack.Load("../stack.yaml", manifests(t))
	require.NoError(t, err)

	var names []string
	for _, node := range s.All() {
		names = append(names, node.Name)
	}

	want := []string{"db-1", "db-2", "db-3", "proxy-1", "proxy-2", "web-1", "web-2"}
	require.Equal(t, want, names)
	require.Equal(t, []string{"proxy-1", "proxy-2"}, s.Expected()["proxy"])
	require.Equal(t, "../secrets.age", s.SecretsPath())
	require.Equal(t, []stack.Balancer{{Nodes: "web", HTTP: 80, HTTPS: 443}}, s.AllBalancers())

	settings := map[string]string{
		"title":        "Hornero",
		"url":          "",
		"admin_user":   "admin",
		"admin_email":  "admin@example.org",
		"nginx_extra":  "",
		"php_extra":    "",
		"config_extra": "",
		"drift":        "report",
		"drift_every":  "6h0m0s",
	}

	first, err := s.Node("web-1")
	require.NoError(t, err)

	// Its pieces have settings, too.
	got := s.SettingsOf(first, manifests(t)["web"])
	require.Subset(t, got, settings)
	require.Contains(t, got, "haproxy_extra")

	made := []string{"proxy.stats_password", "wordpress.admin_password", "wordpress.db_password", "wordpress.salt"}
	require.Equal(t, made, s.SecretNames(manifests(t)))
}

// parse reads the text with one change.
func parse(t *testing.T, old, replacement string) (*stack.Stack, error) {
	t.Helper()
	require.Contains(t, text, old)
	changed := strings.Replace(text, old, replacement, 1)

	return stack.Parse("s.yaml", []byte(changed), manifests(t))
}

func TestProblemsTellWhereAndWhatToWrite(t *testing.T) {
	type problem struct {
		name string
		old  string // what stands in the text
		new  string // what stands there instead
		want string
	}

	for _, c := range []problem{
		{
			name: "unknown key",
			old:  "region: fra1",
			new:  "regoin: fra1",
			want: `s.yaml:4:1: error: regoin: unknown key; did you mean "region"?`,
		},
		{
			name: "wrong type",
			old:  "count: 3",
			new:  "count: three",
			want: `s.yaml:10:33: error: nodes[0].count: must be a whole number, got "three"`,
		},
		{
			name: "an octal number",
			old:  "count: 3",
			new:  "count: 010",
			want: `s.yaml:10:33: error: nodes[0].count: must be a whole number, got "010"`,
		},
		{
			name: "a broken number",
			old:  "count: 3",
			new:  "count: 3.9",
			want: `s.yaml:10:33: error: nodes[0].count: must be a whole number, got "3.9"`,
		},
		{
			name: "a hexadecimal number",
			old:  "http: 80",
			new:  "http: 0x50",
			want: `s.yaml:20:9: error: load_balancer.http: must be a whole number, got "0x50"`,
		},
		{
			name: "missing role",
			old:  "role: web\n",
			new:  "role: wep\n",
			want: `s.yaml:16:11: error: nodes[2].role: there is no "wep"; did you mean "web"?`,
		},
		{
			name: "abstract role",
			old:  "role: web\n",
			new:  "role: common\n",
			want: `s.yaml:16:11: error: nodes[2].role: "common" is only a part of other roles; ` +
				`write one of arbitrator, cache, db, edge, proxy, web`,
		},
		{
			name: "duplicate name",
			old:  "name: proxy",
			new:  "name: db",
			want: `s.yaml:11:11: error: nodes[1].name: "db" is taken by nodes[0]; give each group a name of its own`,
		},
		{
			name: "even database",
			old:  "count: 3",
			new:  "count: 2",
			want: `s.yaml:10:33: error: nodes[0].count: must give an odd number of db nodes, so that half of them is ` +
				`never a tie, got 2; write 1 or 3, or add a group of one node with role: arbitrator`,
		},
		{
			name: "two votes of arbitrators",
			old:  "count: 3}",
			new:  "count: 2}\n  - {name: arb, role: arbitrator, count: 2}",
			want: `s.yaml:11:42: error: nodes[1].count: must be 1: one arbitrator at most makes the number of votes ` +
				`odd, got 2`,
		},
		{
			name: "an arbitrator too many",
			old:  "count: 3}",
			new:  "count: 3}\n  - {name: arb, role: arbitrator, count: 1}",
			want: `s.yaml:10:33: error: nodes[0].count: must be an even number of db nodes beside an arbitrator, so ` +
				`that half of the votes is never a tie, got 3; write 4, or remove the arbitrator`,
		},
		{
			name: "transfer method",
			old:  "roles:\n",
			new:  "roles:\n  db: {sst_method: rsnc}\n",
			want: `s.yaml:8:20: error: roles.db.sst_method: there is no "rsnc"; did you mean "rsync"?`,
		},
		{
			name: "no database nodes",
			old:  "count: 3",
			new:  "count: 0",
			want: `s.yaml:10:33: error: nodes[0].count: must be at least 1, got 0; remove the group when there is ` +
				`to be none`,
		},
		{
			name: "bad name",
			old:  "name: blog",
			new:  "name: Bl_og",
			want: `s.yaml:2:7: error: name: must be lower-case letters, digits and dashes, begin with a letter and ` +
				`have at most 32 characters, got "Bl_og"`,
		},
		{
			name: "bad slug",
			old:  "region: fra1",
			new:  "region: FRA 1",
			want: `s.yaml:4:9: error: region: must be a slug of DigitalOcean's, as in fra1, got "FRA 1"`,
		},
		{
			name: "bad release",
			old:  "release: debian-13",
			new:  "release: debian13",
			want: `s.yaml:5:10: error: release: there is no "debian13"; did you mean "debian-13"?`,
		},
		{
			name: "bad cloud",
			old:  "cloud: lab",
			new:  "cloud: aws",
			want: `s.yaml:3:8: error: cloud: there is no "aws"; write one of digitalocean, lab`,
		},
		{
			name: "bad mail",
			old:  "admin@example.org",
			new:  "admin",
			want: `s.yaml:8:54: error: roles.web.admin_email: must be a mail address, as in admin@example.org, got ` +
				`"admin"`,
		},
		{
			name: "bad drift",
			old:  "release: debian-13",
			new:  "release: debian-13\ndrift: quarantin",
			want: `s.yaml:6:8: error: drift: there is no "quarantin"; did you mean "quarantine"?`,
		},
		{
			name: "drift all the time",
			old:  "release: debian-13",
			new:  "release: debian-13\ndrift_every: 10s",
			want: `s.yaml:6:14: error: drift_every: must be at least 1m0s, as in 6h, got 10s`,
		},
		{
			name: "a reserved IP that nobody holds",
			old:  "https: 443",
			new:  "https: 443\nreserved_ip:\n  address: 203.0.113.9",
			want: `s.yaml:23:3: error: reserved_ip.nodes: is missing; write the role whose nodes hold it, as in ` +
				`nodes: proxy`,
		},
		{
			name: "a role without a use for it",
			old:  "https: 443",
			new:  "https: 443\nreserved_ip: {nodes: db, address: 203.0.113.9}",
			want: `s.yaml:22:22: error: reserved_ip.nodes: nodes of role db serve nothing at a reserved IP, else ` +
				`their manifest would say reserved_ip; write nodes: proxy`,
		},
		{
			name: "no such role for it",
			old:  "https: 443",
			new:  "https: 443\nreserved_ip: {nodes: prxy, address: 203.0.113.9}",
			want: `s.yaml:22:22: error: reserved_ip.nodes: there is no "prxy"; did you mean "proxy"?`,
		},
		{
			name: "no address",
			old:  "https: 443",
			new:  "https: 443\nreserved_ip:\n  nodes: proxy",
			want: "s.yaml:23:3: error: reserved_ip.address: is missing; write an address of the account, as in " +
				"address: 203.0.113.9; `hornero reserved-ip create` reserves one",
		},
		{
			name: "no good address",
			old:  "https: 443",
			new:  "https: 443\nreserved_ip: {nodes: proxy, address: 203.0.113}",
			want: "s.yaml:22:38: error: reserved_ip.address: must be an IPv4 address of the account, as in " +
				"203.0.113.9, got \"203.0.113\"; `hornero reserved-ip create` reserves one",
		},
		{
			name: "nothing said of it",
			old:  "https: 443",
			new:  "https: 443\nreserved_ip:",
			want: "s.yaml:22:13: error: reserved_ip: must name the role that holds it and the address, as in " +
				"{nodes: proxy, address: 203.0.113.9}; remove it when there is to be none",
		},
		{
			name: "no such balanced role",
			old:  "nodes: web",
			new:  "nodes: wev",
			want: `s.yaml:19:10: error: load_balancer.nodes: there is no "wev"; did you mean "web"?`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.old, c.new)
			require.EqualError(t, err, c.want)
		})
	}
}

func TestAllProblemsComeInOneRun(t *testing.T) {
	const wrong = "version: 2\nname: 9\ncloud: lab\nnodes: []\n"
	_, err := stack.Parse("s.yaml", []byte(wrong), manifests(t))

	require.EqualError(t, err, strings.Join([]string{
		`s.yaml:1:1: error: region: is missing; write a region's slug, as in region: fra1`,
		`s.yaml:1:10: error: version: must be 1, got 2`,
		`s.yaml:2:7: error: name: must be lower-case letters, digits and dashes, begin with a letter and have at ` +
			`most 32 characters, got "9"`,
		`s.yaml:4:8: error: nodes: is missing or empty; write at least one group, as in ` +
			`- {name: app, role: web, count: 2}`,
	}, "\n"))
}

func TestTwoDatabaseNodesAndAnArbitrator(t *testing.T) {
	s, err := parse(t, "count: 3}", "count: 2}\n  - {name: arb, role: arbitrator, count: 1}")
	require.NoError(t, err)
	require.Equal(t, []string{"arb-1"}, s.Expected()["arbitrator"])

	database, err := s.Node("db-1")
	require.NoError(t, err)
	require.Equal(t, "rsync", s.SettingsOf(database, manifests(t)["db"])["sst_method"], "by default")
}

// withReservedIP is a stack whose proxies may hold a reserved IP.
func withReservedIP(t *testing.T) *stack.Stack {
	t.Helper()
	s, err := parse(t, "https: 443", "https: 443\nreserved_ip: {nodes: proxy, address: 203.0.113.9}")
	require.NoError(t, err)

	return s
}

func TestOnlyWhoHoldsTheReservedIPIsGivenItsSecrets(t *testing.T) {
	all := manifests(t)
	s := withReservedIP(t)

	want := []string{"digitalocean.reserved_ip_token", "proxy.stats_password", "site.certificate", "site.key"}
	require.Equal(t, want, s.SecretsOf(all["proxy"], all))
	require.NotContains(t, s.SecretNames(all), "digitalocean.reserved_ip_token", "nobody makes it")

	for role, want := range map[string][]string{
		"db":         {"wordpress.db_password"}, // of the database that it keeps
		"web":        {"wordpress.admin_password", "wordpress.db_password", "wordpress.salt"},
		"arbitrator": nil,
	} {
		require.Equal(t, want, s.SecretsOf(all[role], all), role)
	}

	want = []string{"proxy.stats_password"}
	require.Equal(t, want, loaded(t).SecretsOf(all["proxy"], all), "nobody asks for it")
}

func TestTheReservedIPsTokenIsTheOperatorsToGive(t *testing.T) {
	s := withReservedIP(t)
	secrets := openSecrets(t)
	require.Empty(t, secrets.Missing(loaded(t), manifests(t)))

	missing := secrets.Missing(s, manifests(t))
	require.Len(t, missing, 1)
	require.Contains(t, missing[0], "`hornero secrets set digitalocean.reserved_ip_token`")

	require.NoError(t, secrets.Set("digitalocean.reserved_ip_token", "token"))
	require.Empty(t, secrets.Missing(s, manifests(t)))
	require.ErrorIs(t, secrets.Rotate("digitalocean.reserved_ip_token", s, manifests(t)), stack.ErrForeign)
}

func TestNodesAreFoundByName(t *testing.T) {
	s := loaded(t)

	_, err := s.Node("wep-1")
	require.EqualError(t, err, `the stack hornero has no node "wep-1"; did you mean "web-1"?`)

	_, err = s.Node("something-else")
	require.EqualError(t, err, `the stack hornero has no node "something-else"; its nodes are [db-1 db-2 db-3 proxy-1 `+
		`proxy-2 web-1 web-2]`)
}

func TestAStackHasAnEnd(t *testing.T) {
	_, err := parse(t, "count: 3", "count: 101")
	require.EqualError(t, err, `s.yaml:10:3: error: nodes: at most 100 nodes fit in a stack, got 105`)
}
