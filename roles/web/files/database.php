<?php
// What the health check, the installer and cron have in common: WordPress' database, asked without WordPress.

// The file reads the request's host; there may be none here.
$_SERVER['HTTP_HOST'] = $_SERVER['HTTP_HOST'] ?? 'localhost';
require_once '/etc/wordpress/config-default.php';

/** Connects as WordPress does, TLS and all, and gives up within two seconds; null when there is no database. */
function hornero_connect() {
	mysqli_report(MYSQLI_REPORT_OFF);
	$database = mysqli_init();
	$database->options(MYSQLI_OPT_CONNECT_TIMEOUT, 2);
	if (defined('MYSQLI_OPT_READ_TIMEOUT')) { // since PHP 7.2
		$database->options(MYSQLI_OPT_READ_TIMEOUT, 5);
	}
	$connected = @$database->real_connect(DB_HOST, DB_USER, DB_PASSWORD, DB_NAME, 3306, null, MYSQL_CLIENT_FLAGS);
	return $connected ? $database : null;
}

/** Tells whether WordPress' tables are there and someone administers it: the installer makes that account late. */
function hornero_installed(mysqli $database): bool {
	$found = $database->query(
		"SELECT 1 FROM wp_options JOIN wp_usermeta"
		. " WHERE option_name = 'siteurl' AND meta_key = 'wp_capabilities' AND meta_value LIKE '%\"administrator\"%' LIMIT 1"
	);
	return $found !== false && $found->num_rows === 1;
}
