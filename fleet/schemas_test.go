package fleet_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

const (
	oneGroup = "  - {name: web, role: web, count: 2}\n"
	shopText = oneGroup + "  - {name: shop, role: web, count: 1, schema: shop}\n"
)

// A group of its own schema has the passwords and keys of that alone, under the names that its templates have.
func TestADocumentHasTheSecretsOfItsGroup(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, strings.Replace(text, oneGroup, shopText, 1), nil)
	w.mustUp()
	w.nothingToDo()

	values := w.config.Secrets.All()
	of := func(end string) map[string]report.Secret {
		return map[string]report.Secret{
			"wordpress.admin_password": values["wordpress.admin_password"+end],
			"wordpress.db_password":    values["wordpress.db_password"+end],
			"wordpress.salt":           values["wordpress.salt"+end],
		}
	}
	require.NotEqual(t, of(""), of(".shop"))

	seen := 0

	for _, document := range w.documents() {
		switch document.Role {
		case "db":
			require.Equal(t, []cloudinit.Database{
				{Name: "shop", User: "shop", Secret: "wordpress.db_password.shop", Grants: "ALL PRIVILEGES"},
				{Name: "wordpress", User: "wordpress", Secret: "wordpress.db_password", Grants: "ALL PRIVILEGES"},
			}, document.Databases)
			require.Equal(t, values["wordpress.db_password.shop"], document.Secrets["wordpress.db_password.shop"])
			require.Equal(t, values["wordpress.db_password"], document.Secrets["wordpress.db_password"])
			require.Len(t, document.Secrets, 2)
		case "web":
			end, schema := "", ""
			if document.Node == "shop-1" {
				end, schema = ".shop", "shop"
			}

			require.Equal(t, of(end), document.Secrets, document.Node)
			require.Equal(t, schema, document.Settings[roles.SettingOwnSchema], document.Node)

			seen++
		}
	}

	require.Equal(t, 3, seen)
}

// A stack whose groups all use their role's schema is told what it was told before there were others: a new version of
// hornero replaces none of its nodes.
func TestAStackOfOneSchemaIsToldNothingOfIt(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, text, nil)
	w.mustUp()
	w.nothingToDo()

	for _, document := range w.documents() {
		for name := range document.Settings {
			require.False(t, strings.HasPrefix(name, "database."), "%s: %s", document.Node, name)
		}

		for name, value := range document.Secrets {
			require.Equal(t, w.config.Secrets.All()[name], value, document.Node)
		}
	}

	// The role's own name says what was the case.
	said := strings.Replace(oneGroup, "count: 2", "count: 2, schema: wordpress", 1)
	w.config.Stack = w.parse(strings.Replace(text, oneGroup, said, 1), w.config.Manifests)
	w.nothingToDo()

	// A second group of the same schema is no news to the nodes of the first.
	second := strings.Replace(shopText, ", schema: shop", "", 1)
	w.config.Stack = w.parse(strings.Replace(text, oneGroup, second, 1), w.config.Manifests)
	require.Equal(t, []string{"launch node shop-1: it has no Droplet"}, w.plan())
}

// The password of one site is rotated while the other site is left alone.
func TestAPasswordOfASchemaIsRotatedWithTwoValues(t *testing.T) {
	t.Parallel()

	const name = "wordpress.db_password.shop"

	w := newWorldOf(t, strings.Replace(text, oneGroup, shopText, 1), nil)
	w.mustUp()
	w.set(func() { w.history = nil })

	old := w.config.Secrets.All()[name]
	require.NoError(t, w.config.Secrets.Rotate(name, w.config.Stack, w.config.Manifests))
	w.mustUp()
	w.nothingToDo()

	for _, document := range w.documents() {
		value, has := document.Secrets[roles.PreviousSecret(name)]
		require.Equal(t, document.Role == "db", has, document.Node)
		require.Equal(t, document.Role == "db", value == old, document.Node)
	}

	for _, line := range w.history {
		require.False(t, strings.HasPrefix(line, "destroy web-"), line)
	}
}

// What is asked of one site must not be answered by the other.
func TestACommandIsForOneGroup(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, strings.Replace(text, oneGroup, shopText, 1), nil)
	w.mustUp()

	password := roles.Command{Name: "site password", Run: []string{"password"}}
	everywhere := roles.Command{Name: "purge", Run: []string{"purge"}, On: roles.OnAll}

	for _, c := range []struct {
		group   string
		command roles.Command
		ran     []string
		want    string
	}{
		{group: "shop", command: password, ran: []string{"shop-1: password <"}},
		{group: "web", command: password, ran: []string{"web-1: password <"}},
		{
			command: password,
			want:    "run site password: --group: the groups of role web have a database each; say one of web, shop",
		},
		{
			group:   "db",
			command: password,
			want:    `run site password: --group: role web has no group "db"; say one of web, shop`,
		},
		{
			group:   "shop",
			command: everywhere,
			want:    "run purge: --group: the command runs where the role's manifest says; leave it out",
		},
	} {
		w.config.Group = c.group
		got := w.run("web", c.command)
		require.Equal(t, c.ran, w.ran)

		if c.want == "" {
			require.NoError(t, got.err)
			continue
		}

		require.ErrorIs(t, got.err, fleet.ErrGroup)
		require.EqualError(t, got.err, c.want)
	}
}
