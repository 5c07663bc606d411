//go:build root

package website_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

// breakouts are values that the check of stack.yaml refuses. Here the programs get them: what they read is a value.
var breakouts = map[string][]string{
	"url": {
		`http://a.example" x { } server { listen 9; } # '\`,
		"http://a.example\n}\nserver {\nlisten 9;\n",
	},
	"framed_by":         {`a"; } server { listen 9; } #`, `it's ; { } \`},
	"page_cache_except": {`/a" 1; } server { listen 9; } # (id)[`},
	"media_private":     {`a" { } } server { listen 9; } #`},
	"smtp_user":         {`'); system('id'); //`, "a\n\\' ?> <b>"},
	"table_prefix":      {`'; system('id'); '`, `\`},
}

// judge has the role's own checkers judge a node's texts with a setting of this value, and gives what they refused.
func (n *webNode) judge(setting, value string) map[string]string {
	n.t.Helper()

	facts := n.site.facts(n.node)
	before := facts.Settings[setting]
	facts.Settings[setting] = value

	defer func() { facts.Settings[setting] = before }()

	refused := map[string]string{}

	for i, template := range n.site.manifest.Templates {
		if len(template.Check) == 0 {
			continue
		}

		text, err := n.site.manifest.Render(template, facts)
		require.NoError(n.t, err)

		trial := fmt.Sprintf("/run/trial-%d", i)
		n.write(trial, "0644", "root:root", string(text))

		words := roles.Checker(template.Check, trial)
		if out, err := n.try("", words[0], words[1:]...); err != nil {
			refused[template.Path] = out
		}
	}

	return refused
}

// serveTrial has nginx serve the trial text of its site, and lists the ports that it listens at then: an nginx that is
// started as a daemon has opened them when its command ends, after the one before it has closed them.
const serveTrial = `cp $(grep -l "listen 127.0.0.1:8081" /run/trial-*) /etc/nginx/sites-enabled/hornero
nginx -s stop
nginx || exit 1
ss -ltn`

func TestTheProgramsReadValuesAsValues(t *testing.T) {
	s := newSite(t, 1, map[string]string{"smtp_host": "mail.example.org"})
	n := s.web[0]

	for setting, values := range breakouts {
		for _, value := range values {
			require.Empty(t, n.judge(setting, value), "%s %q", setting, value)

			// Of all texts nginx' is the one that could open a port.
			dump := n.run("sh", "-c", serveTrial)
			require.NotContains(t, dump, ":9 ", "%s %q", setting, value)
			require.Contains(t, dump, ":80 ", "%s %q", setting, value)
		}
	}
}

// A text that its program refuses takes nobody's place: the site goes on with the one before.
func TestAnUnreadableTextIsRefusedBeforeItServes(t *testing.T) {
	s := newSite(t, 1, nil)
	n := s.web[0]

	for setting, c := range map[string]struct{ value, path, says string }{
		"nginx_extra": {
			value: "location /a { return 200",
			path:  "/etc/nginx/sites-enabled/hornero",
			says:  "test failed",
		},
		"php_extra": {
			value: "no such line",
			path:  "/etc/hornero-php/php-fpm.conf",
			says:  "ERROR",
		},
		"config_extra": {
			value: "define('A'",
			path:  "/etc/wordpress/config-default.php",
			says:  "Errors parsing",
		},
		"haproxy_extra": {
			value: "nonsense 1",
			path:  "/etc/haproxy/haproxy.cfg",
			says:  "unknown keyword",
		},
	} {
		refused := n.judge(setting, c.value)
		require.Len(t, refused, 1, "%s: %v", setting, refused)
		require.Contains(t, refused[c.path], c.says, setting)
	}

	require.Empty(t, n.judge("nginx_extra", "location = /fine { return 204; }"))
	require.Equal(t, http.StatusOK, n.get("/").status)
}
