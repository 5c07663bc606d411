<?php
// Written by hornero-bootstrap. Debian's /usr/share/wordpress/wp-config.php reads it for every host name.

{{with database "wordpress"}}define('DB_NAME', {{phpquote .Name}});
define('DB_USER', {{phpquote .User}});
{{end}}define('DB_PASSWORD', {{secret "wordpress.db_password" | phpquote}});
// /etc/hosts has it at 127.0.0.1, where HAProxy listens. TLS goes through to MariaDB, whose certificate bears the name.
define('DB_HOST', '{{role "database"}}.hornero');
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
define('MYSQL_CLIENT_FLAGS', MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_VERIFY_SERVER_CERT);

// Every web node derives the same keys, so that a session is good on all of them.
define('AUTH_KEY', '{{sha256 (secret "wordpress.salt") "AUTH_KEY"}}');
define('SECURE_AUTH_KEY', '{{sha256 (secret "wordpress.salt") "SECURE_AUTH_KEY"}}');
define('LOGGED_IN_KEY', '{{sha256 (secret "wordpress.salt") "LOGGED_IN_KEY"}}');
define('NONCE_KEY', '{{sha256 (secret "wordpress.salt") "NONCE_KEY"}}');
define('AUTH_SALT', '{{sha256 (secret "wordpress.salt") "AUTH_SALT"}}');
define('SECURE_AUTH_SALT', '{{sha256 (secret "wordpress.salt") "SECURE_AUTH_SALT"}}');
define('LOGGED_IN_SALT', '{{sha256 (secret "wordpress.salt") "LOGGED_IN_SALT"}}');
define('NONCE_SALT', '{{sha256 (secret "wordpress.salt") "NONCE_SALT"}}');

// As in the stack's other web nodes, and in the dump that a site moved in with.
$table_prefix = {{setting "table_prefix" | phpquote}};

// What the stack's own programs read.
define('HORNERO_URL', {{setting "url" | phpquote}});
define('HORNERO_SESSIONS', {{setting "sessions" | phpquote}});
define('HORNERO_OBJECT_CACHE', {{if enabled "object_cache"}}true{{else}}false{{end}});
{{- if or (enabled "object_cache") (eq (setting "sessions") "cache")}}
define('HORNERO_CACHE_PASSWORD', {{secret "cache.password" | phpquote}});
{{- end}}
{{with setting "smtp_host"}}
define('HORNERO_SMTP', [
	'host' => {{phpquote .}},
	'port' => {{number (setting "smtp_port")}},
	'security' => {{setting "smtp_security" | phpquote}},
	'user' => {{setting "smtp_user" | phpquote}},
	'password' => {{if setting "smtp_user"}}{{secret "wordpress.smtp_password" | phpquote}}{{else}}''{{end}},
	'from' => {{setting "smtp_from" | phpquote}},
]);
{{end}}
// Debian's own default is a folder of PHP's user. This one is root's and read-only; "uploads" in it leads to PHP's.
define('WP_CONTENT_DIR', '/usr/share/wordpress/wp-content');
// Code comes with the image: a plugin installed on one node would be on that node only.
define('DISALLOW_FILE_MODS', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
// One node of the stack runs cron, once a minute, under a lease.
define('DISABLE_WP_CRON', true);
define('WP_ALLOW_MULTISITE', false);
define('WP_DEBUG', false);
define('WP_MEMORY_LIMIT', {{setting "php_memory" | phpquote}});
define('WP_MAX_MEMORY_LIMIT', WP_MEMORY_LIMIT);
define('HORNERO_PAGE_CACHE', {{if and (can "page-cache") (setting "url") (gt (seconds (setting "page_cache")) 0)}}true{{else}}false{{end}});
define('HORNERO_XMLRPC', {{if enabled "xmlrpc"}}true{{else}}false{{end}});
{{with setting "config_extra"}}
// The stack's own (config_extra).
{{.}}
{{end}}
require '/etc/wordpress/own.php';
{{with setting "url"}}
define('WP_HOME', rtrim({{phpquote .}}, '/'));
define('WP_SITEURL', WP_HOME);
{{else}}
// The stack names no site.url: the site is wherever it was asked for. nginx lets X-Forwarded-Proto through from the load
// balancer only, and a Host that is no host name gets the address in the database.
if (preg_match('/^([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?$/i', $_SERVER['HTTP_HOST'] ?? '')) {
	define('WP_HOME', (($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https' ? 'https://' : 'http://') . $_SERVER['HTTP_HOST']);
	define('WP_SITEURL', WP_HOME);
}
{{end -}}
