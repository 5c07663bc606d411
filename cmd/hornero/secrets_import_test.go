package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const vaultText = `vault_wp_db_pass: "db-#pa55"
vault_galera_root_password: "r00t-pa55"
domain: shop.example.org
`

func TestAVaultIsImportedFromStandardInput(t *testing.T) {
	secretsStack(t)

	before, err := os.ReadFile("secrets.age")
	require.NoError(t, err)

	dry := horneroWith(t, vaultText, "secrets", "import", "--from-ansible", "-", "--dry-run")
	require.Zero(t, dry.code, dry.stderr)
	require.Contains(t, dry.stderr, "without --dry-run changed would be: wordpress.db_password\n")

	after, err := os.ReadFile("secrets.age")
	require.NoError(t, err)
	require.Equal(t, before, after)

	got := horneroWith(t, vaultText, "secrets", "import", "--from-ansible", "-")
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, dry.stdout, got.stdout)
	require.Contains(t, got.stdout, "vault_wp_db_pass            -> secret wordpress.db_password\n")
	require.Contains(t, got.stdout, "vault_galera_root_password  -  root logs in to MariaDB through its socket")
	require.Contains(t, got.stdout, "-> roles.web.url of stack.yaml: it is no secret")
	require.Contains(t, got.stderr, "  hornero replace db-1\n")
	require.NotContains(t, got.stdout+got.stderr, "pa55")
	require.Equal(t, "db-#pa55", value(t, "wordpress.db_password"))

	var lines []importedLine
	asJSON := horneroWith(t, vaultText, "secrets", "import", "--from-ansible", "-", "--json")
	require.NoError(t, json.Unmarshal([]byte(asJSON.stdout), &lines))
	require.Len(t, lines, 3)
	require.Equal(t, "same", lines[0].State)
	require.NotContains(t, asJSON.stdout, "pa55")
}

func TestAnEncryptedVaultIsToldOf(t *testing.T) {
	folder := secretsStack(t)
	write(t, folder, "vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n3061\n")

	got := hornero(t, "secrets", "import", "--from-ansible", "vault.yml")
	require.Equal(t, 1, got.code)
	require.True(t, strings.HasSuffix(strings.TrimSpace(got.stderr),
		"`ansible-vault view vault.yml | hornero secrets import --from-ansible -`"), got.stderr)

	got = hornero(t, "secrets", "import")
	require.Contains(t, got.stderr, "name a file with --from-ansible")
}
