//go:build root

package website_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// beside is another site of the stack: a group of the same role and the same image with a schema of its own.
func (s *site) beside(schema string) *site {
	s.t.Helper()

	other := &site{
		t:        s.t,
		manifest: s.manifest,
		image:    s.image,
		ca:       s.ca,
		db:       s.db,
		settings: maps.Clone(s.settings),
		secrets:  maps.Clone(s.secrets),
		group:    schema,
		before:   100,
	}

	other.settings[roles.SettingOwnSchema] = schema
	other.settings[roles.SettingOwnGroups] = schema

	for name := range s.secrets {
		if s.manifest.OwnsSecret(name) {
			other.secrets[name] = report.Secret("it's the secret " + roles.SchemaSecret(name, schema))
		}
	}

	return other
}

// grant makes databases and users by the text that database nodes have.
func (s *site) grant(schemas ...string) {
	s.t.Helper()

	keeper, err := roles.Load(roles.Embedded(), "db")
	require.NoError(s.t, err)

	facts := roles.Facts{
		Release: release,
		Secrets: map[string]report.Secret{},
	}

	for _, schema := range schemas {
		for _, asked := range s.manifest.Databases {
			database := asked.OfSchema(schema)
			facts.Databases = append(facts.Databases, database)
			facts.Secrets[database.Secret] = report.Secret("it's the secret " + database.Secret)
		}
	}

	for _, template := range keeper.On(release).Templates {
		if template.File() != "grants.sql" && !strings.HasSuffix(template.Path, "/grants.sql") {
			continue
		}

		text, err := keeper.On(release).Render(template, facts)
		require.NoError(s.t, err)
		s.db.sql(string(text))

		return
	}

	require.Fail(s.t, "the role db has no grants")
}

// asks runs statements with the site's own user and password, as any PHP of the site may, and gives the first column
// of the answers, or what the server says against it.
func (n *webNode) asks(statement string) string {
	n.t.Helper()

	return n.php(`require '/usr/share/hornero/web/database.php';
$database = hornero_connect();
$rows = $database->query(` + "'" + strings.ReplaceAll(statement, "'", `\'`) + "'" + `);
echo $rows === false ? $database->error : implode(' ', array_column($rows->fetch_all(), 0));`)
}

// Two sites of one role, one image and one database: each has tables that the other's PHP cannot read.
func TestTwoSitesHaveASchemaEach(t *testing.T) {
	blog := prepareSite(t, map[string]string{"title": "A blog"})

	// A word of SQL is a name like any other, and no pattern matches another site's.
	shop := blog.beside("order")
	shop.settings["title"] = "A shop"

	blog.grant("", "order", "orders")

	blog.addNode()
	blog.install()
	shop.addNode()
	shop.install()

	for _, c := range []struct {
		site          *site
		own, other    string
		title, absent string
	}{
		{blog, "wordpress", "order", "A blog", "A shop"},
		{shop, "order", "wordpress", "A shop", "A blog"},
	} {
		n := c.site.web[0]

		page := n.get("/", "Host", "www.example.org").body
		require.Contains(t, page, c.title)
		require.NotContains(t, page, c.absent)

		require.Equal(t, c.title, n.asks("SELECT option_value FROM wp_options WHERE option_name = 'blogname'"))

		databases := strings.Fields(n.asks("SHOW DATABASES"))
		require.ElementsMatch(t, []string{c.own, "information_schema"}, databases)

		for _, statement := range []string{
			"SELECT user_pass FROM `" + c.other + "`.wp_users",
			"UPDATE `" + c.other + "`.wp_options SET option_value = 1",
			"DROP TABLE `" + c.other + "`.wp_posts",
			"CREATE TABLE `" + c.other + "`.mine (id INT PRIMARY KEY)",
			"CREATE TABLE orders.mine (id INT PRIMARY KEY)",
			"SELECT authentication_string FROM mysql.user",
		} {
			require.Contains(t, n.asks(statement), "denied", statement)
		}

		refused := n.php(`require '/usr/share/hornero/web/database.php';
mysqli_report(MYSQLI_REPORT_OFF);
$other = mysqli_init();
@$other->real_connect(DB_HOST, '` + c.other + `', DB_PASSWORD, '` + c.other + `', 3306, null, MYSQL_CLIENT_FLAGS);
echo mysqli_connect_error();`)
		require.Contains(t, refused, "Access denied", "one site's password is not the other's")
	}

	// Each has its own administrator, and its cookies are signed by a key of its own.
	require.NotEqual(t, blog.web[0].php(`require '/etc/wordpress/config-default.php'; echo AUTH_KEY;`),
		shop.web[0].php(`require '/etc/wordpress/config-default.php'; echo AUTH_KEY;`))

	require.NotEqual(t, blog.db.sql("SELECT COUNT(*) FROM wordpress.wp_posts"), "0")
	require.Contains(t, blog.db.sql("SHOW TABLES FROM `order`"), "wp_posts")
}
