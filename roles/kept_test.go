package roles_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// The program has the keys of the accounts that its authorities know, and no word of one that there is not.
func TestRenewalTellsTheKeysOfKnownAccounts(t *testing.T) {
	manifest, err := roles.Load(roles.Embedded(), "edge")
	require.NoError(t, err)

	told := func(secrets map[string]report.Secret) string {
		secrets[roles.SecretRenewal] = "sealed"

		text, err := manifest.RenderText("x", "{{renewal}}", roles.Facts{
			Release:  "debian-13",
			Settings: map[string]string{roles.SettingRenewal: `{"directory":"https://a.example/"}`},
			Secrets:  secrets,
		})
		require.NoError(t, err)

		return string(text)
	}

	require.JSONEq(
		t,
		`{"secret": "sealed", "request": {"directory": "https://a.example/"}}`,
		told(map[string]report.Secret{}),
	)
	require.JSONEq(
		t,
		`{
			"secret": "sealed",
			"request": {"directory": "https://a.example/"},
			"bindings": {"first": "k1", "fallback": "k2"}
		}`,
		told(map[string]report.Secret{
			roles.SecretBinding:         "k1",
			roles.SecretFallbackBinding: "k2",
		}),
	)
}
