<?php
// What the health check, the installer, cron and the owner's tools have in common: WordPress' database, asked without
// WordPress.

// The file reads the request's host; there may be none here.
$_SERVER['HTTP_HOST'] = $_SERVER['HTTP_HOST'] ?? 'localhost';
require_once '/etc/wordpress/config-default.php';
require_once '/etc/wordpress/hornero-node.php';

const HORNERO_WORDPRESS = '/usr/share/wordpress';

/** Connects as WordPress does, TLS and all, and gives up within two seconds; null when there is no database. */
function hornero_connect($patience = 5) {
	mysqli_report(MYSQLI_REPORT_OFF);
	$database = mysqli_init();
	$database->options(MYSQLI_OPT_CONNECT_TIMEOUT, 2);
	if (defined('MYSQLI_OPT_READ_TIMEOUT')) { // since PHP 7.2
		$database->options(MYSQLI_OPT_READ_TIMEOUT, $patience);
	}
	$connected = @$database->real_connect(DB_HOST, DB_USER, DB_PASSWORD, DB_NAME, 3306, null, MYSQL_CLIENT_FLAGS);
	return $connected ? $database : null;
}

/** The name of a table of WordPress. The prefix is of letters, digits and _ only. */
function hornero_table(string $name): string {
	return $GLOBALS['table_prefix'] . $name;
}

/** Tells whether WordPress' tables are there and someone administers it: the installer makes that account late. */
function hornero_installed(mysqli $database): bool {
	$found = $database->query(
		'SELECT 1 FROM ' . hornero_table('options') . ' JOIN ' . hornero_table('usermeta')
		. " WHERE option_name = 'siteurl' AND meta_key = '" . hornero_table('capabilities')
		. "' AND meta_value LIKE '%\"administrator\"%' LIMIT 1"
	);
	return $found !== false && $found->num_rows === 1;
}

/** Makes a program's own run look as if it were a request to the site's address. */
function hornero_pretend_request(string $url) {
	$port = parse_url($url, PHP_URL_PORT);
	$_SERVER['HTTP_HOST'] = parse_url($url, PHP_URL_HOST) . ($port ? ":$port" : '');
	$_SERVER['REQUEST_URI'] = '/';
	$_SERVER['REQUEST_METHOD'] = 'GET';
	$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
	$_SERVER['REMOTE_ADDR'] = '127.0.0.1';
	if (parse_url($url, PHP_URL_SCHEME) === 'https') {
		$_SERVER['HTTPS'] = 'on';
		$_SERVER['HTTP_X_FORWARDED_PROTO'] = 'https';
	}
}

/** The number of the database schema that this node's WordPress is made for. */
function hornero_code_version(): int {
	require HORNERO_WORDPRESS . '/wp-includes/version.php';
	return $wp_db_version;
}

/** The number of the schema that the database has; 0 when nobody knows. */
function hornero_database_version(mysqli $database): int {
	$found = $database->query('SELECT option_value FROM ' . hornero_table('options') . " WHERE option_name = 'db_version'");
	$row = $found === false ? null : $found->fetch_row();
	return $row === null ? 0 : (int) $row[0];
}
