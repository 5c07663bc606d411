package stack_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASecretOfASettingIsAskedForWhereTheSettingIsSaid(t *testing.T) {
	rule := "api.token: {make: given, when: address, help: of who takes the money}"
	all := withRoles(t, strings.Replace(apiRole, "api.token: {make: given, help: of who takes the money}", rule, 1))

	said, err := parseAPI(t, all, "greeting: Hello}", "greeting: Hello, address: 'https://api.example.org'}")
	require.NoError(t, err)
	require.Contains(t, said.SecretsOf(all["api"], all), "api.token")

	silent, err := parseAPI(t, all)
	require.NoError(t, err)
	require.NotContains(t, silent.SecretsOf(all["api"], all), "api.token")

	secrets := openSecrets(t)
	require.NoError(t, secrets.Ensure(silent, all))
	require.Empty(t, secrets.Missing(silent, all))
	require.Len(t, secrets.Missing(said, all), 1)

	group := "role: api, count: 1, settings: {address: 'https://api.example.org'}}"
	ofAGroup, err := parseAPI(t, all, "role: api, count: 2}", group)
	require.NoError(t, err)
	require.Contains(t, ofAGroup.SecretsOf(all["api"], all), "api.token")
}

func TestASettingThatNeedsNodesOfAnotherRoleSaysSo(t *testing.T) {
	all := withRoles(t, apiRole)
	const page = `url: "https://www.example.org"`

	_, err := parseAPI(t, all, page, "object_cache: true, "+page)
	require.ErrorContains(t, err, `roles.web.object_cache: needs nodes of role "cache", which no group has; add one, `+
		`as in - {name: cache, role: cache, count: 2}`)

	_, err = parseAPI(t, all, page, "object_cache: false, "+page)
	require.NoError(t, err)

	const group = "  - {name: cache, role: cache, count: 2}\n"
	_, err = parseAPI(t, all, page, "object_cache: true, "+page, "nodes:\n", "nodes:\n"+group)
	require.NoError(t, err)
}

func TestAValueOfASettingThatNeedsNodesOfAnotherRoleSaysSo(t *testing.T) {
	const page = `url: "https://www.example.org"`
	const group = "  - {name: cache, role: cache, count: 2}\n"

	all := withRoles(t, apiRole)

	// Line and column are those of the value.
	_, err := parseAPI(t, all, page, "sessions: cache, "+page)
	require.ErrorContains(t, err, `: error: roles.web.sessions: needs nodes of role "cache", which no group has; `+
		`add one, as in - {name: cache, role: cache, count: 2}`)
	require.Regexp(t, `^s\.yaml:[0-9]+:[0-9]+: error`, err.Error())

	_, err = parseAPI(t, all, "role: web, count: 2}", "role: web, count: 2, settings: {sessions: cache}}")
	require.ErrorContains(t, err, `settings.sessions: needs nodes of role "cache"`)

	// Nodes have the cache's password where they use it, and nowhere else.
	for setting, wants := range map[string]bool{
		"sessions: cache":     true,
		"object_cache: true":  true,
		"sessions: files":     false,
		"sessions: database":  false,
		"object_cache: false": false,
	} {
		said, err := parseAPI(t, all, page, setting+", "+page, "nodes:\n", "nodes:\n"+group)
		require.NoError(t, err, setting)

		names := said.SecretsOf(all["web"], all)
		require.Equal(t, wants, slices.Contains(names, "cache.password"), setting)
	}

	// Files want no cache.
	_, err = parseAPI(t, all, page, "sessions: files, "+page)
	require.NoError(t, err)
}

func TestAMailPortThatDigitalOceanClosesIsRefused(t *testing.T) {
	const page = `url: "https://www.example.org"`

	_, err := parseAPI(t, withRoles(t, apiRole), page, "smtp_port: 587, "+page)
	require.ErrorContains(t, err, "roles.web.smtp_port: must not be 587: DigitalOcean lets no Droplet reach that "+
		"port; mail providers listen on 2525, too")
}
