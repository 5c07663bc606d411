//go:build root

package website_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder/code"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/roles"
)

const content = "/usr/share/wordpress/wp-content"

// bakeCode puts the stack's own code into an image, as the bake does.
func (s *site) bakeCode(oven *node) {
	s.t.Helper()

	found, err := code.Read(s.t.Context(), s.manifest, code.Cache(s.t.TempDir()))
	require.NoError(s.t, err)

	for _, file := range found.Files {
		oven.write(file.Path, "0644", "root:root", string(file.Data))
	}

	for _, link := range found.Links {
		user, group, _ := strings.Cut(link.Owner, ":")

		oven.run(
			"install",
			"-d",
			"-o",
			user,
			"-g",
			group,
			link.At,
		)
		oven.run("mkdir", "-p", path.Dir(link.Path))
		oven.run("ln", "-sfn", link.At, link.Path)
	}
}

// shop is examples/shop with WordPress installed, its plugins and its theme switched on.
func shop(t *testing.T) (*site, *webNode) {
	t.Helper()

	s := prepareSiteOf(t, roles.Overlay(os.DirFS("../../examples/shop/roles")), nil)
	node := s.addNode()
	s.install()

	node.wordpress(`
		require_once ABSPATH . 'wp-admin/includes/plugin.php';
		switch_theme('shop-window');
		foreach (['catalogue', 'basket', 'styles'] as $name) {
			$wrong = activate_plugin("shop-$name/shop-$name.php");
			if (is_wp_error($wrong)) { echo $wrong->get_error_message(); exit(1); }
		}`)

	return s, node
}

func TestTheExampleShopServesWithItsOwnCode(t *testing.T) {
	s, node := shop(t)

	front := node.get("/")
	require.Equal(t, http.StatusOK, front.status, front.body)
	require.Contains(t, front.body, "/wp-content/themes/shop-window/style.css")
	require.Equal(t, "open", front.header.Get("X-Shop"), "the must-use plugin in a folder, and a secret in own.php")

	basket := node.ask(
		http.MethodPost,
		"/index.php?rest_route=/shop/v1/basket",
		"",
	)
	require.JSONEq(t, `{"items": 1}`, basket.body)

	style := node.get("/wp-content/uploads/shop-styles/shop.css")
	require.Equal(t, http.StatusOK, style.status)
	require.Contains(t, style.body, ".products")
	require.Equal(t, "1\n", node.run("cat", "/var/lib/wordpress/writable/shop-cache/views"))

	var found []record.Code
	require.NoError(t, json.Unmarshal([]byte(s.image.inventory), &found))

	versions := map[string]string{}
	for _, item := range found {
		versions[item.Kind+" "+item.Name] = item.Version + " " + item.License
	}

	for item, version := range map[string]string{
		"plugin shop-catalogue":      "1.2.0",
		"plugin shop-basket":         "0.9.1",
		"plugin shop-styles":         "2.0",
		"theme shop-window":          "1.0",
		"must-use plugin shop-rules": "1.0",
	} {
		require.Equal(
			t,
			version+" GPL-2.0-or-later",
			versions[item],
			item,
		)
	}

	require.Regexp(t, `^6\.8`, versions["core wordpress"])
}

// asPHP runs a line of shell as PHP's user.
func (n *webNode) asPHP(line string) (string, error) {
	return n.try(
		"",
		"setpriv",
		"--reuid=www-data",
		"--regid=www-data",
		"--init-groups",
		"--no-new-privs",
		"sh",
		"-c",
		line,
	)
}

// PHP has a hole one day: what it may write is none of what is run.
func TestPHPWritesNothingThatIsRun(t *testing.T) {
	_, node := shop(t)

	const folders = "/usr/share /usr/lib/hornero /usr/lib/php /etc/wordpress /var/lib/wordpress/wp-content"

	out, err := node.asPHP("find " + folders + " -writable ! -type l")
	require.NoError(t, err, out)
	require.Empty(t, out)

	for _, target := range []string{
		content + "/mu-plugins/hole.php",
		content + "/plugins/shop-basket/shop-basket.php",
		content + "/object-cache.php",
		content + "/themes/hole.php",
		"/usr/share/wordpress/hole.php",
		"/etc/wordpress/config-hole.php",
	} {
		out, err := node.asPHP("echo '<?php' >" + target)
		require.Error(t, err, target)
		require.Contains(t, out, "Permission denied", target)
	}

	for _, folder := range []string{"uploads", "shop-cache"} {
		for _, name := range []string{
			"hole.php",
			"hole.PHP",
			"hole.php7",
			"hole.phtml",
			"hole.phar",
			".hole.php",
		} {
			target := folder + "/" + name

			out, err := node.asPHP(`echo '<?php echo 6 * 7;' >` + content + "/" + target)
			require.NoError(t, err, out)

			for _, address := range []string{target, target + "/picture.jpg", target + "?a=b"} {
				page := node.get("/wp-content/" + address)
				require.GreaterOrEqual(
					t,
					page.status,
					http.StatusBadRequest,
					address,
				)

				require.NotContains(
					t,
					page.body,
					"42",
					address,
				)
			}
		}
	}
}

func TestTheAdminPagesSayHowCodeComes(t *testing.T) {
	_, node := shop(t)

	signed := node.signIn("admin", "it's the secret wordpress.admin_password")
	require.Equal(t, http.StatusFound, signed.status)

	var cookies []string
	for _, cookie := range signed.header.Values("Set-Cookie") {
		pair, _, _ := strings.Cut(cookie, ";")
		cookies = append(cookies, pair)
	}

	for page, status := range map[string]int{
		"plugin-install.php": http.StatusForbidden,
		"theme-install.php":  http.StatusForbidden,
		"plugin-editor.php":  http.StatusForbidden,
		"update-core.php":    http.StatusForbidden,
		"plugins.php":        http.StatusOK,
		"themes.php":         http.StatusOK,
	} {
		answer := node.get(
			"/wp-admin/"+page,
			"Cookie",
			strings.Join(cookies, "; "),
		)

		require.Equal(t, status, answer.status, page)
		require.Contains(t, answer.body, "Code comes with the image of this site", page)
		require.Contains(t, answer.body, "roles/web/plugins", page)
	}
}

// brokenCode is code that no image may have, by path, and what the bake says of it.
var brokenCode = []struct {
	path string
	text string
	said string
}{{
	path: "plugins/syntax/syntax.php",
	text: "<?php\n// Plugin Name: Syntax\nfunction {\n",
	said: "syntax.php",
}, {
	path: "plugins/none/none.php",
	text: "<?php\n",
	said: "wp-content/plugins/none is no plugin",
}, {
	path: "plugins/newer/newer.php",
	text: "<?php\n/* Plugin Name: Newer\nRequires PHP: 99.1 */",
	said: "plugin newer requires PHP 99.1",
}, {
	path: "plugins/wp/wp.php",
	text: "<?php\n/* Plugin Name: W\nRequires at least: 99 */",
	said: "plugin wp requires WordPress 99",
}, {
	path: "plugins/needs/needs.php",
	text: "<?php\n/* Plugin Name: N\nRequires Plugins: shop-catalogue, absent */",
	said: "plugin needs requires the plugin absent, which is not in the image",
}, {
	path: "themes/bare/readme.txt",
	text: "a theme",
	said: "wp-content/themes/bare is no theme",
}, {
	path: "themes/child/style.css",
	text: "/* Theme Name: C\nTemplate: gone */",
	said: "theme child requires the theme gone",
}, {
	path: "themes/empty/style.css",
	text: "/* Theme Name: E */",
	said: "theme empty has neither index.php",
}, {
	path: "mu-plugins/lost/other.php",
	text: "<?php",
	said: "wp-content/mu-plugins/lost is never loaded: it has no file lost.php",
}, {
	path: "stray.php",
	text: "<?php",
	said: "wp-content/stray.php is no file that WordPress loads from there",
}}

func TestTheBakeSaysWhatIsWrongWithCode(t *testing.T) {
	s := prepareSiteOf(t, roles.Overlay(os.DirFS("../../examples/shop/roles")), nil)
	node := s.addNode()
	inventory := s.manifest.Code.Inventory

	for _, broken := range brokenCode {
		node.write(content+"/"+broken.path, "0644", "root:root", broken.text)
	}

	basket := content + "/plugins/shop-basket"

	node.write(
		basket+"/loose.php",
		"0666",
		"root:root",
		"<?php",
	)

	node.write(
		basket+"/foreign.php",
		"0644",
		"www-data:www-data",
		"<?php",
	)

	node.run(
		"ln",
		"-s",
		"/etc/passwd",
		basket+"/link",
	)

	out, err := node.try("", inventory[0], inventory[1:]...)
	require.Error(t, err)

	for _, broken := range brokenCode {
		require.Contains(t, out, broken.said)
	}

	for _, name := range []string{
		"loose.php is not root's",
		"foreign.php is not root's",
		"link is a link",
	} {
		require.Contains(t, out, "plugins/shop-basket/"+name)
	}

	require.NotContains(t, out, "shop-catalogue, ", "what is there is not missed")
}
