<?php
// Brings the database to the schema of a newer WordPress, once no web node runs an older one. hornero-bootstrap runs it under
// a lease. WordPress' own upgrade.php would do it for anybody, without a lock and while older nodes serve.
require __DIR__ . '/database.php';
require __DIR__ . '/nodes.php';

$database = hornero_connect();
if ($database === null || !hornero_installed($database)) {
	exit(0); // the health check complains
}

$code = hornero_code_version();
$found = hornero_database_version($database);

// An older WordPress in front of a newer schema, after a roll back: it is left as it is.
if ($found === 0 || $found >= $code) {
	exit(0);
}

$peers = preg_split('/\s+/', (string) getenv('PEERS'), -1, PREG_SPLIT_NO_EMPTY);
$older = hornero_older_nodes($database, hornero_same_group($peers, (string) getenv('NODE')), $code);
if ($peers === [] || $older !== []) {
	echo "schema $found stays until these nodes are gone or have WordPress of schema $code: " . implode(' ', $older) . "\n";
	exit(0);
}
$database->close();

define('WP_INSTALLING', true);
define('HORNERO_SCHEMA_UPDATE', true);
hornero_pretend_request((string) getenv('SITE_URL') ?: 'http://localhost');
require HORNERO_WORDPRESS . '/wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';

wp_upgrade();
wp_cache_flush();
do_action('hornero_pages_changed');

$database = hornero_connect();
$now = $database === null ? 0 : hornero_database_version($database);
if ($now !== $code) {
	fwrite(STDERR, "WordPress updated the database, and its schema is $now instead of $code: {$GLOBALS['wpdb']->last_error}\n");
	exit(1);
}
echo "schema $found is now $code\n";
