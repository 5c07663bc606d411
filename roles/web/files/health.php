<?php
// Answers 200 when WordPress can serve from here: PHP runs, a database answers, and WordPress is installed in it.
require __DIR__ . '/database.php';

header('Content-Type: text/plain');
header('Cache-Control: no-store');

$database = hornero_connect();
if ($database === null) {
	http_response_code(503);
	exit('no database: ' . mysqli_connect_error() . "\n");
}
if (!hornero_installed($database)) {
	http_response_code(503);
	exit("wordpress is not installed yet\n");
}
echo "wordpress serves\n";
