package stack_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/stack"
)

// guideVault is what the guide's script writes, in one file.
const guideVault = `---
vault_galera_root_password: "r00t-pa55"
vault_galera_ha_do_token: "d0-t0ken"
vault_haproxy_stats_user: "stats_4711"
vault_haproxy_stats_pass: "st@ts-pa55"
vault_wp_salt: |
    define('AUTH_KEY', 'k3y-of-auth');
vault_wp_db_pass: "db-#pa55&"
wp_db_pass: "{{ vault_wp_db_pass }}"
domain: "shop.example.org"
our_api_key: 'ap1-key'
`

func importGuide(
	t *testing.T,
	secrets *stack.Secrets,
	text string,
	extra map[string]string,
) (map[string]stack.Imported, error) {
	t.Helper()

	variables, err := stack.ReadVariables("vault.yml", []byte(text))
	require.NoError(t, err)

	all, after, err := secrets.Import(variables, extra, loaded(t), manifests(t))
	if err != nil {
		return nil, err
	}

	require.Len(t, all, len(variables), "each is told of")
	require.NotRegexp(t, `pa55|t0ken|k3y|ap1`, fmt.Sprintf("%+v", all), "no value is told")
	require.NoError(t, secrets.Change(secrets.All(), after))

	by := map[string]stack.Imported{}
	for _, one := range all {
		by[one.Variable] = one
	}

	return by, nil
}

func TestTheGuidesVaultIsImported(t *testing.T) {
	secrets := openSecrets(t)
	require.NoError(t, secrets.Ensure(loaded(t), manifests(t)))

	before := secrets.All()

	got, err := importGuide(t, secrets, guideVault, nil)
	require.NoError(t, err)

	for variable, want := range map[string]string{
		"vault_galera_root_password": stack.ImportNone,
		"vault_galera_ha_do_token":   stack.ImportNone,
		"vault_haproxy_stats_user":   stack.ImportNone,
		"vault_haproxy_stats_pass":   stack.ImportTaken,
		"vault_wp_salt":              stack.ImportNone,
		"vault_wp_db_pass":           stack.ImportTaken,
		"wp_db_pass":                 stack.ImportReference,
		"domain":                     stack.ImportSetting,
		"our_api_key":                stack.ImportUnknown,
	} {
		require.Equal(t, want, got[variable].State, variable)
	}

	require.Equal(t, "roles.web.url", got["domain"].To)
	require.Contains(t, got["our_api_key"].Why, "`--map our_api_key=SECRET`")
	require.Equal(t, []string{"proxy.stats_password", "wordpress.db_password"}, stack.Changed(before, secrets.All()))

	password, err := secrets.Get("wordpress.db_password")
	require.NoError(t, err)
	require.Equal(t, "db-#pa55&", password.Reveal())

	again, err := importGuide(t, secrets, guideVault, nil)
	require.NoError(t, err)
	require.Equal(t, stack.ImportSame, again["vault_wp_db_pass"].State)
}

func TestVariablesOfOnesOwnAreMapped(t *testing.T) {
	secrets := openSecrets(t)

	got, err := importGuide(t, secrets, guideVault, map[string]string{"our_api_key": "wordpress.admin_password"})
	require.NoError(t, err)
	require.Equal(t, stack.ImportTaken, got["our_api_key"].State)

	_, err = importGuide(t, secrets, guideVault, map[string]string{"our_api_key": "wordpress.admin_pasword"})
	require.ErrorContains(t, err, `did you mean "wordpress.admin_password"?`)

	_, err = importGuide(t, secrets, guideVault, map[string]string{"your_api_key": "wordpress.admin_password"})
	require.ErrorContains(t, err, "no file has such a variable")

	_, err = importGuide(t, secrets, "vault_wp_db_pass: a\nwp_db_pass: b\n", nil)
	require.ErrorContains(t, err, "both become wordpress.db_password")

	got, err = importGuide(t, secrets, guideVault, map[string]string{"our_api_key": stack.CAKey})
	require.NoError(t, err)
	require.Equal(t, stack.ImportNone, got["our_api_key"].State)
}

func TestFilesOfVariablesThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"$ANSIBLE_VAULT;1.1;AES256\n3061": "`ansible-vault view vault.yml | hornero secrets import --from-ansible -`",
		"":                                "it holds no variable",
		"- a\n":                           "no list of variables",
		"a: b\npass: *hidden\n":           "vault.yml:2:1: error: no YAML here",
	} {
		_, err := stack.ReadVariables("vault.yml", []byte(text))
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hidden")
	}

	_, err := stack.ReadVariables("vault.yml", []byte("$ANSIBLE_VAULT;1.2;AES256;dev\n3061"))
	require.ErrorIs(t, err, stack.ErrEncrypted)

	secrets := openSecrets(t)
	got, err := importGuide(t, secrets, "vault_wp_db_pass: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3061\n", nil)
	require.NoError(t, err)
	require.Contains(t, got["vault_wp_db_pass"].Why, "encrypted by itself")

	got, err = importGuide(t, secrets, "vault_wp_db_pass: ''\nvault_haproxy_stats_pass: [a]\n", nil)
	require.NoError(t, err)
	require.Equal(t, "it is empty", got["vault_wp_db_pass"].Why)
	require.Contains(t, got["vault_haproxy_stats_pass"].Why, "no single text")
}

// The page for whoever comes from the guide has a row for each variable of it.
func TestThePageHasEachVariableOfTheGuide(t *testing.T) {
	page, err := os.ReadFile("../docs/from-terraform-ansible.md")
	require.NoError(t, err)

	all, err := stack.GuideVariables()
	require.NoError(t, err)
	require.Greater(t, len(all), 60)

	for _, name := range slices.Sorted(maps.Keys(all)) {
		variable := all[name]
		require.True(t, variable.Secret != "" || variable.Setting != "" || variable.Why != "", name)

		if short := strings.TrimPrefix(name, "vault_"); all[short] == all["vault_"+short] {
			name = short // one row has both
		}

		require.Contains(t, string(page), "`"+name+"`", name)
	}
}
