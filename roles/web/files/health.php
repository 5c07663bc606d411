<?php
// Answers 200 when WordPress can serve from here: PHP runs, a database answers, and WordPress is installed in it. /first,
// which is asked until it passed once, wants real pages as well.
require __DIR__ . '/database.php';
require __DIR__ . '/first.php';

// MariaDB's ER_CON_COUNT_ERROR, ER_TOO_MANY_USER_CONNECTIONS and ER_USER_LIMIT_REACHED.
const NO_CONNECTION_FREE = [1040, 1203, 1226];

function unhealthy(string $why) {
	http_response_code(503);
	exit("$why\n");
}

header('Content-Type: text/plain');
header('Cache-Control: no-store');

$database = hornero_connect();

// A database that is too busy for one more connection is there, and it is so for every web node: without any of them in the
// balancer the site would be gone instead of slow.
if ($database === null && in_array(mysqli_connect_errno(), NO_CONNECTION_FREE, true)) {
	exit('wordpress serves, and the database has no connection free: ' . mysqli_connect_error() . "\n");
}
if ($database === null) {
	unhealthy('no database: ' . mysqli_connect_error());
}
if (!hornero_installed($database)) {
	unhealthy('wordpress is not installed yet');
}
$database->close();

if (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) === '/first') {
	$broken = hornero_broken_pages(HORNERO_URL);
	if ($broken !== '') {
		unhealthy($broken);
	}

	require_once __DIR__ . '/media.php';
	$unready = hornero_media_unready();
	if ($unready !== '') {
		unhealthy($unready);
	}
}
echo "wordpress serves\n";
