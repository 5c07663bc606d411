package roles_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

// While a password is rotated the database takes both values; Debian 9's cannot.
func TestADatabaseTakesThePasswordThatWasRotated(t *testing.T) {
	const (
		path = "/etc/mysql/hornero/grants.sql"
		// PASSWORD('new') and PASSWORD('o''ld'), as a server says them.
		both = "VIA mysql_native_password USING '*6FE2B845E049CDA9EFED8CFAF265CD29622FD852'\n" +
			"  OR mysql_native_password USING '*BABCF21484C5F31DCBD59862646386A1EDAC8596' REQUIRE SSL;"
	)

	for release, takes := range map[string]bool{
		"debian-13": true,
		"debian-12": true,
		"debian-9":  false,
	} {
		facts := nodeFacts("db", release)
		facts.Secrets["wordpress.db_password"] = "new"
		require.NotContains(t, render(t, "db", facts)[path], " OR mysql_native_password", release)

		facts.Secrets[roles.PreviousSecret("wordpress.db_password")] = "o'ld"
		text := render(t, "db", facts)[path]

		if takes {
			require.Contains(t, text, both, release)
		} else {
			require.NotContains(t, text, "*BABCF21484C5F31DCBD59862646386A1EDAC8596", release)
		}
	}
}
