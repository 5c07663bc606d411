package roles_test

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

// allTexts are what a role brings on a release: its templates as a node has them, and its files.
func allTexts(t *testing.T, role, release string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	if role != roles.Common {
		texts = render(t, role, nodeFacts(role, release))
	}

	manifest, err := roles.Load(roles.Embedded(), role)
	require.NoError(t, err)

	for _, file := range manifest.On(release).Files {
		data, err := file.Data()
		require.NoError(t, err)
		texts[file.Path] = string(data)
	}

	return texts
}

func TestDebian9sProgramsKnowEveryName(t *testing.T) {
	for _, role := range append([]string{roles.Common}, everyRole...) {
		if !isOn(role, "debian-9") {
			continue
		}

		for path, text := range allTexts(t, role, "debian-9") {
			require.Empty(t, refusedOn9(path, text), "%s of %s", path, role)
		}
	}
}

var unknownName = regexp.MustCompile(`does not know "([^"]+)"`)

// refusedNames are the names in a text that Debian 9's programs do not know, sorted.
func refusedNames(path, text string) string {
	var refused []string
	for _, what := range refusedOn9(path, text) {
		refused = append(refused, unknownName.FindStringSubmatch(what)[1])
	}

	slices.Sort(refused)

	return strings.Join(slices.Compact(refused), " ")
}

// The rules work: what Debian 13 gets is refused, for exactly what Debian 9's programs do not know.
func TestDebian13sTextsAreRefused(t *testing.T) {
	for role, want := range map[string]map[string]string{
		"common": {"/etc/systemd/system/hornero-bootstrap.service": "LockPersonality RestrictNamespaces " +
			"RuntimeDirectoryPreserve StateDirectory StateDirectoryMode"},
		"proxy": {
			"/etc/haproxy/haproxy.cfg": "clitcpka-cnt clitcpka-idle clitcpka-intvl expose-fd log stdout " +
				"short srvtcpka-cnt srvtcpka-idle srvtcpka-intvl",
			"/etc/systemd/system/haproxy.service": newLimits + " RestrictSUIDSGID",
		},
		"db": {
			"/etc/mysql/mariadb.conf.d/90-hornero.cnf": "require_secure_transport ssl-mode " +
				"tca tcert tkey tls_version wsrep_mode",
			"/etc/mysql/hornero/grants.sql": "ALTER USER",
		},
		"web": {
			"/etc/haproxy/haproxy.cfg": "expose-fd log stdout short srvtcpka-cnt srvtcpka-idle " +
				"srvtcpka-intvl",
			"/etc/systemd/system/haproxy.service": newLimits + " RestrictSUIDSGID",
			"/etc/systemd/system/php-fpm.service": newLimits,
			"/etc/nginx/sites-enabled/hornero": "absolute_redirect brotli brotli_comp_level brotli_min_length " +
				"brotli_types limit_req limit_req_status limit_req_zone",
			"/etc/hornero-php/php-fpm.conf":     "decorate_workers_output",
			"/etc/systemd/system/nginx.service": newLimits + " RestrictSUIDSGID Type=exec",
		},
	} {
		got := map[string]string{}
		for path, text := range allTexts(t, role, "debian-13") {
			if refused := refusedNames(path, text); refused != "" {
				got[path] = refused
			}
		}

		require.Equal(t, want, got, role)
	}
}

// Each reader finds the names in every place where its program has them.
func TestWhatDebian9DoesNotKnowIsRefused(t *testing.T) {
	type refusal struct {
		path string
		what string
	}

	for text, want := range map[string]refusal{
		"backend x\n\tserver-template web 5 :80\n": {
			path: "haproxy.cfg",
			what: `"server-template"`,
		},
		"backend x\n\tdefault-server check inter 1s\n": {
			path: "haproxy.cfg",
			what: `"check"`,
		},
		"backend x\n\tdefault-server inter 1s tcp-ut 10s\n": {
			path: "haproxy.cfg",
			what: `"tcp-ut"`,
		},
		"backend x\n\tserver a 127.0.0.1:1 check init-state down\n": {
			path: "haproxy.cfg",
			what: `"init-state"`,
		},
		"backend x\n\tmagic yes\n": {
			path: "haproxy.cfg",
			what: `"magic" is not in the table`,
		},
		"[mariadbd]\n": {
			path: "x.cnf",
			what: `"mariadbd"`,
		},
		"[mysqld]\nwsrep_provider_options = \"gcache.size=1;socket.ssl_reload=1\"\n": {
			path: "x.cnf",
			what: `"socket.ssl_reload"`,
		},
		"server {\n\tlocation / { absolute_redirect off; }\n}\n": {
			path: "nginx/hornero",
			what: `"absolute_redirect"`,
		},
		"[www]\nlog_limit = 5\n": {
			path: "php-fpm.conf",
			what: `"log_limit"`,
		},
		"[Service]\nType=notify-reload\n": {
			path: "x.service",
			what: `"Type=notify-reload"`,
		},
		"<?php function f(): void {}": {
			path: "x.php",
			what: "void",
		},
		"<?php function f(?string $x) {}": {
			path: "x.php",
			what: "nullable",
		},
	} {
		refused := refusedOn9(want.path, text)
		require.Contains(t, strings.Join(refused, "\n"), want.what)
	}
}

// A limit that no text and no command asks for is a leftover.
func TestEveryLimitIsAskedFor(t *testing.T) {
	// By the limit: a piece's may be asked for by one of the roles that include it.
	questions := map[string]string{}

	for _, role := range everyRole {
		manifest, err := roles.Load(roles.Embedded(), role)
		require.NoError(t, err)

		all := strings.Join(manifest.Bake.Commands, "\n")

		for _, template := range manifest.Templates {
			text, err := template.Text()
			require.NoError(t, err)
			all += string(text)
		}

		// On a release that cannot count them, a port's connections are left out of the manifest.
		if slices.ContainsFunc(manifest.Ports, func(p roles.Port) bool { return p.Connections > 0 }) {
			all += `can "connection-limits"`
		}

		for _, limits := range manifest.Limits {
			for _, limit := range limits {
				questions[limit] += all
			}
		}
	}

	require.NotEmpty(t, questions)

	for limit, all := range questions {
		require.True(t, strings.Contains(all, fmt.Sprintf("can %q", limit)), "nobody asks for %s", limit)
	}
}

// newLimits are what systemd 232 does not know of what limits the daemons of other projects.
const newLimits = "LockPersonality ProtectClock ProtectHostname ProtectKernelLogs RestrictNamespaces"

// Debian 9's units differ from the others' in what systemd 232 and HAProxy 1.7 lack, and in nothing else.
func TestUnitsOfDebian9(t *testing.T) {
	type pair struct {
		now    string
		then   string
		differ string // the names of the lines that only one of them has
	}

	for _, pair := range []pair{
		{
			now:  "common/hornero-bootstrap.service",
			then: "common/debian-9/hornero-bootstrap.service",
			differ: "ExecStartPre LockPersonality RestrictNamespaces RuntimeDirectory RuntimeDirectoryPreserve " +
				"StateDirectory StateDirectoryMode SystemCallFilter",
		},
		{
			now:    "nginx/nginx.service",
			then:   "nginx/debian-9/nginx.service",
			differ: newLimits + " RestrictSUIDSGID Type",
		},
		{
			now:    "haproxy/haproxy.service",
			then:   "haproxy/debian-9/haproxy.service",
			differ: "ExecStart " + newLimits + " RestrictSUIDSGID RuntimeDirectory Type",
		},
		{
			now:    "php-fpm/php-fpm.service",
			then:   "php-fpm/debian-9/php-fpm.service",
			differ: newLimits,
		},
	} {
		now := unitLines(t, pair.now)
		then := unitLines(t, pair.then)

		differ := append(missingNames(now, then), missingNames(then, now)...)
		slices.Sort(differ)
		require.Equal(t, pair.differ, strings.Join(slices.Compact(differ), " "), pair.then)
	}
}

// missingNames are the names of the lines that the other unit does not have.
func missingNames(lines, other map[string]bool) []string {
	var names []string

	for line := range lines {
		if !other[line] {
			name, _, _ := strings.Cut(line, "=")
			names = append(names, name)
		}
	}

	return names
}

func unitLines(t *testing.T, path string) map[string]bool {
	t.Helper()
	data, err := fs.ReadFile(roles.Embedded(), path)
	require.NoError(t, err)

	lines := map[string]bool{}

	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, "=") && !strings.HasPrefix(line, "#") {
			lines[strings.TrimSpace(line)] = true
		}
	}

	return lines
}
