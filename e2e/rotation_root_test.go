//go:build root

package e2e_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const databasePasswordSecret = "wordpress.db_password"

// thePasswordRotates gives the database another password under load, and retires the old one.
func thePasswordRotates(t *testing.T, s *stack) {
	// A run that was interrupted has left it so.
	_, _ = s.try("secrets", "retire", databasePasswordSecret)

	before := strings.TrimSpace(s.must("secrets", "show", databasePasswordSecret))
	visited := visit(t, s.address)

	s.must("secrets", "rotate", databasePasswordSecret)
	s.must("up", soak)

	after := strings.TrimSpace(s.must("secrets", "show", databasePasswordSecret))
	require.NotEqual(t, before, after)
	require.Contains(t, s.must("plan"), "Nothing to do")
	require.Equal(t, "in", s.databaseSays(before), "the old password works until it is retired")
	require.Equal(t, "in", s.databaseSays(after))

	s.must("secrets", "retire", databasePasswordSecret)
	s.must("up", soak)
	require.Contains(t, s.must("plan"), "Nothing to do")
	require.Contains(t, s.databaseSays(before), "Access denied")
	require.Equal(t, "in", s.databaseSays(after))

	asked, failed := visited()
	t.Logf("%d pages while the database's password was rotated, %d failed", asked, len(failed))
	require.Empty(t, failed)
	s.untilHealthy()
}

// phpLogin logs in to the database as WordPress does, with the password from standard input.
const phpLogin = `require '/etc/wordpress/config-default.php';
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
try {
	$db = mysqli_init();
	$db->ssl_set(null, null, '/etc/hornero-database/ca.pem', null, null);
	$db->real_connect(DB_HOST, DB_USER, trim(fgets(STDIN)), DB_NAME, null, null, MYSQL_CLIENT_FLAGS);
	echo 'in';
} catch (mysqli_sql_exception $e) {
	echo $e->getMessage();
}`

// databaseSays tries a password, and tells what the database says to it.
func (s *stack) databaseSays(password string) string {
	s.t.Helper()

	return s.onWith("web-1", password+"\n", "php -r '"+strings.ReplaceAll(phpLogin, "'", `'\''`)+"'")
}
