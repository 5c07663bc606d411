//go:build root

package website_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// otherWordPress makes a node's WordPress one of another schema.
func (n *webNode) otherWordPress(version string) {
	n.t.Helper()

	const change = `s/^\$wp_db_version = [0-9]*;/$wp_db_version = VERSION;/`

	n.run(
		"sed",
		"-i",
		strings.Replace(change, "VERSION", version, 1),
		"/usr/share/wordpress/wp-includes/version.php",
	)
}

func TestTheSchemaIsUpdatedWhenTheLastOldNodeIsGone(t *testing.T) {
	const shown = "echo get_option('db_version');"
	const newer = "99999"

	s := newSite(t, 1, nil)
	older := s.web[0]
	was := s.schema()

	// A node of a newer image comes. It has not started its tasks yet: nobody knows what it has.
	next := s.addNode()
	next.otherWordPress(newer)
	require.Contains(t, next.task("wordpress-schema"), "web-1:1")

	require.Contains(t, next.task("wordpress-install"), "installed already")
	out := next.task("wordpress-schema")
	require.Contains(t, out, "schema "+was+" stays until these nodes are gone")
	require.Contains(t, out, "web-1:1")
	require.NotContains(t, out, "web-2:1")
	require.Equal(t, was, s.schema())

	// Until then no administrator is sent to upgrade.php, on either of them.
	require.Equal(t, was, older.wordpress(shown))
	require.Equal(t, newer, next.wordpress(shown))

	s.web = []*webNode{next}
	require.Contains(t, next.task("wordpress-schema"), "schema "+was+" is now "+newer)
	require.Equal(t, newer, s.schema())
	require.Empty(t, next.task("wordpress-schema"), "once")

	// The image is rolled back: what is newer stays.
	s.web = []*webNode{older}
	require.Empty(t, older.task("wordpress-schema"))
	require.Equal(t, newer, s.schema())
	require.Equal(t, was, older.wordpress(shown))
	require.Equal(t, 200, older.get("/").status)
}

// schema is what the database says of itself.
func (s *site) schema() string {
	return s.db.sql("SELECT option_value FROM wordpress.wp_options WHERE option_name = 'db_version'")
}

func TestTheInstallerTakesLanguageTimeAndPrefix(t *testing.T) {
	s := prepareSite(t, map[string]string{
		"language":     "de_DE",
		"timezone":     "Europe/Berlin",
		"table_prefix": "shop_",
	})

	// WordPress takes a language that is there only.
	s.adds("/usr/share/wordpress/wp-content/languages/de_DE.mo", "")
	s.addNode()
	s.install()
	node := s.web[0]

	require.Contains(t, node.health("/first"), "200 OK wordpress serves")
	require.Empty(t, s.db.sql("SHOW TABLES FROM wordpress LIKE 'wp\\_%'"))
	require.Equal(t, "de_DE", node.wordpress("echo get_option('WPLANG');"))
	require.Equal(t, "Europe/Berlin", node.wordpress("echo get_option('timezone_string');"))
	require.Contains(t, node.task("wordpress-install"), "installed already")
}
