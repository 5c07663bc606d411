package roles_test

import (
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

// Debian 9's programs cannot be had here. What is rendered for them is held to tables of the names that they
// know: each has every name that our texts use on any release, with the version that it came with; a name that
// is not in its table is refused, too. A version stands where a manual or a list of changes names one; that an
// old name is old ("") was read for most of HAProxy's and some of MariaDB's names, and is common knowledge for
// the others. Debian 9 has HAProxy 1.7.5, MariaDB 10.1.48, galera-3 25.3.19, nginx 1.10.3, PHP 7.0.33 and
// systemd 232.
type rules struct {
	program string
	version string            // that Debian 9 has
	first   map[string]string // version by name; "" for what is as old as the program's Debian 9 version, or older
}

// refuse tells what is wrong with a name, or nothing.
func (r rules) refuse(name string) string {
	first, known := r.first[name]
	switch {
	case !known:
		return fmt.Sprintf("%s: %q is not in the table", r.program, name)

	case first != "" && newer(first, r.version):
		return fmt.Sprintf(
			"%s %s does not know %q, which came with %s",
			r.program,
			r.version,
			name,
			first,
		)
	}

	return ""
}

func newer(a, b string) bool {
	one, two := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(one), len(two)) {
		x, _ := strconv.Atoi(one[i]) // the tables hold numbers
		y, _ := strconv.Atoi(two[i])
		if x != y {
			return x > y
		}
	}

	return len(one) > len(two)
}

func names(first map[string]string, old ...string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, first)

	for _, name := range old {
		all[name] = ""
	}

	return all
}

var haproxyRules = map[string]rules{
	// HAProxy 1.7 Configuration Manual, 3 "Global parameters", 4.1 "Proxy keywords matrix" and 4.2; what is
	// newer: the manuals of 1.8 (server-template), 1.9 (log targets), 2.2 (http-check send) and 2.4 (keep-alive
	// times).
	"line": {
		program: "HAProxy",
		version: "1.7",
		first: names(map[string]string{
			"clitcpka-idle":   "2.4",
			"clitcpka-intvl":  "2.4",
			"clitcpka-cnt":    "2.4",
			"srvtcpka-idle":   "2.4",
			"srvtcpka-intvl":  "2.4",
			"srvtcpka-cnt":    "2.4",
			"server-template": "1.8",
			"http-check send": "2.2",
			"log stdout":      "1.9",
		}, "chroot", "stats socket", "stats timeout", "user", "group", "maxconn", "hard-stop-after", "mode", "log global", "log /dev/log",
			"timeout connect", "timeout queue", "timeout check", "timeout client", "timeout server", "timeout client-fin", "timeout server-fin",
			"timeout http-request", "timeout http-keep-alive", "http-request set-header", "http-request del-header", "option clitcpka", "option srvtcpka", "retries", "option redispatch", "bind", "default_backend", "default-server", "server", "balance",
			"option httpchk", "http-check expect", "http-check disable-on-404", "stats enable", "stats uri", "stats refresh", "stats auth"),
	},
	// 5.1 "Bind options", which the stats socket shares; 1.8 for expose-fd.
	"bind": {
		program: "HAProxy",
		version: "1.7",
		first: names(
			map[string]string{"expose-fd": "1.8"},
			"mode",
			"level",
			"tcp-ut",
			"transparent",
			"ssl",
			"crt",
			"no-sslv3",
			"no-tlsv10",
			"no-tlsv11",
		),
	},
	// 5.2 "Server and default-server options": of 1.7's, only some may stand on a default-server line. 1.8
	// allows all.
	"default-server": {
		program: "HAProxy",
		version: "1.7",
		first: names(map[string]string{
			"check":     "1.8",
			"tcp-ut":    "1.8",
			"init-addr": "1.8",
		},
			"port", "inter", "fastinter", "downinter", "rise", "fall", "on-marked-down"),
	},
	"server": {
		program: "HAProxy",
		version: "1.7",
		first: names(
			map[string]string{"init-state": "3.1"},
			"check",
			"track",
			"tcp-ut",
			"disabled",
			"backup",
		),
	},
	// "log", 3.1: 1.7 has rfc3164 and rfc5424 only.
	"log format": {
		program: "HAProxy",
		version: "1.7",
		first: map[string]string{
			"rfc3164": "",
			"rfc5424": "",
			"short":   "1.9",
		},
	},
}

// haproxyFlags take no value.
var haproxyFlags = []string{
	"check", "disabled", "backup", "transparent", "ssl", "no-sslv3", "no-tlsv10",
	"no-tlsv11",
}

// refuseHAProxy reads a configuration as HAProxy does, a line a keyword.
func refuseHAProxy(text string) (refused []string) {
	tell := func(kind, name string) {
		if what := haproxyRules[kind].refuse(name); what != "" {
			refused = append(refused, what)
		}
	}

	options := func(kind string, words []string) {
		for i := 0; i < len(words); i++ {
			tell(kind, words[i])
			if !slices.Contains(haproxyFlags, words[i]) {
				i++ // its value
			}
		}
	}

	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if !strings.HasPrefix(line, "\t") || len(words) == 0 || words[0] == "#" {
			continue
		}

		keyword := words[0]
		if slices.Contains(
			[]string{"option", "stats", "timeout", "http-check", "http-request", "log"},
			keyword,
		) {
			keyword = strings.Join(words[:2], " ")
		}

		tell("line", keyword)

		switch keyword {
		case "stats socket", "bind":
			options("bind", words[strings.Count(keyword, " ")+2:])
		case "default-server":
			options(keyword, words[1:])
		case "server":
			options(keyword, words[3:])

		case "log stdout", "log /dev/log":
			if words[2] == "format" {
				tell("log format", words[3])
			}
		}
	}

	return refused
}

var mariadbRules = map[string]rules{
	// MariaDB documentation, "Configuring MariaDB with Option Files", option groups of mysqld and of the state
	// transfer's scripts.
	"group": {
		program: "MariaDB",
		version: "10.1",
		first: map[string]string{
			"mysqld":   "",
			"sst":      "",
			"mariadbd": "10.4.6",
		},
	},
	// MariaDB documentation, "Server System Variables", "InnoDB System Variables", "Galera Cluster System
	// Variables", "SSL/TLS System Variables", "mysqld Options": the releases that each names. tls_version
	// 10.4.6, require_secure_transport 10.5.2.
	"mysqld": {
		program: "MariaDB",
		version: "10.1",
		first: names(map[string]string{"require_secure_transport": "10.5.2", "tls_version": "10.4.6"},
			"bind-address", "port", "skip-name-resolve", "ssl-ca", "ssl-cert", "ssl-key", "plugin-load-add", "character-set-server", "collation-server",
			"max_connections", "wait_timeout", "default-storage-engine", "binlog_format", "innodb_autoinc_lock_mode", "innodb_buffer_pool_size",
			"innodb_flush_log_at_trx_commit", "innodb_log_file_size", "innodb_buffer_pool_dump_at_shutdown", "innodb_buffer_pool_load_at_startup",
			"wsrep_on", "wsrep_provider", "wsrep_cluster_name", "wsrep_node_name", "wsrep_node_address", "wsrep_slave_threads", "wsrep_sst_method", "wsrep_notify_cmd",
			"wsrep_provider_options", "wsrep_cluster_address", "wsrep_sst_donor"),
	},
	// MariaDB documentation, "Introduction to State Snapshot Transfers", [sst] of the rsync script.
	"sst": {
		program: "MariaDB",
		version: "10.1",
		first:   map[string]string{"ssl-mode": "10.2"},
	},
	// MariaDB documentation, "wsrep_provider_options" (the releases that each names; ist.recv_bind since
	// 10.1.17's galera 25.3.17, gcache.recover since 25.3.19), and "Galera Parameters" of the Galera Cluster
	// documentation. socket.ssl is Galera 4's. garbd(8): what its configuration file may have. It begins
	// without a group.
	"": {
		program: "garbd",
		version: "25.3.19",
		first:   names(nil, "name", "group", "address", "options", "donor", "sst", "log", "cfg"),
	},
	"provider": {
		program: "galera-3",
		version: "25.3.19",
		first: names(map[string]string{
			"ist.recv_bind":     "25.3.17",
			"gcache.recover":    "25.3.19",
			"socket.ssl_reload": "26.4.8",
		},
			"gmcast.listen_addr", "socket.ssl_ca", "socket.ssl_cert", "socket.ssl_key", "gcache.size", "evs.keepalive_period", "evs.inactive_check_period",
			"evs.suspect_timeout", "evs.inactive_timeout", "evs.join_retrans_period", "evs.install_timeout", "pc.announce_timeout", "pc.wait_prim_timeout",
			"gmcast.peer_timeout", "gcomm.thread_prio"),
	},
	// MariaDB documentation: ALTER USER 10.2.0, CREATE USER IF NOT EXISTS 10.1.3.
	"statement": {
		program: "MariaDB",
		version: "10.1",
		first: map[string]string{
			"CREATE DATABASE": "",
			"CREATE USER":     "",
			"GRANT ALL":       "",
			"ALTER USER":      "10.2",
		},
	},
}

func refuseMariaDB(text string) (refused []string) {
	group := ""

	tell := func(kind, name string) {
		if what := mariadbRules[kind].refuse(name); what != "" {
			refused = append(refused, what)
		}
	}

	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		name, value, assigned := strings.Cut(line, " = ")

		switch {
		case strings.HasPrefix(line, "["):
			group = strings.Trim(line, "[]")
			tell("group", group)
		case !assigned || strings.HasPrefix(line, "#"):

		default:
			tell(group, name)

			if name == "wsrep_provider_options" || name == "options" {
				for option := range strings.SplitSeq(strings.Trim(value, `"`), ";") {
					key, _, _ := strings.Cut(option, "=")
					tell("provider", key)
				}
			}
		}
	}

	return refused
}

func refuseSQL(text string) (refused []string) {
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 1 && words[0] != "--" && words[0] != "others" {
			if what := mariadbRules["statement"].refuse(words[0] + " " + words[1]); what != "" {
				refused = append(refused, what)
			}
		}
	}

	return refused
}

// nginx documentation: "This directive appeared in version", where it names one. Only nohostname and
// $realip_remote_addr (1.9.7) are younger than 1.9 among the rest.
var nginxRules = rules{
	program: "nginx",
	version: "1.10.3",
	first: names(map[string]string{"absolute_redirect": "1.11.8"},
		"geo", "map", "server", "listen", "server_name", "root", "index", "access_log", "error_log", "set_real_ip_from", "real_ip_header",
		"client_max_body_size", "port_in_redirect", "location", "try_files", "expires", "return", "include", "fastcgi_param", "fastcgi_read_timeout",
		"fastcgi_buffers", "fastcgi_buffer_size", "fastcgi_pass"),
}

var nginxTable = regexp.MustCompile(`(?s)(geo|map) [^{]*\{[^}]*\}`)

func refuseNginx(text string) (refused []string) {
	text = nginxTable.ReplaceAllString(text, "$1 {\n}")
	for line := range strings.Lines(text) {
		for part := range strings.SplitSeq(line, "{ ") { // location ... { return 403; }
			if words := strings.Fields(part); len(words) > 0 && !strings.Contains(
				"#}",
				words[0][:1],
			) {
				if what := nginxRules.refuse(words[0]); what != "" {
					refused = append(refused, what)
				}
			}
		}
	}

	return refused
}

// PHP manual, "Configuration of FPM": decorate_workers_output 7.3.0; log_limit 7.3.0; the rest names no version
// since 7.0.
var fpmRules = rules{
	program: "PHP-FPM",
	version: "7.0",
	first: names(map[string]string{"decorate_workers_output": "7.3.0", "log_limit": "7.3.0"},
		"error_log", "daemonize", "emergency_restart_threshold", "emergency_restart_interval", "user", "group", "listen", "listen.owner", "listen.group",
		"listen.backlog", "pm", "pm.max_children", "pm.start_servers", "pm.min_spare_servers", "pm.max_spare_servers", "pm.max_requests",
		"pm.process_idle_timeout", "request_terminate_timeout", "catch_workers_output", "php_admin_value", "php_admin_flag", "php_value", "php_flag"),
}

func refuseFPM(text string) (refused []string) {
	for line := range strings.Lines(text) {
		if name, _, assigned := strings.Cut(line, " = "); assigned && !strings.HasPrefix(name, ";") {
			name, _, _ = strings.Cut(name, "[")
			if what := fpmRules.refuse(name); what != "" {
				refused = append(refused, what)
			}
		}
	}

	return refused
}

// systemd's NEWS: StateDirectory= and RuntimeDirectoryPreserve= 235, Type=exec 240; StartLimitIntervalSec= 230,
// "!" before a program 231 and ProtectControlGroups= 232 are there.
var systemdRules = rules{
	program: "systemd",
	version: "232",
	first: names(map[string]string{
		"StateDirectory":           "235",
		"StateDirectoryMode":       "235",
		"RuntimeDirectoryPreserve": "235",
		"Type=exec":                "240",
		"Type=notify-reload":       "253",
		"StartLimitIntervalSec":    "230",
		"ProtectControlGroups":     "232",
	}, "Description", "Documentation", "DefaultDependencies", "After", "Before", "Wants", "Conflicts", "Type=simple", "Type=oneshot", "Type=notify",
		"User", "Group", "Environment", "EnvironmentFile", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecStopPost", "ExecReload", "SyslogIdentifier",
		"AmbientCapabilities", "WorkingDirectory", "Nice", "ProtectSystem", "ProtectHome", "PrivateTmp", "NoNewPrivileges", "UMask", "KillMode", "KillSignal", "SendSIGKILL",
		"SuccessExitStatus", "Restart", "RestartSec", "WatchdogSec", "RemainAfterExit", "TimeoutStartSec", "TimeoutStopSec", "TasksMax", "LimitNOFILE", "LimitMEMLOCK",
		"OOMScoreAdjust", "RuntimeDirectory", "WantedBy"),
}

func refuseUnit(text string) (refused []string) {
	for line := range strings.Lines(text) {
		name, value, assigned := strings.Cut(strings.TrimSpace(line), "=")
		if !assigned || strings.HasPrefix(name, "#") {
			continue
		}
		if name == "Type" {
			name += "=" + value
		}

		if what := systemdRules.refuse(name); what != "" {
			refused = append(refused, what)
		}
	}

	return refused
}

// phpNews are forms that PHP 7.0 cannot read (PHP manual, "New features" of 7.1, 7.2, 7.3, 7.4 and 8.0).
var phpNews = map[string]*regexp.Regexp{
	"void (7.1)":                     regexp.MustCompile(`\)\s*:\s*void\b`),
	"nullable types (7.1)":           regexp.MustCompile(`[(,:]\s*\?[A-Za-z\\]+`),
	"object and iterable (7.1, 7.2)": regexp.MustCompile(`\b(object|iterable) \$`),
	"visibility of constants (7.1)":  regexp.MustCompile(`(public|protected|private) const`),
	"several exceptions (7.1)":       regexp.MustCompile(`catch \([^)]*\|`),
	"lists without list() (7.1)":     regexp.MustCompile(`(?m)^\s*\[[^\]]*\]\s*=[^=>]`),
	"typed properties (7.4)":         regexp.MustCompile(`(public|protected|private) \??[A-Za-z]+ \$`),
	"arrow functions (7.4)":          regexp.MustCompile(`\bfn\s*\(`),
	"assignment with ?? (7.4)":       regexp.MustCompile(`\?\?=`),
	"match, ?-> and str_contains (8.0)": regexp.MustCompile(
		`\bmatch\s*\(|\?->|\bstr_(contains|starts_with|ends_with)\(`,
	),
}

func refusePHP(text string) (refused []string) {
	for _, name := range slices.Sorted(maps.Keys(phpNews)) {
		if found := phpNews[name].FindString(text); found != "" {
			refused = append(refused, fmt.Sprintf("PHP 7.0 does not know %s: %q", name, found))
		}
	}

	return refused
}

// judge picks the rules for a text by its path.
func judge(path, text string) []string {
	switch {
	case strings.HasSuffix(path, "haproxy.cfg"):
		return refuseHAProxy(text)
	case strings.HasSuffix(path, ".cnf"):
		return refuseMariaDB(text)
	case strings.HasSuffix(path, ".sql"):
		return refuseSQL(text)
	case strings.HasSuffix(path, "/hornero") && strings.Contains(path, "nginx"):
		return refuseNginx(text)
	case strings.HasSuffix(path, "php-fpm.conf"):
		return refuseFPM(text)
	case strings.HasSuffix(path, ".service"):
		return refuseUnit(text)
	case strings.HasSuffix(path, ".php"):
		return refusePHP(text)
	}

	return nil
}

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
		data, err := fs.ReadFile(manifest.FS(), file.Source)
		require.NoError(t, err)
		texts[file.Path] = string(data)
	}

	return texts
}

func TestDebian9sProgramsKnowEveryName(t *testing.T) {
	for _, role := range append([]string{roles.Common}, everyRole...) {
		for path, text := range allTexts(t, role, "debian-9") {
			require.Empty(t, judge(path, text), "%s of %s", path, role)
		}
	}
}

// The rules are alive: what Debian 13 gets is refused, for exactly what Debian 9's programs do not know.
func TestDebian13sTextsAreRefused(t *testing.T) {
	for role, want := range map[string]map[string]string{
		"common": {"/etc/systemd/system/hornero-bootstrap.service": "RuntimeDirectoryPreserve StateDirectory " +
			"StateDirectoryMode"},
		"proxy": {"/etc/haproxy/haproxy.cfg": "clitcpka-cnt clitcpka-idle clitcpka-intvl expose-fd log stdout " +
			"short srvtcpka-cnt srvtcpka-idle srvtcpka-intvl"},
		"db": {
			"/etc/mysql/mariadb.conf.d/90-hornero.cnf": "require_secure_transport ssl-mode " +
				"tls_version",
			"/etc/mysql/hornero/grants.sql": "ALTER USER",
		},
		"web": {
			"/etc/haproxy/haproxy.cfg": "expose-fd log stdout short srvtcpka-cnt srvtcpka-idle " +
				"srvtcpka-intvl",
			"/etc/nginx/sites-enabled/hornero":  "absolute_redirect",
			"/etc/hornero-web/php-fpm.conf":     "decorate_workers_output",
			"/etc/systemd/system/nginx.service": "Type=exec",
		},
	} {
		got := map[string]string{}
		for path, text := range allTexts(t, role, "debian-13") {
			var refused []string
			for _, what := range judge(path, text) {
				refused = append(
					refused,
					regexp.MustCompile(`does not know "([^"]+)"`).FindStringSubmatch(what)[1],
				)
			}

			if slices.Sort(refused); len(refused) > 0 {
				got[path] = strings.Join(slices.Compact(refused), " ")
			}
		}

		require.Equal(t, want, got, role)
	}
}

// Each judge reads the places that it is to read.
func TestWhatDebian9DoesNotKnowIsRefused(t *testing.T) {
	for text, want := range map[string]struct{ path, what string }{
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
		require.Contains(t,
			strings.Join(judge(want.path, text), "\n"),
			want.what,
		)
	}
}

// A limit that no text and no command asks for is a leftover.
func TestEveryLimitIsAskedFor(t *testing.T) {
	for _, role := range everyRole {
		manifest, err := roles.Load(roles.Embedded(), role)
		require.NoError(t, err)
		var all strings.Builder

		for _, template := range manifest.Templates {
			text, err := fs.ReadFile(manifest.FS(), template.Source)
			require.NoError(t, err)
			all.Write(text)
		}

		all.WriteString(strings.Join(manifest.Bake.Commands, "\n"))

		for release, limits := range manifest.Limits {
			for _, limit := range limits {
				require.Contains(t,
					all.String(),
					fmt.Sprintf("can %q", limit),
					"%s of %s",
					limit,
					release,
				)
			}
		}
	}
}

// Debian 9's units differ from the others' in what systemd 232 and HAProxy 1.7 lack, and in nothing else.
func TestUnitsOfDebian9(t *testing.T) {
	for _, pair := range []struct{ now, then, differ string }{
		{
			now:    "common/hornero-bootstrap.service",
			then:   "common/debian-9/hornero-bootstrap.service",
			differ: "ExecStartPre RuntimeDirectory RuntimeDirectoryPreserve StateDirectory StateDirectoryMode",
		},
		{"web/files/nginx.service", "web/files/debian-9/nginx.service", "Type"},
		{
			now:    "proxy/haproxy.service",
			then:   "proxy/debian-9/haproxy.service",
			differ: "ExecStart RuntimeDirectory Type",
		},
		{"proxy/debian-9/haproxy.service", "web/files/debian-9/haproxy.service", ""},
	} {
		now, then := unitLines(t, pair.now), unitLines(t, pair.then)
		var differ []string

		for line := range now {
			if !then[line] {
				differ = append(differ, strings.SplitN(line, "=", 2)[0])
			}
		}

		for line := range then {
			if !now[line] {
				differ = append(differ, strings.SplitN(line, "=", 2)[0])
			}
		}

		slices.Sort(differ)

		require.Equal(t,
			pair.differ,
			strings.Join(slices.Compact(differ), " "),
			pair.then,
		)
	}
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
