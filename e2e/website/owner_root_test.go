//go:build root

package website_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// verb runs one of the role's commands on a node, with the operator's words.
func (n *webNode) verb(name string, words ...string) (string, error) {
	n.t.Helper()

	for _, command := range n.site.manifest.Commands {
		if command.Name == name {
			all := slices.Concat(command.Run, words)
			return n.try("", all[0], all[1:]...)
		}
	}

	require.Failf(n.t, "no such command", "%s", name)

	return "", nil
}

// wordpress runs a piece of PHP in WordPress.
func (n *webNode) wordpress(code string) string {
	n.t.Helper()

	const load = "require '/usr/share/hornero/web/owner.php'; require owner_wordpress(); "

	return n.run("/usr/lib/hornero/web-php", "-r", load+code)
}

// signIn gives the answer to a form of name and password.
func (n *webNode) signIn(name, password string) answer {
	n.t.Helper()

	form := url.Values{
		"log":        {name},
		"pwd":        {password},
		"testcookie": {"1"},
	}

	return n.ask(
		http.MethodPost,
		"/wp-login.php",
		form.Encode(),
		"Content-Type",
		"application/x-www-form-urlencoded",
		"Cookie",
		"wordpress_test_cookie=WP%20Cookie%20check",
	)
}

func TestAnOwnerWhoForgotHisPasswordGetsANewOne(t *testing.T) {
	s := prepareSite(t, nil)

	// A plugin that stops WordPress does not stop this.
	const broken = "<?php\n/* Plugin Name: Broken */\nno_such_function();\n"
	s.adds("/usr/share/wordpress/wp-content/plugins/broken.php", broken)
	s.addNode()
	s.install()
	node := s.web[0]

	out, err := node.verb("site password", "nobody")
	require.Error(t, err)
	require.Contains(t, out, "WordPress has no user nobody")

	s.plugins(`a:1:{i:0;s:10:"broken.php";}`)

	out, err = node.verb("site password", "admin@example.org")
	require.NoError(t, err, out)
	require.Regexp(t, `^[A-Za-z0-9]{24}\n$`, out)

	s.plugins("a:0:{}")
	require.Equal(t, http.StatusFound, node.signIn("admin", strings.TrimSpace(out)).status)
	require.Equal(t, http.StatusOK, node.signIn("admin", "it's the secret wordpress.admin_password").status)
}

// plugins says which plugins are active, in WordPress' own form.
func (s *site) plugins(active string) {
	s.t.Helper()
	s.db.sql("UPDATE wordpress.wp_options SET option_value = '" + active + "' WHERE option_name = 'active_plugins'")
}

// oldAddresses are texts of a site that had another address, each as it is to be afterwards.
const oldAddresses = `
$old = 'http://old.example';
$nested = serialize(['address' => "$old/é", 'sizes' => [1.5, true, null]]);
update_option('test_plain', "<a href='$old/page'>$old</a> http://old.example.org");
update_option('test_serialised', ['deep' => [$old, (object) ['of' => "$old/x"]], 'again' => $nested]);
update_option('test_json', json_encode(['url' => "$old/picture.png"]));
update_option('test_other', "//old.example/a https%3A%2F%2Fold.example%2Fb");
wp_insert_post(['post_title' => 'Moved', 'post_content' => "See $old/about", 'post_status' => 'publish']);
`

func TestTheOldAddressIsReplacedEverywhere(t *testing.T) {
	s := newSite(t, 1, map[string]string{"url": "https://www.new.example"})
	node := s.web[0]
	node.wordpress(oldAddresses)

	// A table of a plugin, without a key.
	s.db.sql("CREATE TABLE wordpress.wp_log (line TEXT)")
	s.db.sql("INSERT INTO wordpress.wp_log VALUES ('http://old.example/1'), ('-')")

	const options = "SELECT option_name, option_value FROM wordpress.wp_options WHERE option_name LIKE 'test_%'"
	was := s.db.sql(options)

	out, err := node.verb(
		"site search-replace",
		"http://old.example",
		"https://www.new.example",
		"--dry-run",
	)
	require.NoError(t, err, out)
	require.Contains(t, out, "wp_posts.post_content: 1 rows, 1 places")
	require.Contains(t, out, "wp_log.line: 1 rows, 1 places")
	require.Contains(t, out, "would change")
	require.Equal(t, was, s.db.sql(options))

	out, err = node.verb(
		"site search-replace",
		"http://old.example",
		"https://www.new.example",
	)
	require.NoError(t, err, out)

	now := node.wordpress(`foreach (['plain', 'serialised', 'json', 'other'] as $name) {
		echo json_encode(get_option("test_$name"), JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE), "\n";
	}`)
	require.Equal(t, movedAddresses, now)

	require.Equal(t, "https://www.new.example/1\n-", s.db.sql("SELECT line FROM wordpress.wp_log"))
	require.Equal(t, "See https://www.new.example/about",
		s.db.sql("SELECT post_content FROM wordpress.wp_posts WHERE post_title = 'Moved'"))

	out, err = node.verb(
		"site search-replace",
		"http://old.example",
		"https://www.new.example",
	)
	require.NoError(t, err, out)
	require.Contains(t, out, "0 rows changed")
}

const movedAddresses = `"<a href='https://www.new.example/page'>https://www.new.example</a> http://old.example.org"
{"deep":["https://www.new.example",{"of":"https://www.new.example/x"}],"again":` + movedNested + `}
"{\"url\":\"https:\\/\\/www.new.example\\/picture.png\"}"
"//www.new.example/a https%3A%2F%2Fwww.new.example%2Fb"
`

// movedNested is a serialised text in a serialised array: the length that it tells is that of the new address.
const movedNested = `"a:2:{s:7:\"address\";s:26:\"https://www.new.example/é\";` +
	`s:5:\"sizes\";a:3:{i:0;d:1.5;i:1;b:1;i:2;N;}}"`

// likeWPCLI loads WordPress as wp-cli does: wp-config without its last line, then the rest.
const likeWPCLI = `<?php
$words = [];
foreach (array_slice($argv, 1) as $word) {
	if (preg_match('/^--(path|url)=(.*)$/', $word, $found)) {
		${$found[1]} = $found[2];
	} else {
		$words[] = $word;
	}
}
$_SERVER['HTTP_HOST'] = parse_url($url, PHP_URL_HOST);
define('ABSPATH', "$path/");
eval(preg_replace('/^\s*(<\?php|require_once.*wp-settings.*)$/m', '', file_get_contents("$path/wp-config.php")));
require ABSPATH . 'wp-settings.php';
echo implode(' ', $words), ' ', get_option('blogname'), ' ', home_url(), ' ', posix_getpwuid(posix_geteuid())['name'];
`

func TestTheOwnersWPCLIRunsOnANode(t *testing.T) {
	s := newSite(t, 1, map[string]string{"url": "https://www.example.org"})
	node := s.web[0]

	out, err := node.verb("wp", "option", "list")
	require.Error(t, err)
	require.Contains(t, out, "put the phar into roles/web/wp-cli.phar")

	node.write("/usr/share/hornero/web/wp-cli.phar", "0644", "root:root", likeWPCLI)

	out, err = node.verb("wp", "option", "two words")
	require.NoError(t, err, out)
	require.Equal(t, "option two words Shop https://www.example.org www-data", out)
}

func TestSiteHealthHasNothingThatIsTheStacksDoing(t *testing.T) {
	s := newSite(t, 1, map[string]string{"url": "https://www.example.org"})

	out, err := s.web[0].verb("site health")
	require.Error(t, err, "a critical finding is an exit code: "+out)
	require.Contains(t, out, "critical: dotorg_communication: ")

	// A test reaches nothing outside.
	unreachable := []string{"dotorg_communication", "wordpress_version"}

	for line := range strings.Lines(out) {
		kind, rest, _ := strings.Cut(line, ": ")
		name, _, _ := strings.Cut(rest, ": ")

		if kind == "critical" || kind == "recommended" {
			require.Contains(t, unreachable, name, out)
		}
	}

	require.Empty(t, s.db.sql("SELECT meta_value FROM wordpress.wp_usermeta WHERE meta_key = 'session_tokens'"))
}
