package roles_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

// vault is a role with a certificate of an authority of its own, and a template.
func vault(t *testing.T, text string) (*roles.Manifest, error) {
	t.Helper()

	return roles.Load(fstest.MapFS{
		"vault/role.yaml": {Data: []byte("version: 1\nname: vault\npeers: client\n" +
			"certificates: [{authority: vault}]\n" +
			"templates: [{source: t, path: /t, volatile: true}]\n")},
		"vault/t": {Data: []byte(text)},
	}, "vault")
}

func TestATemplateReadsTheIdentityOfAnAuthority(t *testing.T) {
	manifest, err := vault(t, `{{pki "certificate"}} {{pki "certificate" "vault"}} {{pki "ca" "vault"}}`)
	require.NoError(t, err)

	facts := roles.Facts{
		PKI: map[string]string{"certificate": "own", "ca": "all"},
		Authorities: map[string]map[string]string{
			"vault": {"certificate": "vault's", "ca": "few"},
		},
	}

	text, err := manifest.Render(manifest.Templates[0], facts)
	require.NoError(t, err)
	require.Equal(t, "own vault's few", string(text))

	// The document of an earlier version has none.
	facts.Authorities = nil
	text, err = manifest.Render(manifest.Templates[0], facts)
	require.NoError(t, err)
	require.Equal(t, "own own all", string(text))
}

func TestAnAuthorityThatTheManifestDoesNotNameIsAMistake(t *testing.T) {
	_, err := vault(t, `{{pki "ca" "valut"}}`)
	require.ErrorContains(t, err, `declares no certificate of authority "valut"; did you mean "vault"?`)

	_, err = vault(t, `{{pki "cert" "vault"}}`)
	require.ErrorContains(t, err, `declares no part of the node's identity "cert"`)
}
