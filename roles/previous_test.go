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
		both = "VIA mysql_native_password USING PASSWORD('new')\n" +
			"  OR mysql_native_password USING PASSWORD('o''ld') REQUIRE SSL;"
	)

	for release, takes := range map[string]bool{
		"debian-13": true,
		"debian-12": true,
		"debian-9":  false,
	} {
		facts := nodeFacts("db", release)
		facts.Secrets["wordpress.db_password"] = "new"
		require.NotContains(t, render(t, "db", facts)[path], "mysql_native_password", release)

		facts.Secrets[roles.PreviousSecret("wordpress.db_password")] = "o'ld"
		text := render(t, "db", facts)[path]

		if takes {
			require.Contains(t, text, both, release)
		} else {
			require.NotContains(t, text, "o''ld", release)
		}
	}
}
