<?php
// Runs what is due in WordPress' cron. hornero-bootstrap runs it every minute on one web node, under a lease.
require __DIR__ . '/database.php';

$database = hornero_connect();
if ($database === null) {
	echo 'no database, so nothing is due: ' . mysqli_connect_error() . "\n"; // the health check complains
	exit(0);
}
if (!hornero_installed($database)) {
	echo "wordpress is not installed yet\n";
	exit(0);
}
$database->close();

// Also where sessions are elsewhere by now: the last of those in the database go, too.
require __DIR__ . '/database-sessions.php';
$sessions = new Hornero_Database_Sessions(Hornero_Database_Sessions::table($table_prefix), '');
$sessions->gc(0);
$sessions->close();

$_SERVER['REQUEST_METHOD'] = 'GET';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
$_SERVER['REMOTE_ADDR'] = '127.0.0.1';
require '/usr/share/wordpress/wp-cron.php';
