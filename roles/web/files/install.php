<?php
// Installs WordPress once: its tables, its settings and the administrator's account. Run again, it changes nothing; after a
// run that was cut off it goes on. Everything comes by the environment. hornero-bootstrap runs it under a lease, so that no
// two nodes do at once.
const PATIENCE = 150; // seconds to wait for the database

function give_up(string $message) {
	fwrite(STDERR, "$message\n");
	exit(1);
}

function wanted(string $name, string $fallback = ''): string {
	$value = getenv($name);
	$value = $value === false || $value === '' ? $fallback : $value;
	if ($value === '') {
		give_up("$name is not set");
	}
	return $value;
}

function wait_for_database(): mysqli {
	$end = microtime(true) + PATIENCE;
	while (($database = hornero_connect()) === null) {
		if (microtime(true) > $end) {
			give_up('connect to the database: ' . mysqli_connect_error());
		}
		usleep(200000);
	}
	return $database;
}

// Nobody waits for a letter from a machine that has no mail, and the password is in the stack's secrets.
function wp_new_blog_notification($title, $url, $user, $password) {}

/** Tells the others which WordPress this node has. It is no reason not to serve when that cannot be written down. */
function record_node(mysqli $database) {
	$node = (string) getenv('NODE');
	if ($node !== '' && !hornero_record_node($database, $node, (int) getenv('INCARNATION'), hornero_code_version())) {
		fwrite(STDERR, "write down this node's version: {$database->error}\n");
	}
}

require __DIR__ . '/database.php';
require __DIR__ . '/nodes.php';
hornero_pretend_request(wanted('SITE_URL', 'http://localhost'));

$database = wait_for_database();
record_node($database);
if (hornero_installed($database)) {
	echo "wordpress is installed already\n";
	exit(0);
}

define('WP_INSTALLING', true);
require '/usr/share/wordpress/wp-load.php';
if ($database->query('SELECT 1 FROM ' . hornero_table('posts') . ' LIMIT 1')->num_rows ?? 0) {
	// A run that was cut off made the first post and page already; the real one would make them again.
	function wp_install_defaults($user) {}
}
require ABSPATH . 'wp-admin/includes/upgrade.php';

// With a structure set, WordPress does not try several by asking itself over HTTP, which nobody answers yet.
const PERMALINKS = '/%year%/%monthnum%/%day%/%postname%/';
$permalinks = function () { return PERMALINKS; };
add_filter('pre_option_permalink_structure', $permalinks);

// A machine that stood still loses the lease, and another may have installed meanwhile.
$database = wait_for_database();
if (hornero_installed($database)) {
	echo "wordpress is installed already, by another node\n";
	exit(0);
}

$user = wanted('ADMIN_USER', 'admin');
$email = wanted('ADMIN_EMAIL', 'admin@example.invalid');
$language = (string) getenv('SITE_LANGUAGE');
wp_install(wanted('SITE_TITLE'), $user, $email, true, '', wp_slash(wanted('ADMIN_PASSWORD')), $language);
remove_filter('pre_option_permalink_structure', $permalinks);
update_option('permalink_structure', PERMALINKS);
if ((string) getenv('SITE_TIMEZONE') !== '') {
	update_option('timezone_string', (string) getenv('SITE_TIMEZONE'));
}
flush_rewrite_rules();

if ($language !== '' && get_option('WPLANG') !== $language) {
	fwrite(STDERR, "this image has no translation for $language (wp-content/languages): the site is in English\n");
}

if (!hornero_installed($database)) {
	give_up('the installer returned, but there is no administrator: ' . $GLOBALS['wpdb']->last_error);
}
echo "wordpress is installed\n";
