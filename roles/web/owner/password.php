<?php
// Gives a user of WordPress a new password and prints it. Plugins are left alone: a broken one is no reason to be locked out.
require __DIR__ . '/owner.php';

list($name) = owner_words(array_slice($argv, 1), 1, 'site password USER');

define('WP_INSTALLING', true); // no plugin and no theme is loaded then
require owner_wordpress();

$user = get_user_by('login', $name) ?: get_user_by('email', $name);
if ($user === false) {
	owner_stop("WordPress has no user $name");
}

$password = wp_generate_password(24, false);
wp_set_password($password, $user->ID);

if (!wp_check_password($password, get_user_by('id', $user->ID)->user_pass, $user->ID)) {
	owner_stop('the password was not written: ' . $GLOBALS['wpdb']->last_error);
}

// Who was signed in with the old one is not any more.
WP_Session_Tokens::get_instance($user->ID)->destroy_all();
echo "$password\n";
