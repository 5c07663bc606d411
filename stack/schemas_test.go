package stack_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// twoSites is a stack whose role web has two sites, the second in two groups.
const twoSites = `version: 1
name: blog
cloud: lab
region: fra1
roles:
  web: {title: Blog, admin_user: ann, admin_email: ann@example.org}
nodes:
  - {name: db, role: db, count: 3}
  - {name: web, role: web, count: 2}
  - {name: shop, role: web, count: 2, schema: shop}
  - {name: shop-big, role: web, count: 1, schema: shop, settings: {smtp_host: mx.example.org, smtp_user: ann}}
  - {name: edge, role: edge, count: 2}
sites:
  - {names: [www.example.org], nodes: web, groups: [web]}
  - {names: [shop.example.org], nodes: web, groups: [shop, shop-big]}
`

func parseSites(t *testing.T, changes ...string) (*stack.Stack, error) {
	t.Helper()
	text := twoSites

	for i := 0; i+1 < len(changes); i += 2 {
		require.Contains(t, text, changes[i])
		text = strings.ReplaceAll(text, changes[i], changes[i+1])
	}

	return stack.Parse("s.yaml", []byte(text), manifests(t))
}

func named(t *testing.T, s *stack.Stack, name string) stack.Node {
	t.Helper()

	node, err := s.Node(name)
	require.NoError(t, err)

	return node
}

func TestGroupsWithASchemaHaveADatabaseOfTheirOwn(t *testing.T) {
	all := manifests(t)
	s, err := parseSites(t)
	require.NoError(t, err)

	shop := roles.Database{
		Name:   "shop",
		User:   "shop",
		Secret: "wordpress.db_password.shop",
		Grants: roles.AllPrivileges,
	}
	require.Equal(t, []roles.Database{shop, all["web"].Databases[0]}, s.DatabasesOf("db", all))

	// A node is given its own, by the names that the role's templates have.
	require.Equal(t, map[string]string{
		"wordpress.db_password":    "wordpress.db_password",
		"wordpress.admin_password": "wordpress.admin_password",
		"wordpress.salt":           "wordpress.salt",
	}, s.NodeSecrets(named(t, s, "web-1"), all["web"], all))

	require.Equal(t, map[string]string{
		"wordpress.db_password":    "wordpress.db_password.shop",
		"wordpress.admin_password": "wordpress.admin_password.shop",
		"wordpress.salt":           "wordpress.salt.shop",
		"wordpress.smtp_password":  "wordpress.smtp_password.shop",
	}, s.NodeSecrets(named(t, s, "shop-1"), all["web"], all))

	require.Equal(t, []string{"wordpress.db_password", "wordpress.db_password.shop"}, s.SecretsOf(all["db"], all))

	settings := func(node string) []string {
		own := s.SettingsOf(named(t, s, node), all["web"])
		return []string{own[roles.SettingOwnSchema], own[roles.SettingOwnGroups]}
	}
	require.Equal(t, []string{"", "web"}, settings("web-1"))
	require.Equal(t, []string{"shop", "shop\nshop-big"}, settings("shop-2"))
	require.Equal(t, settings("shop-2"), settings("shop-big-1"))
}

func TestSecretsOfASchemaAreMadeListedAndRotated(t *testing.T) {
	const name, other = "wordpress.db_password.shop", "wordpress.db_password"

	all := manifests(t)
	s, err := parseSites(t)
	require.NoError(t, err)

	secrets := openSecrets(t)
	require.NoError(t, secrets.Ensure(s, all))
	require.NotEqual(t, secrets.All()[other], secrets.All()[name])
	require.NotEmpty(t, secrets.All()[name])

	missing := secrets.Missing(s, all)
	require.Len(t, missing, 1)
	require.Contains(t, missing[0], "`hornero secrets set wordpress.smtp_password.shop`")

	listed, err := secrets.Named(name, s, all)
	require.NoError(t, err)
	require.Equal(t, stack.NamedSecret{
		Name:  name,
		Help:  "of the database's user, for the schema shop",
		Roles: []string{"db", "web"},
	}, listed)

	before := secrets.All()
	require.NoError(t, secrets.Rotate(name, s, all))
	require.Equal(t, before[name], secrets.All()[name+".previous"])
	require.Equal(t, before[other], secrets.All()[other], "the other site keeps its own")
	require.ErrorIs(t, secrets.Rotate(name, s, all), stack.ErrRotating)

	var nodes []string
	for _, node := range s.NodesGiven(stack.Changed(before, secrets.All()), all) {
		nodes = append(nodes, node.Name)
	}

	require.Equal(t, []string{"db-1", "db-2", "db-3", "shop-1", "shop-2", "shop-big-1"}, nodes)
	require.NoError(t, secrets.Retire(name))
}

// A stack without schemas is as it was before there were any, and so is a group that names its role's own.
func TestTheRolesOwnSchemaIsNoOther(t *testing.T) {
	all := manifests(t)
	plain, err := parseSites(t, ", schema: shop", "", "groups: [web]", "groups: [web, shop, shop-big]")
	require.NoError(t, err)

	said, err := parseSites(t,
		"schema: shop", "schema: wordpress",
		"groups: [web]", "groups: [web, shop, shop-big]",
	)
	require.NoError(t, err)

	for _, s := range []*stack.Stack{plain, said} {
		require.Equal(t, all["web"].Databases, s.DatabasesOf("db", all))

		for _, node := range []string{"web-1", "shop-1", "shop-big-1"} {
			settings := s.SettingsOf(named(t, s, node), all["web"])
			require.NotContains(t, settings, roles.SettingOwnSchema)
			require.NotContains(t, settings, roles.SettingOwnGroups)

			for name, as := range s.NodeSecrets(named(t, s, node), all["web"], all) {
				require.Equal(t, name, as)
			}
		}
	}
}

func TestSchemasThatCannotBe(t *testing.T) {
	const (
		second  = "shop, role: web, count: 2, schema: shop"
		problem = "s.yaml:10:47: error: nodes[2].schema: "
	)

	for _, c := range []struct{ name, to, want string }{
		{
			name: "an underscore",
			to:   "schema: my_shop",
			want: problem + `must be lower-case letters and digits, begin with a letter and have at most 32 ` +
				`characters, got "my_shop"`,
		},
		{
			name: "a word of the database's",
			to:   "schema: mysql",
			want: problem + `"mysql" is a name of the database's own; write another, as in shop`,
		},
		{
			name: "the end of another secret's name",
			to:   "schema: previous",
			want: problem + `"previous" is a name of the database's own; write another, as in shop`,
		},
		{
			name: "an unknown key",
			to:   "shema: shop",
			want: `s.yaml:10:39: error: nodes[2].shema: unknown key; did you mean "schema"?`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := strings.Replace(second, "schema: shop", c.to, 1)
			_, err := parseSites(t, second, to)
			require.ErrorContains(t, err, c.want)
		})
	}

	for role, want := range map[string]string{
		"edge": "nodes[4].schema: nodes of role edge have no database; remove it",
		"db":   "nodes[0].schema: nodes of role db have no database; remove it",
	} {
		_, err := parseSites(t, "role: "+role+", ", "role: "+role+", schema: x, ")
		require.ErrorContains(t, err, want)
	}
}

func TestASchemaIsOneRolesOnly(t *testing.T) {
	const group, web = "role: api, count: 2}", "role: web, count: 2}"

	// The role api has the database app.
	all := withRoles(t, apiRole)
	_, err := parseAPI(t, all, web, "role: web, count: 2, schema: app}")
	require.EqualError(t, err, `s.yaml:11:46: error: nodes[2].schema: "app" is a database or a user of role api `+
		`already; write another name`)

	// A role with the user clerk for its database.
	clerk := withRoles(t, strings.Replace(apiRole, "{name: app, ", "{name: app, user: clerk, ", 1))
	_, err = parseAPI(t, clerk, group, group+"\n  - {name: b, role: api, count: 1, schema: clerk}")
	require.ErrorContains(t, err, `nodes[4].schema: "clerk" is a database or a user of role api already`)

	// With a schema of their own two roles get along whose manifests ask for the same.
	same := strings.NewReplacer("database: store", "database: db", "user: shop", "user: app").Replace(shopRole)
	both := withRoles(t, apiRole, same)

	_, err = parseAPI(t, both, group, group+"\n  - {name: shop, role: shop, count: 1}")
	require.ErrorContains(t, err, `both ask for database "app" and user "app"`)

	_, err = parseAPI(t, both, group, group+"\n  - {name: shop, role: shop, count: 1, schema: shop}")
	require.NoError(t, err)

	two := strings.Replace(apiRole, "{name: app, secret: api.db_password}",
		"{name: app, secret: api.db_password}\n  - {name: log, secret: api.db_password}", 1)
	_, err = parseAPI(t, withRoles(t, two), group, "role: api, count: 2, schema: one}")
	require.ErrorContains(t, err, `nodes[3].schema: the manifest of role api asks for 2 databases, and this names one`)
}

func TestDifferentSitesHaveDifferentSchemas(t *testing.T) {
	const big = "shop-big, role: web, count: 1, schema: shop"

	_, err := parseSites(t, ", schema: shop", "")
	require.EqualError(t, err, lines(
		`s.yaml:10:5: error: nodes[2].schema: groups web and shop are behind different sites (sites[0] and sites[1]), `+
			`and both use the schema "wordpress"; give this one its own, as in schema: shop`,
		`s.yaml:11:5: error: nodes[3].schema: groups web and shop-big are behind different sites (sites[0] and `+
			`sites[1]), and both use the schema "wordpress"; give this one its own, as in schema: shopbig`,
	))

	// What was copied with the line is told, too.
	_, err = parseSites(t, "groups: [web]", "groups: [web, shop-big]", "groups: [shop, shop-big]", "groups: [shop]")
	require.ErrorContains(t, err, `nodes[3].schema: groups shop-big and shop are behind different sites`)

	_, err = parseSites(t, big, strings.Replace(big, "schema: shop", "schema: shopbig", 1))
	require.NoError(t, err, "what one site's groups do is its own affair")

	// Tables with another prefix may stand in one schema, where somebody says that he means it.
	_, err = parseSites(t, "schema: shop", "schema: wordpress",
		"role: web, count: 2}", "role: web, count: 2, schema: wordpress}")
	require.NoError(t, err)
}
