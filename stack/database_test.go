package stack_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/roles"
)

// shopRole is a role that wants a database of the role "store".
const shopRole = `version: 1
name: shop
peers: client
watches: {database: store}
secrets:
  shop.password: {}
databases:
  - {name: app, user: shop, secret: shop.password, grants: "SELECT, INSERT"}
`

func TestADatabaseRoleKeepsWhatOthersAskOfIt(t *testing.T) {
	all := withRoles(t, apiRole, storeRole, shopRole)
	s, err := parseAPI(t, all,
		"nodes:\n", "nodes:\n  - {name: store, role: store, count: 1}\n  - {name: shop, role: shop, count: 1}\n",
	)
	require.NoError(t, err)

	wordpress := roles.Database{
		Name:   "wordpress",
		User:   "wordpress",
		Secret: "wordpress.db_password",
		Grants: roles.AllPrivileges,
	}
	api := roles.Database{
		Name:   "app",
		User:   "app",
		Secret: "api.db_password",
		Grants: roles.AllPrivileges,
	}
	shop := roles.Database{
		Name:   "app",
		User:   "shop",
		Secret: "shop.password",
		Grants: "SELECT, INSERT",
	}

	require.Equal(t, []roles.Database{api, wordpress}, s.DatabasesOf("db", all), "sorted by name")
	require.Equal(t, []roles.Database{shop}, s.DatabasesOf("store", all))
	require.Empty(t, s.DatabasesOf("web", all))

	require.Equal(t, []string{"api.db_password", "wordpress.db_password"}, s.SecretsOf(all["db"], all))
	require.Equal(t, []string{"shop.password"}, s.SecretsOf(all["store"], all))
	require.Equal(t, []string{"api.db_password", "api.token"}, s.SecretsOf(all["api"], all))

	// A role that is there, and no group of it: nobody's database.
	s, err = parseAPI(t, all, "  - {name: api, role: api, count: 2}\n", "")
	require.NoError(t, err)
	require.Equal(t, []roles.Database{wordpress}, s.DatabasesOf("db", all))
}

func TestRightsAreWhatTheManifestsSay(t *testing.T) {
	all := withRoles(t, apiRole, storeRole)
	s, err := parseAPI(t, all, "nodes:\n", "nodes:\n  - {name: store, role: store, count: 1}\n")
	require.NoError(t, err)

	rights := s.Rights(all)
	require.Len(t, rights, 5)
	require.NotContains(t, rights, "arbitrator", "no group has it")

	require.Equal(t, cloudinit.Rights{Peers: "client"}, rights["api"])
	require.Equal(t, cloudinit.Rights{
		Peers:  "member",
		Driver: "galera",
		Leases: map[string]string{"writer": "store-writer"},
	}, rights["store"])
	require.Equal(t, "haproxy", rights["proxy"].Driver)
	require.Equal(t, "writer", rights["db"].Leases["writer"])
}

func TestDatabasesThatCannotBe(t *testing.T) {
	sameName := strings.NewReplacer("database: store", "database: db", "user: shop", "user: buyer").Replace(shopRole)
	sameBoth := strings.NewReplacer("database: store", "database: db", "user: shop", "user: app").Replace(shopRole)
	sameUser := strings.NewReplacer(
		"database: store", "database: db",
		"name: app", "name: goods",
		"user: shop", "user: wordpress",
	).Replace(shopRole)

	const group = "  - {name: shop, role: shop, count: 1}\n"

	for _, c := range []struct {
		name string
		role string
		want string
	}{
		{
			name: "no keeper",
			role: shopRole,
			want: `s.yaml:13:24: error: nodes[4].role: nodes of role shop need the database of role "store", which ` +
				`no group has; add one, as in - {name: store, role: store, count: 3}`,
		},
		{
			name: "one database for two roles",
			role: sameName,
			want: `s.yaml:13:24: error: nodes[4].role: roles api and shop both ask for database "app"; give each its ` +
				`own in the databases of its manifest`,
		},
		{
			name: "one database and one user for two roles",
			role: sameBoth,
			want: `s.yaml:13:24: error: nodes[4].role: roles api and shop both ask for database "app" and user ` +
				`"app"; give each its own in the databases of its manifest`,
		},
		{
			name: "one user for two roles",
			role: sameUser,
			want: `s.yaml:13:24: error: nodes[4].role: roles web and shop both ask for user "wordpress"; give each ` +
				`its own in the databases of its manifest`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := withRoles(t, apiRole, storeRole, c.role)
			_, err := parseAPI(t, all, "role: api, count: 2}\n", "role: api, count: 2}\n"+group)
			require.EqualError(t, err, c.want)
		})
	}
}

func TestOtherWatchedRolesMayBeAbsent(t *testing.T) {
	_, err := parseAPI(t, withRoles(t, apiRole),
		"  - {name: proxy, role: proxy, count: 2}\n", "", // web and api watch it
		"  - {name: web, role: web, count: 2}\n", "",
	)
	require.NoError(t, err)
}

func TestEachDatabaseRoleHasVotesOfItsOwn(t *testing.T) {
	umpire := "version: 1\nname: umpire\npeers: member\ndriver: arbitrator\nwatches: {database: store}\n"

	for _, c := range []struct {
		name   string
		groups string
		want   string // "" for a stack that is right
	}{
		{
			name:   "an arbitrator each",
			groups: "{name: u, role: umpire, count: 1}, {name: store, role: store, count: 2}",
		},
		{
			name:   "the other's arbitrator does not count",
			groups: "{name: arb, role: arbitrator, count: 1}, {name: store, role: store, count: 3}",
			want: `s.yaml:9:33: error: nodes[0].count: must be an even number of db nodes beside an arbitrator, so ` +
				`that half of the votes is never a tie, got 3; write 4, or remove the arbitrator`,
		},
		{
			name:   "the arbitrator that would do",
			groups: "{name: store, role: store, count: 4}",
			want: `s.yaml:13:39: error: nodes[4].count: must give an odd number of store nodes, so that half of them ` +
				`is never a tie, got 4; write 3 or 5, or add a group of one node with role: umpire`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			groups := "  - " + strings.ReplaceAll(c.groups, "}, {", "}\n  - {") + "\n"
			_, err := parseAPI(t, withRoles(t, apiRole, storeRole, umpire),
				"role: api, count: 2}\n", "role: api, count: 2}\n"+groups)

			if c.want == "" {
				require.NoError(t, err)
				return
			}

			require.EqualError(t, err, c.want)
		})
	}
}

func TestWithoutARoleThatArbitratesNoneIsSuggested(t *testing.T) {
	_, err := parseAPI(t, withRoles(t, apiRole, storeRole),
		"role: api, count: 2}\n", "role: api, count: 2}\n  - {name: store, role: store, count: 2}\n")
	require.EqualError(t, err, `s.yaml:13:39: error: nodes[4].count: must give an odd number of store nodes, so that `+
		`half of them is never a tie, got 2; write 1 or 3`)
}

func TestNoRoleGetsWhatIsTheStacksOwn(t *testing.T) {
	for _, secret := range []string{"ca.key", "ssh.key", "ssh.ca", "plan.key", "digitalocean.reserved_ip_token"} {
		all := withRoles(t, strings.Replace(apiRole, "api.token:", secret+":", 1))
		_, err := parseAPI(t, all)
		require.EqualError(t, err, `s.yaml:12:23: error: nodes[3].role: role api asks for `+secret+
			`, which is the stack's own; give the secret another name in its manifest`)
	}
}
