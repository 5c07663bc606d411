package stack_test

import (
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
