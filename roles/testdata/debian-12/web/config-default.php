<?php
// Written by hornero-bootstrap. Debian's /usr/share/wordpress/wp-config.php reads it for every host name.

define('DB_NAME', 'wordpress');
define('DB_USER', 'wordpress');
define('DB_PASSWORD', 'it\'s \\ "quoted" $HOME');
// /etc/hosts has it at 127.0.0.1, where HAProxy listens. TLS goes through to MariaDB, whose certificate bears the name.
define('DB_HOST', 'db.hornero');
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
define('MYSQL_CLIENT_FLAGS', MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_VERIFY_SERVER_CERT);

// Every web node derives the same keys, so that a session is good on all of them.
define('AUTH_KEY', 'e734b01024eb5d793fc8e01de976ae4a56193b6610ecc1124ae653268f426975');
define('SECURE_AUTH_KEY', 'e17fed5099e711e9505ffcd4ddf7fa1588a6497511cbbeed283ea4a3b32bcba1');
define('LOGGED_IN_KEY', 'd2259acd959e6437c448d43a8cb9150de7ea7fa26ab3ae94b49be56a5778a1fc');
define('NONCE_KEY', '3b01ad36bb63da5bfde9da739f9b29618ba367450d3e5c1d32a4557c07ab0c56');
define('AUTH_SALT', 'b67dddf80bbc3c8ed3d6044093ffbc11a244824690b1d5cb2babca881221ef17');
define('SECURE_AUTH_SALT', '827b8f5f4204fa58f4c4e8de779bd36a7dbc2c041dbcedc7cf887650c082158f');
define('LOGGED_IN_SALT', 'ab4b472a1ba7a45ae2e125d6c1ca0d46c1bc439455e5c451d9965f4673b42264');
define('NONCE_SALT', '41fee9e48864a8532ea42b181d55e75de5c7c3960e1a15a4de1b0ec80d476e4b');

// As in the stack's other web nodes, and in the dump that a site moved in with.
$table_prefix = 'wp_';

// What the stack's own programs read.
define('HORNERO_URL', '');
define('HORNERO_SESSIONS', 'database');
define('HORNERO_OBJECT_CACHE', false);

// Debian's own default is a folder of PHP's user. This one is root's and read-only; "uploads" in it leads to PHP's.
define('WP_CONTENT_DIR', '/usr/share/wordpress/wp-content');
// Code comes with the image: a plugin installed on one node would be on that node only.
define('DISALLOW_FILE_MODS', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
// One node of the stack runs cron, once a minute, under a lease.
define('DISABLE_WP_CRON', true);
define('WP_ALLOW_MULTISITE', false);
define('WP_DEBUG', false);
define('WP_MEMORY_LIMIT', '256M');
define('WP_MAX_MEMORY_LIMIT', WP_MEMORY_LIMIT);
define('HORNERO_PAGE_CACHE', false);
define('HORNERO_XMLRPC', false);

require '/etc/wordpress/own.php';

// The stack names no site.url: the site is wherever it was asked for. nginx lets X-Forwarded-Proto through from the load
// balancer only, and a Host that is no host name gets the address in the database.
if (preg_match('/^([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?$/i', $_SERVER['HTTP_HOST'] ?? '')) {
	define('WP_HOME', (($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https' ? 'https://' : 'http://') . $_SERVER['HTTP_HOST']);
	define('WP_SITEURL', WP_HOME);
}
