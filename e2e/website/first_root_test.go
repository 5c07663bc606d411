//go:build root

package website_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// health asks the node as its bootstrap does, and gives the answer's first line and its text.
func (n *webNode) health(path string) string {
	n.t.Helper()

	const ask = `$text = file_get_contents('http://127.0.0.1:8081' . $argv[1], false,
		stream_context_create(['http' => ['ignore_errors' => true]]));
	echo $http_response_header[0], ' ', $text;`

	return n.run("php", "-r", ask, "--", path)
}

// hasPHP waits until PHP listens, of which nginx knows nothing.
func (n *webNode) hasPHP() {
	n.t.Helper()

	require.Eventually(n.t, func() bool {
		_, err := n.try("", "test", "-S", "/run/php/hornero-health.sock")
		return err == nil
	}, patience, tick)
}

// faultyPlugin breaks a site as a file on the node says.
const faultyPlugin = `<?php
if (file_exists('/tmp/plugin-dies')) {
	no_such_function();
}
if (file_exists('/tmp/plugin-dies-inside')) {
	add_action('wp_head', function () { no_such_function(); });
}
if (file_exists('/tmp/plugin-closes')) {
	header('Retry-After: 600');
	wp_die('We are back soon.', 'Maintenance', 503);
}
`

func TestABrokenPluginIsFoundBeforeVisitorsCome(t *testing.T) {
	findABrokenPlugin(t, nil)
}

// The balancer ends TLS: who asks the node by http alone is sent away, and sees no page.
func TestABrokenPluginOfAnHTTPSSiteIsFoundBeforeVisitorsCome(t *testing.T) {
	findABrokenPlugin(t, map[string]string{"url": "https://www.example.org"})
}

func findABrokenPlugin(t *testing.T, settings map[string]string) {
	t.Helper()

	s := prepareSite(t, settings)
	s.adds("/usr/share/wordpress/wp-content/mu-plugins/faulty.php", faultyPlugin)
	s.addNode()
	node := s.web[0]
	node.hasPHP()

	require.Contains(t, node.health("/first"), "503 Service Unavailable wordpress is not installed yet")
	s.install()
	require.Contains(t, node.health("/first"), "200 OK wordpress serves")

	for fault, want := range map[string]string{
		"dies":        " answers 500",
		"dies-inside": "/ breaks off with an error",
	} {
		node.run("touch", "/tmp/plugin-"+fault)

		verdict := node.health("/first")
		require.Contains(t, verdict, "503 Service Unavailable")
		require.Contains(t, verdict, want)

		// The database is well, and so is the cheap check.
		require.Contains(t, node.health("/"), "200 OK wordpress serves")
		node.run("rm", "/tmp/plugin-"+fault)
	}

	// An owner who closed his site wants it so.
	node.run("touch", "/tmp/plugin-closes")
	page := node.get("/", "Host", "www.example.org", "X-Forwarded-Proto", "https")
	require.Equal(t, http.StatusServiceUnavailable, page.status)
	require.Contains(t, node.health("/first"), "200 OK wordpress serves")
}

func TestADatabaseWithoutAFreeConnectionTakesNoNodeOut(t *testing.T) {
	s := newSite(t, 1, nil)
	node := s.web[0]

	s.db.sql("ALTER USER wordpress WITH MAX_USER_CONNECTIONS 1")
	node.start("/usr/lib/hornero/web-php", "-r", holdsConnection)

	require.Eventually(t, func() bool {
		_, err := node.try("", "test", "-e", "/tmp/holds")
		return err == nil
	}, patience, tick)

	require.Contains(t, node.health("/"), "200 OK wordpress serves, and the database has no connection free")
}

const holdsConnection = `require '/usr/share/hornero/web/database.php';
$database = hornero_connect();
touch('/tmp/holds');
sleep(600);`
