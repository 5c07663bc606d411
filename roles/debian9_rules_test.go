package roles_test

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
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
		return fmt.Sprintf("%s %s does not know %q, which came with %s", r.program, r.version, name, first)
	}

	return ""
}

func newer(a, b string) bool {
	one := strings.Split(a, ".")
	two := strings.Split(b, ".")

	for i := range min(len(one), len(two)) {
		x, _ := strconv.Atoi(one[i]) // the tables hold numbers
		y, _ := strconv.Atoi(two[i])
		if x != y {
			return x > y
		}
	}

	return len(one) > len(two)
}

// names adds the old names, with commas between them, to those that came later.
func names(first map[string]string, old string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, first)

	for name := range strings.SplitSeq(old, ",") {
		all[strings.TrimSpace(name)] = ""
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
		}, `
			chroot, stats socket, stats timeout, user, group, maxconn, hard-stop-after, mode, log global,
			log /dev/log, timeout connect, timeout queue, timeout check, timeout client, timeout server,
			timeout client-fin, timeout server-fin, timeout http-request, timeout http-keep-alive,
			http-request set-header, http-request del-header, option clitcpka, option srvtcpka, retries,
			option redispatch, bind, default_backend, default-server, server, balance, option httpchk,
			http-check expect, http-check disable-on-404, stats enable, stats uri, stats refresh, stats auth
		`),
	},
	// 5.1 "Bind options", which the stats socket shares; 1.8 for expose-fd.
	"bind": {
		program: "HAProxy",
		version: "1.7",
		first: names(
			map[string]string{"expose-fd": "1.8"},
			`
			mode, level, tcp-ut, transparent, ssl, crt, no-sslv3, no-tlsv10, no-tlsv11
		`),
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
			`
			port, inter, fastinter, downinter, rise, fall, on-marked-down
		`),
	},
	"server": {
		program: "HAProxy",
		version: "1.7",
		first: names(
			map[string]string{"init-state": "3.1"},
			`
			check, track, tcp-ut, disabled, backup
		`),
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
		first: names(map[string]string{
			"require_secure_transport": "10.5.2",
			"tls_version":              "10.4.6",
			"wsrep_mode":               "10.6.0",
		},
			`
			bind-address, port, read_only, skip-name-resolve, ssl-ca, ssl-cert, ssl-key, plugin-load-add,
			character-set-server, collation-server, max_connections, wait_timeout, default-storage-engine,
			binlog_format, innodb_autoinc_lock_mode, innodb_buffer_pool_size,
			innodb_flush_log_at_trx_commit, innodb_log_file_size, innodb_buffer_pool_dump_at_shutdown,
			innodb_buffer_pool_load_at_startup, wsrep_on, wsrep_provider, wsrep_cluster_name,
			wsrep_node_name, wsrep_node_address, wsrep_slave_threads, wsrep_sst_method, wsrep_notify_cmd,
			wsrep_provider_options, wsrep_cluster_address, wsrep_sst_donor
		`),
	},
	// MariaDB documentation, "Introduction to State Snapshot Transfers", [sst] of the rsync script.
	"sst": {
		program: "MariaDB",
		version: "10.1",
		first:   map[string]string{"ssl-mode": "10.2", "tca": "10.2", "tcert": "10.2", "tkey": "10.2"},
	},
	// MariaDB documentation, "wsrep_provider_options" (the releases that each names; ist.recv_bind since
	// 10.1.17's galera 25.3.17, gcache.recover since 25.3.19), and "Galera Parameters" of the Galera Cluster
	// documentation. socket.ssl is Galera 4's. garbd(8): what its configuration file may have. It begins
	// without a group.
	"": {
		program: "garbd",
		version: "25.3.19",
		first: names(nil, `
			name, group, address, options, donor, sst, log, cfg
		`),
	},
	"provider": {
		program: "galera-3",
		version: "25.3.19",
		first: names(map[string]string{
			"ist.recv_bind":     "25.3.17",
			"gcache.recover":    "25.3.19",
			"socket.ssl_reload": "26.4.8",
		},
			`
			gmcast.listen_addr, socket.ssl_ca, socket.ssl_cert, socket.ssl_key, gcache.size,
			evs.keepalive_period, evs.inactive_check_period, evs.suspect_timeout, evs.inactive_timeout,
			evs.join_retrans_period, evs.install_timeout, pc.announce_timeout, pc.wait_prim_timeout,
			gmcast.peer_timeout, gcomm.thread_prio
		`),
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

// nginx documentation: "This directive appeared in version", where it names one. Only nohostname and
// $realip_remote_addr (1.9.7) are younger than 1.9 among the rest.
var nginxRules = rules{
	program: "nginx",
	version: "1.10.3",
	first: names(map[string]string{
		"absolute_redirect":               "1.11.8",
		"fastcgi_cache_background_update": "1.11.10",
		// Their modules are in no package of Debian 9, or not in nginx-light's.
		"brotli":            "99",
		"brotli_comp_level": "99",
		"brotli_min_length": "99",
		"brotli_types":      "99",
		"limit_req_zone":    "99",
		"limit_req":         "99",
		"limit_req_status":  "99",
	},
		`
			geo, map, server, listen, server_name, root, index, log_format, access_log, error_log, set_real_ip_from,
			proxy_pass, proxy_set_header, proxy_http_version, proxy_method, proxy_pass_request_body, proxy_read_timeout,
			real_ip_header, client_max_body_size, port_in_redirect, location, try_files, expires, return,
			real_ip_recursive, keepalive_timeout, keepalive_requests, internal;, error_page, default_type, add_header,
			gzip_vary, gzip_proxied, gzip_comp_level, gzip_min_length, gzip_types, fastcgi_cache_path,
			fastcgi_cache, fastcgi_cache_key, fastcgi_cache_methods, fastcgi_cache_valid,
			fastcgi_cache_bypass, fastcgi_no_cache, fastcgi_cache_use_stale, fastcgi_cache_lock,
			fastcgi_cache_lock_timeout, fastcgi_cache_lock_age,
			include, fastcgi_param, fastcgi_read_timeout, fastcgi_buffers, fastcgi_buffer_size, fastcgi_pass,
			proxy_pass, proxy_http_version, proxy_set_header, proxy_request_buffering, proxy_buffering,
			proxy_read_timeout
		`),
}

// PHP manual, "Configuration of FPM": decorate_workers_output 7.3.0; log_limit 7.3.0; the rest names no version
// since 7.0.
var fpmRules = rules{
	program: "PHP-FPM",
	version: "7.0",
	first: names(map[string]string{"decorate_workers_output": "7.3.0", "log_limit": "7.3.0"},
		`
			error_log, daemonize, process_control_timeout, process.priority, emergency_restart_threshold,
			emergency_restart_interval, user, group,
			listen, listen.owner, listen.group, listen.backlog, pm, pm.max_children, pm.start_servers,
			pm.min_spare_servers, pm.max_spare_servers, pm.max_requests, pm.process_idle_timeout,
			request_terminate_timeout, catch_workers_output, php_admin_value, php_admin_flag, php_value,
			php_flag
		`),
}

// systemd's NEWS: StateDirectory=, RuntimeDirectoryPreserve= and LockPersonality= 235, RestrictNamespaces= 233,
// Type=exec 240, ProtectHostname= and RestrictSUIDSGID= 242, ProtectKernelLogs= 244, ProtectClock= 245;
// StartLimitIntervalSec= 230, "!" before a program 231 and ProtectControlGroups= 232 are there.
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
		"RestrictNamespaces":       "233",
		"LockPersonality":          "235",
		"ProtectHostname":          "242",
		"RestrictSUIDSGID":         "242",
		"ProtectKernelLogs":        "244",
		"ProtectClock":             "245",
	}, `
			CapabilityBoundingSet, PrivateDevices, ProtectKernelTunables, ProtectKernelModules,
			MemoryDenyWriteExecute, RestrictRealtime, RestrictAddressFamilies, MemoryMax,
			SystemCallArchitectures, SystemCallErrorNumber, SystemCallFilter,
			Description, Documentation, DefaultDependencies, After, Before, Wants, Conflicts, Type=simple,
			Type=oneshot, Type=notify, User, Group, Environment, EnvironmentFile, ExecStartPre, ExecStart,
			ExecStartPost, ExecStopPost, ExecReload, SyslogIdentifier, AmbientCapabilities,
			WorkingDirectory, Nice, ProtectSystem, ProtectHome, PrivateTmp, NoNewPrivileges, UMask,
			KillMode, KillSignal, SendSIGKILL, SuccessExitStatus, Restart, RestartSec, WatchdogSec,
			RemainAfterExit, TimeoutStartSec, TimeoutStopSec, TasksMax, LimitNOFILE, LimitMEMLOCK,
			OOMScoreAdjust, RuntimeDirectory, WantedBy
		`),
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
