package roles_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

func TestADatabaseOfAGroupHasAUserAndAPasswordOfItsOwn(t *testing.T) {
	own := roles.Database{
		Name:   "app",
		User:   "clerk",
		Secret: "app.password",
		Grants: "SELECT",
	}

	require.Equal(t, own, own.OfSchema(""))
	require.Equal(t, own, own.OfSchema("app"), "the role's own, said once more")
	require.Equal(t, roles.Database{
		Name:   "shop",
		User:   "shop",
		Secret: "app.password.shop",
		Grants: "SELECT",
	}, own.OfSchema("shop"))
}

// What a group's nodes write is about their own site: its schema, and the nodes of it.
func TestTextsOfAGroupWithASchemaOfItsOwn(t *testing.T) {
	facts := nodeFacts("web", "debian-13")
	facts.Expected["web"] = []string{"web-1", "web-2", "shop-1", "shop-2", "shop-big-1"}
	facts.Peers["web"] = append(facts.Peers["web"],
		roles.PeerFact{Name: "shop-2", Address: "10.108.0.41"},
		roles.PeerFact{Name: "shop-big-1", Address: "10.108.0.42"},
	)

	const config = "/etc/wordpress/config-default.php"

	whole := render(t, "web", facts)
	require.Contains(t, whole[config], "define('DB_NAME', 'wordpress');\ndefine('DB_USER', 'wordpress');\n")

	facts.Node = "shop-1"
	facts.Settings[roles.SettingOwnSchema] = "shop"
	facts.Settings[roles.SettingOwnGroups] = "shop\nshop-big"

	texts := render(t, "web", facts)
	require.Contains(t, texts[config], "define('DB_NAME', 'shop');\ndefine('DB_USER', 'shop');\n")

	for path, of := range map[string][2]string{
		"/etc/hornero-web/pages.json":     {"10.108.0.41", "10.108.0.31"},
		"/etc/hornero-media/config.json":  {`"shop-big-1"`, `"web-2"`},
		"/etc/wordpress/hornero-node.php": {"10.108.0.5", "10.108.0.31"},
	} {
		require.Contains(t, texts[path], of[0], path)
		require.NotContains(t, texts[path], of[1], path)
	}

	// Other roles are there for all groups.
	const proxies = "/etc/haproxy/haproxy.cfg"
	require.Equal(t, whole[proxies], texts[proxies])
}

func TestTasksOfASchemaHaveTurnsOfTheirOwn(t *testing.T) {
	require.Equal(t, "cron", roles.SchemaLease("cron", map[string]string{"title": "Shop"}))
	require.Equal(t, "cron.shop", roles.SchemaLease("cron", map[string]string{roles.SettingOwnSchema: "shop"}))
}

func TestATemplateCannotAskForAnotherDatabase(t *testing.T) {
	manifest, err := roles.Load(roles.Embedded(), "web")
	require.NoError(t, err)

	_, err = manifest.RenderText("x", `{{(database "shop").Name}}`, nodeFacts("web", "debian-13"))
	require.ErrorContains(t, err, `"shop" is no database of the manifest`)
}
